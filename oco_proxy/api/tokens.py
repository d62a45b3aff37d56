"""Access tokens: handed out once, stored hashed, revoked for good."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.document import answers
from oco_proxy.api.fields import Name, in_utc
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    newest_page,
)
from oco_proxy.middleware.auth import admin
from oco_warehouse.errors import InvalidInputError, NotFoundError
from oco_warehouse.names import is_visible, one_spelling
from oco_warehouse.tokens import Role, hash_token, new_token, shown_prefix

_COLUMNS: Final = (
    "id::text AS id, name, token_prefix, role, agent_id, team_id, user_id, org_id, created_at, "
    "expires_at, revoked_at"
)
_IDENTITY: Final = ("agent_id", "team_id", "user_id", "org_id")


class NewToken(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A token to be made."""

    name: Name
    role: Role
    agent_id: Name | None = None
    team_id: Name | None = None
    user_id: Name | None = None
    org_id: Name | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        """Spell names as headers are read."""
        for name in _IDENTITY:
            value = getattr(self, name)
            setattr(self, name, None if value is None else one_spelling(value))


class MadeToken(msgspec.Struct, kw_only=True):
    """The only answer that ever shows a token."""

    id: str
    token: str


class ListedToken(msgspec.Struct, kw_only=True):
    """A token as it is listed: its first characters, never itself."""

    id: str
    name: str
    token_prefix: str
    role: Role
    agent_id: str | None
    team_id: str | None
    user_id: str | None
    org_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class Tokens(msgspec.Struct):
    """One page of them."""

    items: list[ListedToken]
    next_cursor: str | None


class TokenController(Controller):
    """`/api/v1/tokens`."""

    path = "/tokens"
    tags = ("access",)

    @get(
        guards=[admin],
        summary="All tokens, newest first",
        responses=answers(200, Tokens, "One page"),
    )
    async def list_tokens(
        self, state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page:
        """Never the tokens themselves, only their first characters."""
        return await newest_page(state.services.pool, "oco.api_tokens", _COLUMNS, cursor, limit)

    @post(guards=[admin], summary="Make a token")
    async def make_token(
        self, state: State, request: Request[Any, Any, Any], data: JSONBody[NewToken]
    ) -> MadeToken:
        """The answer is the only place where it can be read."""
        _check(data)
        secret = new_token()
        async with state.services.pool.acquire() as connection, connection.transaction():
            made: str = await connection.fetchval(
                "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role, agent_id, "
                "team_id, user_id, org_id, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9) "
                "RETURNING id::text",
                data.name,
                hash_token(secret),
                shown_prefix(secret),
                data.role,
                data.agent_id,
                data.team_id,
                data.user_id,
                data.org_id,
                data.expires_at,
            )
            await audit(
                connection,
                request,
                action="token.create",
                entity_type="token",
                entity_id=made,
                details={"role": data.role},
            )
        return MadeToken(id=made, token=secret)

    @delete("/{token_id:uuid}", guards=[admin], summary="Revoke a token")
    async def revoke_token(
        self, state: State, request: Request[Any, Any, Any], token_id: FromPath[UUID]
    ) -> None:
        """It stops within two seconds on every gateway."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            revoked = await connection.fetchval(
                "UPDATE oco.api_tokens SET revoked_at = now() "
                "WHERE id = $1 AND revoked_at IS NULL RETURNING id::text",
                token_id,
            )
            if revoked is None:
                raise NotFoundError(f"there is no valid token {token_id}")
            await audit(
                connection,
                request,
                action="token.revoke",
                entity_type="token",
                entity_id=revoked,
                details={},
            )


def _check(data: NewToken) -> None:
    for name in ("name", *_IDENTITY):
        value = getattr(data, name)
        if value is not None and (not is_visible(value) or not 0 < len(value) <= 200):
            raise InvalidInputError(f"{name} must be from 1 to 200 visible characters")
    if data.expires_at is not None:
        if data.expires_at.tzinfo is None:
            raise InvalidInputError("expires_at needs a time zone, as in 2030-01-01T00:00:00Z")
        if in_utc("expires_at", data.expires_at) <= datetime.now(UTC):
            raise InvalidInputError("expires_at is in the past")
