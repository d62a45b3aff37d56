"""Policies and models of the warehouse as this process knows them, at most half a second old."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from typing import Any, Final

import asyncpg
import structlog

from oco_proxy.router.catalogue import Catalogue, ModelTier, shipped_models
from oco_proxy.router.market import Market
from oco_proxy.router.policies import Policies, RoutingPolicy
from oco_proxy.router.resting import Resting
from oco_warehouse.database import POSTGRES_GONE
from oco_warehouse.pricing import PriceTable

_log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 0.5
MODEL_COLUMNS: Final = tuple(column.name for column in fields(ModelTier))
_NAMES: Final = ", ".join(MODEL_COLUMNS)
_POLICIES: Final = (
    "SELECT id, scope, entity_id, strategy, mode, allowed_models FROM oco.routing_policies "
    "WHERE enabled"
)
_MODELS: Final = f"SELECT {_NAMES} FROM oco.model_tiers ORDER BY provider, model"  # noqa: S608 - constants
# In the order of the key, so that two gateways that start together never wait for each other.
_SHIP: Final = (
    f"INSERT INTO oco.model_tiers ({_NAMES}, source) VALUES "  # noqa: S608 - constants
    f"({', '.join(f'${n}' for n in range(1, len(MODEL_COLUMNS) + 1))}, 'shipped') "
    "ON CONFLICT (provider, model) DO UPDATE SET "
    + ", ".join(f"{name} = EXCLUDED.{name}" for name in MODEL_COLUMNS[2:])
    + " WHERE oco.model_tiers.source = 'shipped' AND "
    f"({', '.join(f'oco.model_tiers.{name}' for name in MODEL_COLUMNS)}) IS DISTINCT FROM "
    f"({', '.join(f'EXCLUDED.{name}' for name in MODEL_COLUMNS)})"
)


class RoutingBook:
    """Which policies there are, and which models."""

    def __init__(self) -> None:
        self.policies = Policies()
        self.catalogue = Catalogue(())
        self._market = Market(self.catalogue, PriceTable(()))
        self._models: list[ModelTier] = []
        self.resting = Resting()
        self._shipped = False

    async def refresh(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Read everything again, a few dozen rows; the first time, ship our models."""
        if not self._shipped:
            await ship(pool, shipped_models())
            self._shipped = True
        policies = await pool.fetch(_POLICIES)
        models = await pool.fetch(_MODELS)
        self.policies = Policies(map(policy_from_row, policies))
        known = [ModelTier(*row) for row in models]
        if known != self._models:
            self._models = known
            self.catalogue = Catalogue(known)

    async def run(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Refresh until cancelled."""
        while True:
            try:
                await self.refresh(pool)
            except POSTGRES_GONE as error:
                _log.warning("routing_not_refreshed", reason=type(error).__name__)
            await asyncio.sleep(REFRESH_SECONDS)

    def market(self, prices: PriceTable) -> Market:
        """The models with these prices; a new one only when either has changed."""
        known = self._market
        if known.prices is not prices or known.catalogue is not self.catalogue:
            self._market = known = Market(self.catalogue, prices)
        return known

    def policy_for(self, scopes: Sequence[tuple[str, str]]) -> RoutingPolicy | None:
        """The policy that counts for a caller."""
        return self.policies.choose(scopes) if self.policies else None


async def ship(pool: "asyncpg.Pool[asyncpg.Record]", models: Iterable[ModelTier]) -> None:
    """Write the models that the package ships; a person's rows win."""
    rows = sorted((astuple(model) for model in models), key=lambda row: row[:2])
    await pool.executemany(_SHIP, rows)


def policy_from_row(row: Any) -> RoutingPolicy:
    """A policy from a row of `oco.routing_policies`."""
    allowed = row["allowed_models"]
    return RoutingPolicy(
        id=row["id"],
        scope=row["scope"],
        entity_id=row["entity_id"],
        strategy=row["strategy"],
        mode=row["mode"],
        allowed_models=None if allowed is None else frozenset(allowed),
    )
