"""Prices that a person states: they win over the catalogue and outlive its refreshes."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from litestar import Request, delete, put
from litestar.datastructures import State
from litestar.params import JSONBody, QueryParameter

from oco_proxy.api.audit import audit
from oco_proxy.api.document import problems
from oco_proxy.api.fields import Moment, read_moment
from oco_proxy.middleware.auth import operator
from oco_warehouse.errors import InvalidInputError, NotFoundError
from oco_warehouse.money import json_amounts, plain
from oco_warehouse.price_overrides import (
    JSON_COLUMNS,
    KEY_COLUMNS,
    OVERRIDE_COLUMNS,
    SOURCE,
    PriceOverride,
    read_override,
    usable_moment,
    version_of,
)
from oco_warehouse.pricing import STANDARD_TIER, normalise_tier

# asyncpg has no infinite moments: none is written as minus infinity by the statement itself.
_CASTS: Final = {
    "effective_from": "coalesce({}::timestamptz, '-infinity')",
    **dict.fromkeys(JSON_COLUMNS, "{}::text::jsonb"),
}
_MARKS: Final = ", ".join(
    _CASTS.get(name, "{}").format(f"${place}") for place, name in enumerate(OVERRIDE_COLUMNS, 1)
)
_SETS: Final = ", ".join(
    f"{name} = excluded.{name}" for name in OVERRIDE_COLUMNS if name not in KEY_COLUMNS
)
_PUT: Final = (
    f"INSERT INTO oco.model_pricing ({', '.join(OVERRIDE_COLUMNS)}) VALUES ({_MARKS}) "  # noqa: S608
    f"ON CONFLICT ({', '.join(KEY_COLUMNS)}) DO UPDATE SET {_SETS}, updated_at = now()"
)
_DELETE: Final = """
DELETE FROM oco.model_pricing
WHERE provider = $1 AND model = $2 AND effective_from = coalesce($3::timestamptz, '-infinity')
  AND service_tier = $4 AND min_context_tokens = $5 AND source = $6
RETURNING provider
"""
Text = Annotated[str, QueryParameter(min_length=1, max_length=200)]


@put("/models/prices", guards=[operator], summary="State a price", tags=["llm"])
async def state_price(
    state: State,
    request: Request[Any, Any, Any],
    data: JSONBody[PriceOverride],  # noqa: ARG001 - checked and documented by Litestar
) -> dict[str, str]:
    """It wins over the catalogue's from its moment on, and what it leaves out is the catalogue's.

    A stated price of the same model, moment, service tier and context tier is replaced. Calls that
    have a cost keep it; those without are priced late by what held at their time.
    """
    # A number that Litestar read came as a float, which loses digits: read once more without one.
    price = read_override(json.loads(await request.body(), parse_float=Decimal))
    version = version_of(datetime.now(UTC))
    async with state.services.pool.acquire() as connection, connection.transaction():
        await connection.execute(_PUT, *price.values(version))
        details = {name: _told(value) for name, value in dict(price).items() if value is not None}
        await audit(
            connection,
            request,
            action="price.set",
            entity_type="model_price",
            entity_id=f"{price.provider}/{price.model}",
            details=details,
        )
    return {"provider": price.provider, "model": price.model, "price_version": version}


def _told(value: object) -> str:
    if isinstance(value, dict):
        return json_amounts(value)
    return plain(value) if isinstance(value, Decimal) else str(value)


@delete(
    "/models/prices",
    guards=[operator],
    summary="Take a stated price back",
    tags=["llm"],
    responses=problems(404),
)
async def remove_price(
    state: State,
    request: Request[Any, Any, Any],
    provider: Text,
    model: Text,
    effective_from: Moment = None,
    service_tier: Text = STANDARD_TIER,
    min_context_tokens: Annotated[int, QueryParameter(ge=0, le=10**9)] = 0,
) -> None:
    """The catalogue's price holds again, if it has one; calls that have a cost keep it."""
    if "\0" in provider + model + service_tier:
        raise InvalidInputError("names hold no NUL")
    moment = read_moment("effective_from", effective_from)
    try:
        usable_moment(moment)
    except ValueError as error:
        raise InvalidInputError(f"effective_from {error}") from None
    async with state.services.pool.acquire() as connection, connection.transaction():
        gone = await connection.fetchval(
            _DELETE,
            provider,
            model,
            moment,
            normalise_tier(service_tier),
            min_context_tokens,
            SOURCE,
        )
        if gone is None:
            raise NotFoundError(f"nobody stated such a price for {provider}/{model}")
        await audit(
            connection,
            request,
            action="price.delete",
            entity_type="model_price",
            entity_id=f"{provider}/{model}",
            details={"effective_from": str(moment), "service_tier": service_tier},
        )


ROUTES = (state_price, remove_price)
