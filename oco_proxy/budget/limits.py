"""Budgets and rate limits as this process knows them, at most half a second old."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import asyncpg
import structlog

from oco_proxy.budget.periods import Period, period_at
from oco_proxy.budget.rates import (
    EVERYONE,
    RATE_COLUMNS,
    RateClaim,
    RateLimit,
    rate_limit_from_row,
)
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import to_nano

_log = structlog.get_logger(__name__)

Scope = tuple[str, str]

BUDGET_COLUMNS: Final = (
    "id, scope, entity_id, limit_usd, period, rolling_interval, time_zone, enforcement, "
    "period_start, spent_usd, created_at"
)


@dataclass(frozen=True, slots=True)
class Budget:
    """One row of `oco.budgets`, without what it has spent."""

    id: str
    scope: str
    entity_id: str
    limit_usd: Decimal
    period: str
    time_zone: str
    enforcement: str
    created_at: datetime
    rolling_interval: timedelta | None = None

    @property
    def limit_nano(self) -> int:
        """The limit in nano-dollars, rounded down: rounding never allows more."""
        return -to_nano(-self.limit_usd)

    def period_at(self, moment: datetime) -> Period:
        """The period that a moment lies in.

        Raises:
            InvalidInputError: when the row names no usable period or zone.
        """
        return period_at(
            moment,
            self.period,
            self.time_zone,
            rolling_interval=self.rolling_interval,
            anchor=self.created_at,
        )


def budget_from_row(row: Any) -> Budget:
    """A budget from a row that has `BUDGET_COLUMNS`."""
    return Budget(
        id=row["id"],
        scope=row["scope"],
        entity_id=row["entity_id"],
        limit_usd=row["limit_usd"],
        period=row["period"],
        time_zone=row["time_zone"],
        enforcement=row["enforcement"],
        created_at=row["created_at"],
        rolling_interval=row["rolling_interval"],
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """One budget and the period of it that a request falls into."""

    budget: Budget
    period: Period


class Limits:
    """Hard budgets and rate limits by what they limit. `refresh` replaces all of them at once.

    Attributes:
        spent: what PostgreSQL says each budget has spent in the period that begins at a moment.
    """

    def __init__(self) -> None:
        self._rates: dict[Scope, RateLimit] = {}
        self.spent: list[tuple[Budget, datetime, Decimal]] = []
        self._by_scope: dict[Scope, tuple[Budget, ...]] = {}
        self._newest: dict[str, Claim] = {}
        self.loaded = False

    async def refresh(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Read all that is enabled; an unusable budget is logged and refuses nothing."""
        limits = await pool.fetch(f"SELECT {RATE_COLUMNS} FROM oco.rate_limits WHERE enabled")  # noqa: S608
        rows = await pool.fetch(
            f"SELECT {BUDGET_COLUMNS} FROM oco.budgets WHERE enabled AND enforcement = 'hard'"  # noqa: S608
        )
        self.replace(map(budget_from_row, rows), map(rate_limit_from_row, limits))
        self.spent = [
            (budget_from_row(row), row["period_start"], row["spent_usd"])
            for row in rows
            if row["period_start"] is not None
        ]

    def replace(self, budgets: Iterable[Budget], limits: Iterable[RateLimit] = ()) -> None:
        """Take these instead of the known ones."""
        self._rates = {(limit.scope, limit.entity_id): limit for limit in limits}
        by_scope: dict[Scope, tuple[Budget, ...]] = {}
        for budget in budgets:
            key = (budget.scope, budget.entity_id)
            by_scope[key] = (*by_scope.get(key, ()), budget)
        if by_scope != self._by_scope:
            self._by_scope = by_scope
            self._newest.clear()
        self.loaded = True

    def claims(self, scopes: list[Scope], at: datetime) -> list[Claim]:
        """Every hard budget that limits a request, in a fixed order."""
        claims = []
        for scope in scopes:
            for budget in self._by_scope.get(scope, ()):
                claim = self._newest.get(budget.id)
                if claim is None or not claim.period.start <= at < claim.period.end:
                    try:
                        claim = Claim(budget, budget.period_at(at))
                    except InvalidInputError as error:
                        _log.error("budget_unusable", budget_id=budget.id, reason=str(error))
                        continue
                    self._newest[budget.id] = claim
                claims.append(claim)
        if len(claims) > 1:
            claims.sort(key=lambda claim: claim.budget.id)
        return claims

    def rate_claims(self, scopes: list[Scope]) -> list[RateClaim]:
        """Every rate limit that a request counts in: an entity's own one before everyone's."""
        if not self._rates:
            return []
        found = []
        for scope, entity in scopes:
            limit = self._rates.get((scope, entity)) or self._rates.get((scope, EVERYONE))
            if limit is not None:
                found.append(RateClaim(limit, entity))
        return found
