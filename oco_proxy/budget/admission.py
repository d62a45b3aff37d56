"""Admits requests against hard budgets, and keeps Redis and this process of one mind.

A request's worst case is held in every budget that limits it, from admission on. When it ends, the
hold shrinks to what it cost; when its row is in PostgreSQL, the hold ends and `spent` rises. So at
any moment limit minus spent minus held is what may still be promised, whoever asks.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

import asyncpg
import redis
import structlog

from oco_proxy.budget.fallback import LeaseTaken, PostgresAdmission
from oco_proxy.budget.holds import Hold, Holds
from oco_proxy.budget.limits import Claim, Limits, Scope
from oco_proxy.budget.scripts import Scripts, Verdict, keys_expire_at, posting_keys
from oco_proxy.budget.spending import current_spend
from oco_warehouse.errors import OpenCloudOpsError
from oco_warehouse.money import from_nano, to_nano

_log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 0.5
BEAT_SECONDS: Final = 0.2
EXTEND_SECONDS: Final = 15.0
# How long a Redis that failed is not asked again on the hot path.
REST_SECONDS: Final = 1.0
_ROUNDS: Final = 12
_MAX_UNPOSTED: Final = 100_000
_REDIS_GONE: Final = (redis.RedisError, OSError, TimeoutError)
_POSTGRES_GONE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class BudgetExceeded(OpenCloudOpsError):
    """A hard budget has no room for a request's worst case."""

    def __init__(self, claim: Claim, spent_nano: int, held_nano: int, wanted_nano: int) -> None:
        self.budget = claim.budget
        self.period = claim.period
        self.spent_usd = from_nano(spent_nano)
        self.reserved_usd = from_nano(held_nano)
        self.wanted_usd = from_nano(wanted_nano)
        super().__init__(f"the budget of {self.budget.scope} {self.budget.entity_id} is used up")


class BudgetUnavailable(OpenCloudOpsError):
    """No store can say whether a hard budget has room."""


class _SeedUnknown(Exception):
    """Redis needs a figure that PostgreSQL cannot give now."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What one period of one budget has spent, after rows were written."""

    budget_id: str
    period_start: datetime
    period_end: datetime
    spent_usd: Decimal


@dataclass(frozen=True, slots=True)
class _Posting:
    keys: list[str]
    spent_nano: int
    expiry: int
    ids: list[str]


