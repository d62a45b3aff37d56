"""What the router knows of models, and what it saved."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import asyncpg
import msgspec
from litestar import Controller, Request, get, put
from litestar.datastructures import State
from litestar.params import JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.document import answers
from oco_proxy.api.fields import Moment, answered, in_utc, read_moment, told
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Filter,
    Limit,
    Page,
    decode_cursor,
    to_page,
)
from oco_proxy.middleware.auth import operator, viewer
from oco_proxy.router.book import MODEL_COLUMNS
from oco_proxy.router.catalogue import Tier
from oco_warehouse.errors import InvalidInputError

DEFAULT_WINDOW: Final = timedelta(days=30)
# The earliest end that a default window fits before.
_FIRST: Final = datetime(1, 2, 1, tzinfo=UTC)
MAX_GROUPS: Final = 500
_HIGHEST: Final = 2_000_000_000
_COLUMNS: Final = f"{', '.join(MODEL_COLUMNS)}, source, updated_at"
_KEY: Final = "concat_ws('|', provider, model)"
_LIST: Final = f"""
SELECT {_COLUMNS}, {_KEY} AS key FROM oco.model_tiers
WHERE ($1::timestamptz IS NULL OR (updated_at, {_KEY}) < ($1, $2))
  AND ($4::text IS NULL OR provider = $4)
ORDER BY updated_at DESC, key DESC LIMIT $3
"""  # noqa: S608 - constants
_SET: Final = (
    f"INSERT INTO oco.model_tiers ({', '.join(MODEL_COLUMNS)}, source) VALUES "  # noqa: S608
    f"({', '.join(f'${n}' for n in range(1, len(MODEL_COLUMNS) + 1))}, 'custom') "
    "ON CONFLICT (provider, model) DO UPDATE SET source = 'custom', "
    + ", ".join(f"{name} = EXCLUDED.{name}" for name in MODEL_COLUMNS[2:])
    + f" RETURNING {_COLUMNS}"
)
_SAVINGS: Final = """
SELECT routing_policy_id AS policy_id, provider, original_model, routed_model,
       count(*) FILTER (WHERE was_routed) AS routed_calls,
       count(*) FILTER (WHERE NOT was_routed AND routed_model IS NOT NULL) AS dry_run_calls,
       count(*) FILTER (WHERE routed_model IS NULL) AS fell_back_calls,
       count(*) FILTER (WHERE routed_model IS NOT NULL AND savings_usd IS NULL) AS unknown_calls,
       coalesce(sum(savings_usd) FILTER (WHERE was_routed), 0) AS saved_usd,
       coalesce(sum(savings_usd) FILTER (WHERE NOT was_routed), 0) AS dry_run_savings_usd
FROM oco.api_requests
WHERE routing_policy_id IS NOT NULL AND "timestamp" >= $1 AND "timestamp" < $2
  AND ($3::text IS NULL OR routing_policy_id = $3)
GROUP BY GROUPING SETS ((), (routing_policy_id, provider, original_model, routed_model))
ORDER BY grouping(routing_policy_id) DESC, saved_usd DESC, dry_run_savings_usd DESC,
         policy_id, provider, original_model, routed_model
