"""Channels that alerts are delivered to. Their secrets stay in the environment of the pipelines."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import msgspec
from litestar import Controller, Request, delete, get, post, put
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.document import answers, problems
from oco_proxy.api.fields import told
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    newest_page,
)
from oco_proxy.middleware.auth import operator
from oco_warehouse.errors import ConflictError, InvalidInputError, NotFoundError

_COLUMNS: Final = "id::text AS id, name, kind, target, secret_env, scopes, enabled, created_at"
_MAX_SCOPES: Final = 100
_MAX_TEXT: Final = 200
_MAX_TARGET: Final = 2000
_SECRET_NAME: Final = re.compile(r"OCO_CHANNEL_[A-Z0-9_]{1,100}")
_MAILBOX: Final = re.compile(r"[^@\s<>,;:\"\x00-\x20]{1,64}@[A-Za-z0-9.-]{1,190}")


Line = Annotated[str, told(min_length=1, max_length=_MAX_TEXT)]


class ChannelSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A channel.

    `secret_env` names a variable that begins with `OCO_CHANNEL_`: the key that signs a webhook, or
    the whole address of a Slack-compatible one. `scopes` are `SCOPE` or `SCOPE:ENTITY`; none takes
    every alert.
    """

    name: Line
    kind: Literal["webhook", "slack", "email"]
    target: Annotated[str, told(max_length=_MAX_TARGET)] = ""
    secret_env: Annotated[str, told(pattern=f"^{_SECRET_NAME.pattern}$")] | None = None
    scopes: Annotated[list[Line], told(max_items=_MAX_SCOPES)] = msgspec.field(default_factory=list)
    enabled: bool = True


class Channel(msgspec.Struct, kw_only=True):
    """A channel as it is answered."""

    id: str
    name: str
    kind: Literal["webhook", "slack", "email"]
    target: str
    secret_env: str | None
    scopes: list[str]
    enabled: bool
    created_at: datetime


class Channels(msgspec.Struct):
    """One page of them."""

    items: list[Channel]
    next_cursor: str | None


class ChannelController(Controller):
    """`/api/v1/channels`."""

    path = "/channels"
    tags = ("llm",)

    @get(
        guards=[operator],
        summary="All channels, newest first",
        responses=answers(200, Channels, "One page"),
    )
    async def list_channels(
        self, state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page:
        """Where alerts go."""
        return await newest_page(
            state.services.pool, "oco.notification_channels", _COLUMNS, cursor, limit
        )

    @post(
        guards=[operator],
        summary="Add a channel",
        responses=answers(201, Channel, "The channel") | problems(409),
    )
    async def add_channel(
        self, state: State, request: Request[Any, Any, Any], data: JSONBody[ChannelSettings]
    ) -> dict[str, Any]:
        """Alerts that are raised from now on are delivered to it."""
        return await _write(
            state,
            request,
            "channel.create",
            "INSERT INTO oco.notification_channels (name, kind, target, secret_env, scopes, "  # noqa: S608
            f"enabled) VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}",
            data,
        )

    @put(
        "/{channel_id:uuid}",
        guards=[operator],
        summary="Replace a channel",
        responses=answers(200, Channel, "The channel") | problems(409),
    )
    async def replace_channel(
        self,
        state: State,
        request: Request[Any, Any, Any],
        channel_id: FromPath[UUID],
        data: JSONBody[ChannelSettings],
    ) -> dict[str, Any]:
        """Deliveries that wait go to the new place."""
        return await _write(
            state,
            request,
            "channel.update",
            "UPDATE oco.notification_channels SET name = $1, kind = $2, target = $3, "  # noqa: S608
            f"secret_env = $4, scopes = $5, enabled = $6 WHERE id = $7 RETURNING {_COLUMNS}",
            data,
            channel_id,
        )

    @post("/{channel_id:uuid}/test", guards=[operator], summary="Send a test", status_code=202)
    async def test_channel(
        self, state: State, request: Request[Any, Any, Any], channel_id: FromPath[UUID]
    ) -> dict[str, str]:
        """Queues an alert of the kind `test` for this channel alone; `alerts` shows what became."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            name = await connection.fetchval(
                "SELECT name FROM oco.notification_channels WHERE id = $1", channel_id
            )
            if name is None:
                raise NotFoundError(f"there is no channel {channel_id}")
            alert = await connection.fetchval(
                "INSERT INTO oco.alerts (kind, dedupe_key, scope, entity_id, title, resolved_at) "
                "VALUES ('test', 'test:' || gen_random_uuid(), 'channel', $1, $2, now()) "
                "RETURNING id::text",
                name,
                f"Test of channel {name}: alerts arrive here",
            )
            await connection.execute(
                "INSERT INTO oco.alert_deliveries (alert_id, channel_id) VALUES ($1::uuid, $2)",
                alert,
                channel_id,
            )
            await _audit(connection, request, "channel.test", str(channel_id), {"name": name})
        return {"alert_id": alert}

    @delete("/{channel_id:uuid}", guards=[operator], summary="Remove a channel")
    async def remove_channel(
        self, state: State, request: Request[Any, Any, Any], channel_id: FromPath[UUID]
    ) -> None:
        """Deliveries to it that wait are dropped."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            name = await connection.fetchval(
                "DELETE FROM oco.notification_channels WHERE id = $1 RETURNING name", channel_id
            )
            if name is None:
                raise NotFoundError(f"there is no channel {channel_id}")
            await _audit(connection, request, "channel.delete", str(channel_id), {"name": name})