class BudgetKeeper:
    """Decides about admission. `run` keeps it informed and must be running.

    Args:
        failure_mode: what hard budgets do when neither Redis nor PostgreSQL answers.
    """

    def __init__(
        self,
        scripts: Scripts,
        pool: "asyncpg.Pool[asyncpg.Record]",
        limits: Limits,
        failure_mode: Literal["closed", "open"],
    ) -> None:
        self._scripts = scripts
        self._pool = pool
        self.limits = limits
        self._failure_mode = failure_mode
        self.holds = Holds()
        self._fallback = PostgresAdmission(pool, self.holds)
        self._epoch = ""
        self._resting_until = 0.0
        self._was_gone = False
        # Telling holds and ending them must not overtake each other.
        self._telling = asyncio.Lock()
        self._unposted: deque[_Posting] = deque(maxlen=_MAX_UNPOSTED)

    @property
    def redis_answers(self) -> bool:
        """False while budgets are checked in PostgreSQL."""
        return not self._was_gone

    async def admit(
        self, request_id: str, scopes: list[Scope], amount_nano: int, at: datetime
    ) -> None:
        """Hold a request's worst case in every budget that limits it.

        Args:
            request_id: unique; names the hold until `settle` and `posted`.
            scopes: (scope, entity id) of everything that may be limited.
            amount_nano: worst case in nano-dollars; 0 always passes.
            at: arrival of the request, which decides the period.

        Raises:
            BudgetExceeded: when a budget has no room; nothing is held then.
            BudgetUnavailable: when it cannot be known and the failure mode is closed.
        """
        if amount_nano == 0:
            return
        if not self.limits.loaded:
            if self._failure_mode == "closed" and scopes:
                raise BudgetUnavailable("budgets were not loaded yet")
            return
        claims = self.limits.claims(scopes, at)
        if not claims:
            return
        hold = Hold(request_id, claims, amount_nano)
        verdict = await self._ask_redis(hold)
        if verdict is None:
            await self._ask_postgres(hold)
        elif verdict.kind == "over":
            raise BudgetExceeded(
                claims[verdict.which], verdict.spent_nano, verdict.held_nano, amount_nano
            )
        else:
            self.holds.add(hold)

    async def settle(self, request_id: str, amount_nano: int) -> None:
        """Shrink a hold to what the request cost; 0 ends it. Never raises for a gone Redis."""
        hold = self.holds.get(request_id)
        if hold is None:
            return
        hold.amount_nano, hold.settled = amount_nano, True
        if amount_nano == 0:
            self.holds.remove(request_id)
        if self._was_gone:
            return  # told when Redis is back: every hold is told then
        try:
            await self._scripts.hold(hold)
            if amount_nano and self.holds.get(request_id) is not hold:
                # Its row was committed meanwhile: what was just told must not stay behind.
                await self._scripts.hold(Hold(request_id, hold.claims, 0, settled=True))
        except _REDIS_GONE as error:
            self._rest(error)

    async def posted(self, ids: Iterable[str], spent: Iterable[Posted]) -> None:
        """End the holds of requests whose rows are committed; repeating it changes nothing."""
        async with self._telling:
            by_period: dict[tuple[str, datetime], list[str]] = {}
            ends: dict[tuple[str, datetime], datetime] = {}
            for request_id in ids:
                hold = self.holds.remove(request_id)
                for claim in hold.claims if hold else ():
                    key = (claim.budget.id, claim.period.start)
                    by_period.setdefault(key, []).append(request_id)
                    ends[key] = claim.period.end
            amounts: Mapping[tuple[str, datetime], int] = {
                (row.budget_id, row.period_start): to_nano(row.spent_usd) for row in spent
            }
            ends.update({(row.budget_id, row.period_start): row.period_end for row in spent})
            for key, end in ends.items():
                posting = _Posting(
                    posting_keys(*key),
                    amounts.get(key, 0),
                    keys_expire_at(end),
                    by_period.get(key, []),
                )
                self._unposted.append(posting)
            await self._post_all()

    async def run(self) -> None:
        """Keep limits fresh, holds alive, and Redis informed, until cancelled."""
        await asyncio.gather(self._refresh_for_ever(), self._beat_for_ever())

    async def _ask_redis(self, hold: Hold) -> Verdict | None:
        """The script's final word; None when Redis is gone."""
        if self._was_gone:
            return None
        seeds: dict[str, int] = {}
        try:
            for _ in range(_ROUNDS):
                verdict = await self._scripts.admit(hold, self._epoch, seeds)
                if verdict.kind in {"ok", "over"}:
                    return verdict
                if verdict.kind == "epoch":
                    await self._tell_all(verdict.epoch)
                elif verdict.kind == "wait":
                    await asyncio.sleep(verdict.wait_ms / 1000 + 0.005)
                    seeds.clear()
                else:
                    claim = hold.claims[verdict.which]
                    seeds[claim.budget.id] = await self._seed(claim)
        except _REDIS_GONE as error:
            self._rest(error)
            return None
        except _SeedUnknown:
            return None
        return None

    async def _seed(self, claim: Claim) -> int:
        try:
            return to_nano(await current_spend(self._pool, claim.budget, claim.period))
        except _POSTGRES_GONE as error:
            _log.warning("budget_seed_unknown", reason=type(error).__name__)
            raise _SeedUnknown from None

    async def _ask_postgres(self, hold: Hold) -> None:
        try:
            over = await self._fallback.admit(hold)
        except LeaseTaken:
            raise BudgetUnavailable(
                "Redis is gone and another gateway admits for this budget; try again shortly"
            ) from None
        except _POSTGRES_GONE as error:
            _log.warning("budget_store_gone", reason=type(error).__name__)
            if self._failure_mode == "closed":
                raise BudgetUnavailable("neither Redis nor PostgreSQL answers") from None
            self.holds.add(hold)
            return
        if over is not None:
            claim, spent, held = over
            raise BudgetExceeded(claim, spent, held, hold.amount_nano)

    async def _tell_all(self, epoch: str) -> None:
        async with self._telling:
            if epoch == self._epoch:
                return
            for hold in self.holds:
                await self._scripts.hold(hold)
            self._epoch = epoch

    async def _post_all(self) -> None:
        if self._was_gone:
            return
        try:
            while self._unposted:
                posting = self._unposted[0]
                await self._scripts.post(
                    posting.keys, posting.spent_nano, posting.expiry, posting.ids
                )
                self._unposted.popleft()
        except _REDIS_GONE as error:
            self._rest(error)

    async def _refresh_for_ever(self) -> None:
        while True:
            try:
                await self.limits.refresh(self._pool)
            except _POSTGRES_GONE as error:
                _log.warning("budgets_not_refreshed", reason=type(error).__name__)
            await asyncio.sleep(REFRESH_SECONDS)

    async def _beat_for_ever(self) -> None:
        extended = time.monotonic()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                if time.monotonic() < self._resting_until:
                    continue
                if self._was_gone:
                    await self._welcome_back()
                epoch = await self._scripts.epoch()
                if epoch is None:
                    await self._scripts.begin_epoch()
                elif epoch != self._epoch:
                    await self._tell_all(epoch)
                if self._unposted:
                    async with self._telling:
                        await self._post_all()
                if time.monotonic() - extended > EXTEND_SECONDS:
                    extended = time.monotonic()
                    for hold in self.holds:
                        await self._extend(hold)
            except _REDIS_GONE as error:
                self._rest(error)

    async def _extend(self, hold: Hold) -> None:
        async with self._telling:
            # It may have ended while others were told.
            if not hold.settled and self.holds.get(hold.request_id) is hold:
                await self._scripts.hold(hold)

    async def _welcome_back(self) -> None:
        # What Redis remembers may be old, and requests were admitted without it: a new epoch makes
        # every gateway tell its holds, and every counter be seeded from PostgreSQL.
        await self._scripts.begin_epoch()
        epoch = await self._scripts.epoch()
        if epoch is not None:
            await self._tell_all(epoch)
        self._was_gone = False
        await self._fallback.release()
        _log.info("redis_is_back", holds=len(self.holds))

    def _rest(self, error: Exception) -> None:
        if not self._was_gone:
            _log.warning("redis_is_gone", reason=type(error).__name__)
        self._was_gone = True
        self._resting_until = time.monotonic() + REST_SECONDS

    def status(self) -> dict[str, Any]:
        """What `/readyz` says about budgets."""
        return {
            "redis": self.redis_answers,
            "holds": len(self.holds),
            "unposted": len(self._unposted),
            "loaded": self.limits.loaded,
        }
