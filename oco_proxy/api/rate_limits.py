"""Rate limits: how fast a scope may call models, over all gateway processes together."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Controller, Request, delete, get, put
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.budget_shapes import check_scope
from oco_proxy.api.document import answers
from oco_proxy.api.fields import OfScope, told
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    newest_page,
)
from oco_proxy.middleware.auth import operator, viewer
from oco_warehouse.errors import InvalidInputError, NotFoundError

_LIMITS: Final = ("requests_per_minute", "tokens_per_minute", "concurrent_requests")
_COLUMNS: Final = f"id::text AS id, scope, entity_id, {', '.join(_LIMITS)}, enabled, created_at"
_HIGHEST: Final = 2_000_000_000
Allowance = Annotated[int, told(minimum=1, maximum=_HIGHEST)]


class RateLimitOfScope(OfScope, kw_only=True, forbid_unknown_fields=True):
    """What a scope may do; at least one of the three limits is given.

    `entity_id` `*` gives every entity of the scope an allowance of its own; one with a row of its
    own goes by that.
    """

    requests_per_minute: Allowance | None = None
    tokens_per_minute: Allowance | None = None
    concurrent_requests: Allowance | None = None
    enabled: bool = True


class RateLimit(msgspec.Struct, kw_only=True):
    """A rate limit as it is answered."""

    id: str
    scope: str
    entity_id: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_requests: int | None
    enabled: bool
    created_at: datetime


class RateLimits(msgspec.Struct):
    """One page of them."""

    items: list[RateLimit]
    next_cursor: str | None


class RateLimitController(Controller):
    """`/api/v1/rate-limits`."""

    path = "/rate-limits"
    tags = ("llm",)

    @get(
        guards=[viewer],
        summary="All rate limits, newest first",
        responses=answers(200, RateLimits, "One page"),
    )
    async def list_rate_limits(
        self, state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page:
        """Enabled or not."""
        return await newest_page(state.services.pool, "oco.rate_limits", _COLUMNS, cursor, limit)

    @put(
        guards=[operator],
        summary="Set the rate limit of a scope",
        responses=answers(200, RateLimit, "The rate limit"),
    )
    async def set_rate_limit(
        self, state: State, request: Request[Any, Any, Any], data: JSONBody[RateLimitOfScope]
    ) -> dict[str, Any]:
        """Replaces what the scope had. In force on every gateway within a second."""
        limits = {name: getattr(data, name) for name in _LIMITS}
        _check(data, limits)
        async with state.services.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                "INSERT INTO oco.rate_limits (scope, entity_id, requests_per_minute, "  # noqa: S608
                "tokens_per_minute, concurrent_requests, enabled) VALUES ($1, $2, $3, $4, $5, $6) "
                "ON CONFLICT (scope, entity_id) DO UPDATE SET requests_per_minute = $3, "
                f"tokens_per_minute = $4, concurrent_requests = $5, enabled = $6 "
                f"RETURNING {_COLUMNS}",
                data.scope,
                data.entity_id,
                *limits.values(),
                data.enabled,
            )
            await audit(
                connection,
                request,
                action="rate_limit.set",
                entity_type="rate_limit",
                entity_id=row["id"],
                details={name: str(value) for name, value in limits.items()},
            )
        await state.services.keeper.limits.refresh(state.services.pool)
        return dict(row)

    @delete("/{limit_id:uuid}", guards=[operator], summary="Remove a rate limit")
    async def remove_rate_limit(
        self, state: State, request: Request[Any, Any, Any], limit_id: FromPath[UUID]
    ) -> None:
        """The scope is no longer limited, or goes by the row of `*`."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            gone = await connection.fetchval(
                "DELETE FROM oco.rate_limits WHERE id = $1 RETURNING id::text", limit_id
            )
            if gone is None:
                raise NotFoundError(f"there is no rate limit {limit_id}")
            await audit(
                connection,
                request,
                action="rate_limit.delete",
                entity_type="rate_limit",
                entity_id=gone,
                details={},
            )
        await state.services.keeper.limits.refresh(state.services.pool)


def _check(data: RateLimitOfScope, limits: dict[str, int | None]) -> None:
    check_scope(data.scope, data.entity_id)
    given = {name: value for name, value in limits.items() if value is not None}
    if not given:
        raise InvalidInputError(f"give at least one of {', '.join(_LIMITS)}")
    for name, value in given.items():
        if not 1 <= value <= _HIGHEST:
            raise InvalidInputError(f"{name} must be from 1 to {_HIGHEST}")
