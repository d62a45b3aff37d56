"""Budgets and rate limits as this process knows them, at most half a second old."""

import asyncio
from collections.abc import Sequence
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


# A mark says where the transactions stood. Rows that were written at it or later are those that an
# earlier read may not have seen, whenever their transactions ended; times could not tell that.
_STATE: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text AS mark,
       (SELECT count(*) FROM oco.budgets WHERE enabled AND enforcement = 'hard') AS budgets,
       (SELECT count(*) FROM oco.rate_limits WHERE enabled) AS rates,
       $1::text IS NULL OR EXISTS (
           SELECT 1 FROM oco.rate_limits WHERE age(xmin) <= age($1::text::xid)) AS rates_changed
"""
_WRITTEN_SINCE: Final = (
    f"SELECT {BUDGET_COLUMNS}, enabled FROM oco.budgets "  # noqa: S608
    "WHERE $1::text IS NULL OR age(xmin) <= age($1::text::xid)"
)
_RATES: Final = f"SELECT {RATE_COLUMNS} FROM oco.rate_limits WHERE enabled"  # noqa: S608
# So many rows are taken over before calls get their turn again.
_ROWS_AT_ONCE: Final = 200

Moved = tuple[Budget, datetime, Decimal]


class Limits:
    """Hard budgets and rate limits by what they limit. `refresh` reads what has changed."""

    def __init__(self) -> None:
        self._rates: dict[Scope, RateLimit] = {}
        self._budgets: dict[str, Budget] = {}
        self._by_scope: dict[Scope, tuple[Budget, ...]] = {}
        self._newest: dict[str, Claim] = {}
        self._moved: dict[str, Moved] = {}
        self._mark: str | None = None
        # What one reader has read must not be overtaken by what another read before it.
        self._reading = asyncio.Lock()
        self.loaded = False

    async def refresh(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Read what was written since the last time; an unusable budget refuses nothing."""
        async with self._reading:
            state = await pool.fetchrow(_STATE, self._mark)
            if state["rates_changed"] or state["rates"] != len(self._rates):
                rows = await pool.fetch(_RATES)
                limits = map(rate_limit_from_row, rows)
                self._rates = {(limit.scope, limit.entity_id): limit for limit in limits}
            await self._take(await pool.fetch(_WRITTEN_SINCE, self._mark))
            if len(self._budgets) != state["budgets"]:
                # Some were deleted: nothing else tells of that.
                rows = await pool.fetch(_WRITTEN_SINCE, None)
                for gone in self._budgets.keys() - {row["id"] for row in rows}:
                    self._forget(self._budgets[gone])
                await self._take(rows)
            self._mark = state["mark"]
            self.loaded = True

    def take_moved(self) -> list[Moved]:
        """(budget, start of its period, spent) as PostgreSQL says, of all that was read anew."""
        moved, self._moved = self._moved, {}
        return list(moved.values())

    async def _take(self, rows: "Sequence[asyncpg.Record]") -> None:
        for index, row in enumerate(rows):
            budget, known = budget_from_row(row), self._budgets.get(row["id"])
            limits = row["enabled"] and budget.enforcement == "hard"
            if known is not None and (known != budget or not limits):
                self._forget(known)
            if limits and self._budgets.get(budget.id) is None:
                self._budgets[budget.id] = budget
                key = (budget.scope, budget.entity_id)
                self._by_scope[key] = (*self._by_scope.get(key, ()), budget)
            if limits and row["period_start"] is not None:
                self._moved[budget.id] = (budget, row["period_start"], row["spent_usd"])
            if index % _ROWS_AT_ONCE == _ROWS_AT_ONCE - 1:
                await asyncio.sleep(0)

    def _forget(self, budget: Budget) -> None:
        del self._budgets[budget.id]
        self._newest.pop(budget.id, None)
        key = (budget.scope, budget.entity_id)
        left = tuple(other for other in self._by_scope[key] if other.id != budget.id)
        if left:
            self._by_scope[key] = left
        else:
            del self._by_scope[key]

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