async def _write(
    state: State,
    request: Request[Any, Any, Any],
    action: str,
    statement: str,
    data: ChannelSettings,
    *key: UUID,
) -> dict[str, Any]:
    check_channel(data)
    values = (data.name, data.kind, data.target, data.secret_env, data.scopes, data.enabled)
    async with state.services.pool.acquire() as connection, connection.transaction():
        try:
            row = await connection.fetchrow(statement, *values, *key)
        except asyncpg.UniqueViolationError:
            raise ConflictError(f"there is a channel named {data.name} already") from None
        if row is None:
            raise NotFoundError(f"there is no channel {key[0]}")
        details = {"name": data.name, "kind": data.kind, "enabled": str(data.enabled)}
        await _audit(connection, request, action, row["id"], details)
    return dict(row)


async def _audit(
    connection: Any,
    request: Request[Any, Any, Any],
    action: str,
    channel_id: str,
    details: dict[str, str],
) -> None:
    await audit(
        connection,
        request,
        action=action,
        entity_type="channel",
        entity_id=channel_id,
        details=details,
    )


def check_channel(data: ChannelSettings) -> None:
    """Whether a channel can be delivered to, as far as its settings tell.

    Raises:
        InvalidInputError: naming the field and what it must be.
    """
    texts = [("name", data.name), *(("scopes", scope) for scope in data.scopes)]
    for field, text in texts:
        if not text.strip() or not text.isprintable() or len(text) > _MAX_TEXT:
            raise InvalidInputError(
                f"{field} must be 1 to {_MAX_TEXT} characters without control characters"
            )
    if len(data.scopes) > _MAX_SCOPES:
        raise InvalidInputError(f"scopes are at most {_MAX_SCOPES}")
    if data.secret_env is not None and not _SECRET_NAME.fullmatch(data.secret_env):
        raise InvalidInputError(
            "secret_env names a variable that begins with OCO_CHANNEL_, never a secret itself"
        )
    if data.kind == "slack":
        if data.secret_env is None or data.target:
            raise InvalidInputError(
                "the address of a slack channel is a secret: put it into a variable of the "
                "pipelines and name that in secret_env, without a target"
            )
    elif data.kind == "email":
        if not _MAILBOX.fullmatch(data.target):
            raise InvalidInputError("target must be a mailbox, as in ops@example.com")
    else:
        _check_address(data.target)


def _check_address(target: str) -> None:
    try:
        parts = urlsplit(target)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not target.isprintable() or " " in target or len(target) > _MAX_TARGET:
        raise InvalidInputError("target must be an http:// or https:// address")
    if parts.username is not None or parts.password is not None:
        raise InvalidInputError(
            "target must not hold a password; name a variable in secret_env and check signatures"
        )