LIMIT $4
"""
_GROUP: Final = ("policy_id", "provider", "original_model", "routed_model")


class ModelTierRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a model can do and how good it is; `quality` ranks it among its provider's models."""

    provider: Annotated[str, told(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
    model: Annotated[str, told(min_length=1, max_length=200, pattern="^[!-~]*$")]
    tier: Tier
    quality: Annotated[int, told(minimum=0, maximum=1000)]
    context_tokens: Annotated[int, told(minimum=1, maximum=_HIGHEST)]
    max_output_tokens: Annotated[int, told(minimum=1, maximum=_HIGHEST)]
    tools: bool = False
    images: bool = False
    files: bool = False
    audio: bool = False
    json_output: bool = False
    reasoning: bool = False
    sampling: bool = False
    thinking: Annotated[int, told(minimum=0, maximum=3)] = 0
    token_percent: Annotated[int, told(minimum=10, maximum=1000)] = 100
    enabled: bool = True


class ModelTier(ModelTierRow, kw_only=True):
    """Such a row as it is answered."""

    source: str
    updated_at: datetime


class ModelTiers(msgspec.Struct):
    """One page of them."""

    items: list[ModelTier]
    next_cursor: str | None


class Savings(msgspec.Struct):
    """What routing saved in a window, or in dry runs would have saved, in US dollars.

    Attributes:
        start: begin of the window, inclusive.
        end: its end, exclusive.
        total: over everything, whether or not `items` has it all.
        items: by policy, provider, original and routed model, most saved first; `routed_model` is
            null for calls that fell back to the original.
    """

    start: datetime
    end: datetime
    total: dict[str, Any]
    items: list[dict[str, Any]]


class RoutingController(Controller):
    """`/api/v1/routing`."""

    path = "/routing"
    tags = ("llm",)

    @get(
        "/tiers",
        guards=[viewer],
        summary="What the router knows of models",
        responses=answers(200, ModelTiers, "One page"),
    )
    async def list_tiers(
        self,
        state: State,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        provider: Filter = None,
    ) -> Page:
        """Last changed first. `shipped` rows follow the gateway's version, `custom` rows stay."""
        at, key = decode_cursor(cursor)
        rows = await state.services.pool.fetch(_LIST, at, key, limit + 1, provider)
        page = to_page(rows, limit, "updated_at", "key")
        for item in page.items:
            del item["key"]
        return page

    @put(
        "/tiers",
        guards=[operator],
        summary="Say what a model can do",
        responses=answers(200, ModelTier, "The row"),
    )
    async def set_tier(
        self, state: State, request: Request[Any, Any, Any], data: JSONBody[ModelTierRow]
    ) -> dict[str, Any]:
        """Adds a model or replaces its row, which is `custom` from then on."""
        _check(data)
        async with state.services.pool.acquire() as connection, connection.transaction():
            try:
                row = await connection.fetchrow(
                    _SET, *(getattr(data, name) for name in MODEL_COLUMNS)
                )
            except asyncpg.CheckViolationError:
                raise InvalidInputError(
                    "model must be 1 to 200 printable ASCII characters without spaces"
                ) from None
            await audit(
                connection,
                request,
                action="model_tier.set",
                entity_type="model_tier",
                entity_id=f"{data.provider}/{data.model}",
                details={"tier": data.tier, "enabled": str(data.enabled)},
            )
        await state.services.routing.refresh(state.services.pool)
        return dict(row)

    @get("/savings", guards=[viewer], summary="What routing saved")
    async def savings(
        self,
        state: State,
        start: Moment = None,
        end: Moment = None,
        policy_id: Filter = None,
    ) -> Savings:
        """Of calls from `start` on and before `end`; without them, of the last 30 days."""
        until = _utc("end", end) or datetime.now(UTC)
        since = _utc("start", start) or max(until, _FIRST) - DEFAULT_WINDOW
        if since >= until:
            raise InvalidInputError("start must be before end")
        if policy_id is not None and "\0" in policy_id:
            raise InvalidInputError("policy_id must not contain a NUL character")
        rows = await state.services.pool.fetch(_SAVINGS, since, until, policy_id, MAX_GROUPS + 1)
        total, *items = map(answered, rows)
        for name in _GROUP:
            del total[name]
        return Savings(since, until, total, items)


def _utc(name: str, text: str | None) -> datetime | None:
    moment = read_moment(name, text)
    return None if moment is None else in_utc(name, moment)


def _check(data: ModelTierRow) -> None:
    if not 0 < len(data.provider) <= 100 or "\0" in data.provider + data.model:
        raise InvalidInputError("provider must be 1 to 100 characters without NUL")
    for name in ("context_tokens", "max_output_tokens"):
        if not 1 <= getattr(data, name) <= _HIGHEST:
            raise InvalidInputError(f"{name} must be from 1 to {_HIGHEST}")
    for name, least, most in (
        ("quality", 0, 1000),
        ("thinking", 0, 3),
        ("token_percent", 10, 1000),
    ):
        if not least <= getattr(data, name) <= most:
            raise InvalidInputError(f"{name} must be from {least} to {most}")
