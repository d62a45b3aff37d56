"""Admits requests against rate limits and hard budgets; keeps Redis and this process of one mind.

A request's worst case is held in every budget that limits it, from admission on. When it ends, the
hold shrinks to what it cost; when its row is in PostgreSQL, the hold ends and `spent` rises. So at
any moment limit minus spent minus held is what may still be promised, whoever asks.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final, Literal

import asyncpg
import redis
import structlog

from oco_proxy.budget.fallback import LeftFallback, PostgresAdmission
from oco_proxy.budget.holds import Hold, Holds
from oco_proxy.budget.limits import Claim, Limits, Scope
from oco_proxy.budget.rates import LocalRates
from oco_proxy.budget.refusing import WRITE_SECONDS, Refusing
from oco_proxy.budget.scripts import ADMITTED, Scripts, Verdict, keys_expire_at, posting_keys
from oco_proxy.budget.spending import current_spend
from oco_proxy.budget.verdicts import BudgetExceeded, BudgetUnavailable, Posted, RateLimited
from oco_warehouse.database import POSTGRES_GONE
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import to_nano
from oco_warehouse.records import RequestRecord

_log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 0.5
BEAT_SECONDS: Final = 0.2
EXTEND_SECONDS: Final = 15.0
# What Redis' scripts count with exactly; an answer that claims more must not break them.
MAX_EXACT: Final = 2**53 - 1
_ROUNDS: Final = 12
_FINAL: Final = frozenset({"ok", "over", "rate"})
_MAX_UNPOSTED: Final = 100_000
_POSTS_AT_ONCE: Final = 200
_REDIS_GONE: Final = (redis.RedisError, OSError, TimeoutError)


class _OthersWithoutRedis(Exception):
    """Another gateway admits through PostgreSQL, so this one must, too."""


class _SeedUnknown(Exception):
    """Redis needs a figure that PostgreSQL cannot give now."""


class _NeverSettles(Exception):
    """Redis loses its memory again and again."""


@dataclass(frozen=True, slots=True)
class _Posting:
    keys: Sequence[str]
    spent_nano: int
    expiry: int
    ids: list[str]


class BudgetKeeper:
    """Decides about admission. `run` keeps it informed and must be running.

    Args:
        gateway_id: unique to this process.
        failure_mode: what hard budgets do when neither Redis nor PostgreSQL answers.
    """

    def __init__(
        self,
        scripts: Scripts,
        pool: "asyncpg.Pool[asyncpg.Record]",
        limits: Limits,
        gateway_id: str,
        failure_mode: Literal["closed", "open"],
    ) -> None:
        self._scripts = scripts
        self._pool = pool
        self.limits = limits
        self._failure_mode = failure_mode
        self.holds = Holds()
        self._fallback = PostgresAdmission(pool, self.holds, gateway_id)
        self._local_rates = LocalRates()
        self._refusing = Refusing()
        self._epoch = ""
        self._was_gone = False
        # Telling holds and ending them must not overtake each other.
        self._telling = asyncio.Lock()
        self._told_spent: dict[str, tuple[datetime, Decimal]] = {}
        self._unposted: deque[_Posting] = deque(maxlen=_MAX_UNPOSTED)

    @property
    def redis_answers(self) -> bool:
        """False while budgets are checked in PostgreSQL."""
        return not self._was_gone

    async def admit(
        self,
        request_id: str,
        scopes: list[Scope],
        amount_nano: int,
        at: datetime,
        tokens: int = 0,
    ) -> None:
        """Count a request in its rate limits and hold its worst case in its budgets.

        Args:
            request_id: unique; names the hold until `settle` and `posted`.
            scopes: (scope, entity id) of everything that may be limited.
            amount_nano: worst case in nano-dollars; 0 passes every budget.
            at: arrival of the request, which decides the period.
            tokens: what it is expected to use of a minute's tokens.

        Raises:
            RateLimited: when a rate limit has no room; nothing is held then.
            BudgetExceeded: when a budget has no room; nothing is held then.
            BudgetUnavailable: when it cannot be known and the failure mode is closed.
        """
        if not scopes:
            return
        claims = self.limits.claims(scopes, at) if amount_nano else []
        rates = self.limits.rate_claims(scopes)
        if not claims and not rates:
            return
        hold = Hold(request_id, claims, amount_nano if claims else 0, rates, tokens)
        verdict = await self._ask_redis(hold) or await self._without_redis(hold)
        if verdict.kind == "over":
            raise self._over(hold, claims[verdict.which], verdict.spent_nano, verdict.held_nano)
        if verdict.kind == "rate":
            raise RateLimited(rates[verdict.which], verdict.what, verdict.wait_ms / 1000)
        self.holds.add(hold)

    def require_limits(self) -> None:
        """Whether it is known which budgets there are, when the failure mode is closed.

        Raises:
            BudgetUnavailable: when PostgreSQL has not answered since the start.
        """
        if not self.limits.loaded and self._failure_mode == "closed":
            raise BudgetUnavailable("budgets were not loaded yet")

    def settle(self, request_id: str, amount_nano: int, tokens: int = 0) -> None:
        """Shrink a hold to what the request cost; 0 ends it. Never waits, never raises.

        Args:
            request_id: of the request that ended.
            amount_nano: what it cost.
            tokens: what it used of a minute's tokens.
        """
        hold = self.holds.get(request_id)
        if hold is None:
            return
        more_tokens = min(tokens, MAX_EXACT) - hold.tokens if hold.rates else 0
        hold.amount_nano = min(amount_nano, MAX_EXACT) if hold.claims else 0
        hold.settled = True
        if hold.amount_nano == 0:
            self.holds.remove(request_id)
        self._local_rates.ended(request_id, hold.rates, more_tokens)
        if not self._was_gone:  # else every hold is told when Redis is back
            self._scripts.settle(hold, more_tokens, self._rest)

    async def posted(self, records: Iterable[RequestRecord], spent: Iterable[Posted]) -> None:
        """End the holds of calls whose rows are committed; repeating it changes nothing.

        Those of a dead gateway end too: its records say which budgets held them.
        """
        async with self._telling:
            by_period: dict[tuple[str, datetime], list[str]] = {}
            ends: dict[tuple[str, datetime], datetime] = {}
            for record in records:
                hold = self.holds.remove(record.id)
                claims = (
                    self.limits.claims(record.scopes(), record.timestamp)
                    if hold is None
                    else hold.claims
                )
                for claim in claims:
                    key = (claim.budget.id, claim.period.start)
                    by_period.setdefault(key, []).append(record.id)
                    ends[key] = claim.period.end
            amounts: Mapping[tuple[str, datetime], int] = {
                (row.budget_id, row.period_start): to_nano(row.spent_usd) for row in spent
            }
            for row in spent:
                ends[row.budget_id, row.period_start] = row.period_end
                self._told_spent[row.budget_id] = (row.period_start, row.spent_usd)
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
        # A group, so that one that fails ends the other before both begin again.
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._refresh_for_ever())
            loops.create_task(self._tell_for_ever())
            loops.create_task(self._beat_for_ever())
            loops.create_task(self._write_refusing_for_ever())

    async def forget(self, gateway_id: str) -> None:
        """A dead gateway's records are rows now: what it had written down holds nothing any more.

        Raises:
            `POSTGRES_GONE`: no answer.
        """
        await self._fallback.forget(gateway_id)

    async def _ask_redis(self, hold: Hold) -> Verdict | None:
        """The script's final word; None when Redis is gone."""
        if self._was_gone:
            return None
        seeds: dict[str, int] = {}
        try:
            for _ in range(_ROUNDS):
                verdict = await self._scripts.admit(hold, self._epoch, seeds)
                if verdict.kind in _FINAL:
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
            return self._unknown(hold, "PostgreSQL does not say what was spent")
        self._rest(_NeverSettles())
        return None

    async def _seed(self, claim: Claim) -> int:
        try:
            return to_nano(await current_spend(self._pool, claim.budget, claim.period))
        except POSTGRES_GONE as error:
            _log.warning("budget_seed_unknown", reason=type(error).__name__)
            raise _SeedUnknown from None

    async def _without_redis(self, hold: Hold) -> Verdict:
        no_room = self._local_rates.admit(hold.request_id, hold.rates, hold.tokens)
        if no_room is not None:
            raise RateLimited(hold.rates[no_room.which], no_room.what, no_room.wait_seconds)
        try:
            over = await self._fallback.admit(hold) if hold.claims else None
        except LeftFallback:
            self._local_rates.ended(hold.request_id, hold.rates, -hold.tokens)
            return await self._ask_redis(hold) or self._unknown(hold, "Redis comes and goes")
        except POSTGRES_GONE as error:
            _log.warning("budget_store_gone", reason=type(error).__name__)
            return self._unknown(hold, "neither Redis nor PostgreSQL answers")
        if over is not None:
            self._local_rates.ended(hold.request_id, hold.rates, -hold.tokens)
            raise self._over(hold, *over)
        return ADMITTED

    def _unknown(self, hold: Hold, reason: str) -> Verdict:
        """What the failure mode says of a call whose budgets nobody knows."""
        if self._failure_mode == "closed":
            self._local_rates.ended(hold.request_id, hold.rates, -hold.tokens)
            raise BudgetUnavailable(reason)
        return ADMITTED

    def _over(self, hold: Hold, claim: Claim, spent: int, held: int) -> BudgetExceeded:
        refusal = BudgetExceeded(claim, spent, held, hold.amount_nano)
        self._refusing.note(refusal)
        return refusal

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
                # Many at once: waiting for each would take seconds where thousands have moved.
                some = list(islice(self._unposted, _POSTS_AT_ONCE))
                await asyncio.gather(
                    *(
                        self._scripts.post(one.keys, one.spent_nano, one.expiry, one.ids)
                        for one in some
                    )
                )
                for _ in some:
                    self._unposted.popleft()
        except _REDIS_GONE as error:
            self._rest(error)

    async def _refresh_for_ever(self) -> None:
        while True:
            try:
                await self.limits.refresh(self._pool)
                if not self._was_gone and await self._fallback.others_without_redis():
                    self._rest(_OthersWithoutRedis())
            except POSTGRES_GONE as error:
                _log.warning("budgets_not_refreshed", reason=type(error).__name__)
            await asyncio.sleep(REFRESH_SECONDS)

    async def _tell_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._tell_spent()

    async def _tell_spent(self) -> None:
        """Tell Redis what was spent without a call's record, as when a price became known late."""
        moved = []
        for budget, period_start, spent in self.limits.take_moved():
            if self._told_spent.get(budget.id) == (period_start, spent):
                continue
            try:
                end = budget.period_at(period_start).end
            except InvalidInputError:
                continue  # the limits say in the log that it is not usable
            moved.append(Posted(budget.id, period_start, end, spent))
        for at in range(0, len(moved), _POSTS_AT_ONCE):
            await self.posted((), moved[at : at + _POSTS_AT_ONCE])

    async def _beat_for_ever(self) -> None:
        extended = time.monotonic()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                if self._was_gone and not await self._can_return():
                    continue
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

    async def _write_refusing_for_ever(self) -> None:
        while True:
            try:
                await self._refusing.write(self._pool)
            except POSTGRES_GONE as error:
                _log.warning("refusing_budgets_not_written", reason=type(error).__name__)
            await asyncio.sleep(WRITE_SECONDS)

    async def _extend(self, hold: Hold) -> None:
        async with self._telling:
            # It may have ended while others were told.
            if not hold.settled and self.holds.get(hold.request_id) is hold:
                await self._scripts.hold(hold)

    async def _can_return(self) -> bool:
        """Go back to Redis once it answers every gateway; until then, keep the books."""
        answers = await self._redis_hears()
        try:
            ready = answers and self._fallback.others_had_time
            await self._fallback.tell(redis_answers=ready)
            if not ready or await self._fallback.others_without_redis():
                return False
            # What Redis remembers may be old, and requests were admitted without it: a new epoch
            # makes every gateway tell its holds, and every counter be seeded from PostgreSQL.
            async with self._fallback.standing_still():
                await self._scripts.begin_epoch()
                epoch = await self._scripts.epoch()
                if epoch is None:
                    return False
                await self._tell_all(epoch)
                self._was_gone = False
                self._fallback.left()
            self._local_rates.clear()
            _log.info("redis_is_back", holds=len(self.holds))
            await self._fallback.leave()
        except POSTGRES_GONE as error:
            _log.warning("budget_books_not_kept", reason=type(error).__name__)
            return False
        return True

    async def _redis_hears(self) -> bool:
        """Whether Redis answers; one that is new hears what is held, for those who use it yet."""
        try:
            epoch = await self._scripts.epoch()
            if epoch is not None:
                await self._tell_all(epoch)
        except _REDIS_GONE as error:
            self._rest(error)
            return False
        return True

    def _rest(self, error: Exception) -> None:
        if not self._was_gone:
            _log.warning("redis_is_gone", reason=type(error).__name__)
            self._fallback.enter()
        self._was_gone = True

    def status(self) -> dict[str, Any]:
        """What `/readyz` says about budgets."""
        return {
            "redis": self.redis_answers,
            "holds": len(self.holds),
            "unposted": len(self._unposted),
            "loaded": self.limits.loaded,
        }
