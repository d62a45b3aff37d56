"""Admission in PostgreSQL, for as long as Redis is gone for any gateway.

Every gateway writes down what it holds (`oco.budget_reservations`), and says that it does without
Redis (`oco.budget_fallbacks`), so that those that still reach Redis stop admitting there. After a
moment in which everybody has noticed and written down its own, each admission is one transaction:
the budget's row locked, what PostgreSQL has recorded, what the other gateways hold, what this one
holds. After an outage of PostgreSQL that moment passes again, before anybody admits here or
returns to Redis: what the others held meanwhile could not be written down.

What this cannot see: requests in flight of a gateway that reaches neither Redis nor PostgreSQL; and
a gateway that reaches Redis but not PostgreSQL, which goes on there, unaware of those that left it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Final

import asyncpg

from oco_proxy.budget.holds import Hold, Holds
from oco_proxy.budget.limits import Claim
from oco_proxy.budget.spending import current_spend
from oco_warehouse.database import POSTGRES_GONE
from oco_warehouse.money import from_nano, to_nano

# Longer than a gateway needs to find Redis or an entry of another gateway: a refresh and a timeout.
NOTICE_SECONDS: Final = 1.5
# A gateway without Redis says so several times a second; one that is silent for this long is gone.
FRESH_SECONDS: Final = 8
_TIMEOUT_SECONDS: Final = 5.0
# An admission that begins before this is over ends before the others take its gateway for dead.
_SURE_SECONDS: Final = FRESH_SECONDS - _TIMEOUT_SECONDS
# Checks are one after the other; a call that would wait for longer than this is refused.
_QUEUE_SECONDS: Final = 10.0

_SAY: Final = """
INSERT INTO oco.budget_fallbacks (gateway_id, redis_answers) VALUES ($1, $2)
ON CONFLICT (gateway_id) DO UPDATE SET redis_answers = $2, told_at = now()
"""
_WITHOUT_REDIS: Final = f"""
SELECT EXISTS (
    SELECT FROM oco.budget_fallbacks
    WHERE gateway_id <> $1 AND NOT redis_answers
      AND told_at > now() - interval '{FRESH_SECONDS} seconds'
)
"""  # noqa: S608
_FORGET_OTHERS: Final = """
DELETE FROM oco.budget_reservations WHERE told_at < now() - interval '1 day'
"""
_DROP_ENDED: Final = """
DELETE FROM oco.budget_reservations
WHERE gateway_id = $1
  AND (budget_id, period_start) NOT IN (SELECT * FROM unnest($2::text[], $3::timestamptz[]))
"""
_FORGET: Final = """
WITH gone AS (DELETE FROM oco.budget_fallbacks WHERE gateway_id = $1)
DELETE FROM oco.budget_reservations WHERE gateway_id = $1
"""
# The others may admit here for a moment more: until then, what is held keeps its place.
_LEAVE: Final = f"""
WITH gone AS (DELETE FROM oco.budget_fallbacks WHERE gateway_id = $1)
UPDATE oco.budget_reservations
SET settled_usd = settled_usd + running_usd, running_usd = 0,
    told_at = now() - interval '1 day' + interval '{FRESH_SECONDS} seconds'
WHERE gateway_id = $1
"""  # noqa: S608
_WRITE: Final = """
INSERT INTO oco.budget_reservations (budget_id, period_start, gateway_id, running_usd, settled_usd)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (budget_id, period_start, gateway_id)
DO UPDATE SET running_usd = $4, settled_usd = $5, told_at = now()
"""
# A crashed gateway's requests end with it; what they had cost is held until its spool is adopted.
_HELD_BY_OTHERS: Final = """
SELECT coalesce(sum(
    settled_usd + CASE WHEN told_at > now() - interval '60 seconds' THEN running_usd ELSE 0 END
), 0)
FROM oco.budget_reservations
WHERE budget_id = $1 AND period_start = $2 AND gateway_id <> $3
  AND told_at > now() - interval '1 day'
"""

_Key = tuple[str, datetime]


class LeftFallback(Exception):
    """Everybody is back on Redis, so that this admission must be asked for there."""


class PostgresAdmission:
    """Checks budgets against PostgreSQL, one admission of this process at a time."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", holds: Holds, gateway_id: str) -> None:
        self._pool = pool
        self._holds = holds
        self._gateway_id = gateway_id
        # Admissions queue for one place beside who tells, so that this never waits behind them all.
        self._queue = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._is_used = False
        self._begins_at = 0.0
        self._told_at: float | None = None

    def enter(self) -> None:
        """Redis is gone from now on."""
        self._is_used = True
        self._told_at = None

    async def others_without_redis(self) -> bool:
        """Whether another gateway does without Redis, so that nobody may admit there.

        Raises:
            `POSTGRES_GONE`: no answer.
        """
        return bool(
            await self._pool.fetchval(_WITHOUT_REDIS, self._gateway_id, timeout=_TIMEOUT_SECONDS)
        )

    async def tell(self, *, redis_answers: bool) -> None:
        """Write down that this gateway does without Redis, and everything that it holds.

        Args:
            redis_answers: Redis does, and the others had time to write down what they hold; so
                nobody needs to do without Redis for this gateway's sake.

        Raises:
            `POSTGRES_GONE`: no answer.
        """
        async with self._turn:
            with self._nothing_known_after_a_failure():
                await self._tell(redis_answers=redis_answers)

    async def _tell(self, *, redis_answers: bool) -> None:
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            await connection.execute(_SAY, self._gateway_id, redis_answers)
            await connection.execute(_FORGET_OTHERS)
            sums = self._sums(self._holds)
            await connection.execute(
                _DROP_ENDED,
                self._gateway_id,
                [budget_id for budget_id, _ in sums],
                [period_start for _, period_start in sums],
            )
            await self._write(connection, sums)
        if self._is_unknown():
            self._begins_at = time.monotonic() + NOTICE_SECONDS
        self._told_at = time.monotonic()

    @property
    def others_had_time(self) -> bool:
        """Whether PostgreSQL has answered for so long that the others could write in it, too."""
        return not self._is_unknown() and time.monotonic() >= self._begins_at

    @contextmanager
    def _nothing_known_after_a_failure(self) -> Iterator[None]:
        """While PostgreSQL was away, the others could not write down what they hold, either."""
        try:
            yield
        except POSTGRES_GONE:
            self._told_at = None
            raise

    def _is_unknown(self) -> bool:
        """Whether the others have not heard yet, or take this gateway for dead."""
        return self._told_at is None or time.monotonic() - self._told_at > _SURE_SECONDS

    async def admit(self, hold: Hold) -> tuple[Claim, int, int] | None:
        """Check every budget and take the hold into the book.

        Returns:
            None when admitted, else (claim, spent, held) in nano-dollars where there is no room.

        Raises:
            LeftFallback: Redis answers everybody again.
            `POSTGRES_GONE`: no answer, or too many calls wait for one.
        """
        async with asyncio.timeout(_QUEUE_SECONDS) as queue, self._queue:
            queue.reschedule(None)
            while True:
                # Once left, an entry would send everybody away from Redis again.
                if self._is_used and self._is_unknown():
                    await self.tell(redis_answers=False)
                await asyncio.sleep(max(0.0, self._begins_at - time.monotonic()))
                async with self._turn:
                    if not self._is_used:
                        raise LeftFallback
                    if self._is_unknown():
                        continue
                    with self._nothing_known_after_a_failure():
                        over = await self._check(hold)
                    if over is None:
                        self._holds.add(hold)
                    return over

    async def _check(self, hold: Hold) -> tuple[Claim, int, int] | None:
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            for claim in hold.claims:
                # The lock that the ledger takes too: rows and what is spent stand still.
                await connection.execute(
                    "SELECT FROM oco.budgets WHERE id = $1 FOR NO KEY UPDATE", claim.budget.id
                )
                own = self._holds.held(claim)
                others = await connection.fetchval(
                    _HELD_BY_OTHERS, claim.budget.id, claim.period.start, self._gateway_id
                )
                spent = to_nano(await current_spend(connection, claim.budget, claim.period))
                held = own + to_nano(others)
                if spent + held + hold.amount_nano > claim.budget.limit_nano:
                    return claim, spent, held
            keys = {(claim.budget.id, claim.period.start) for claim in hold.claims}
            sums = self._sums([*self._holds, hold])
            await self._write(connection, {key: sums[key] for key in keys})
        return None

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        """A block in which nothing is admitted here."""
        async with self._turn:
            yield

    def left(self) -> None:
        """Nothing is admitted here any more: calls that wait must ask Redis."""
        self._is_used = False

    async def leave(self) -> None:
        """Tell the others that Redis is used again and has heard of every hold.

        Raises:
            `POSTGRES_GONE`: no answer.
        """
        async with self._turn:
            await self._pool.execute(_LEAVE, self._gateway_id, timeout=_TIMEOUT_SECONDS)

    async def forget(self, gateway_id: str) -> None:
        """Remove what a gateway has written down.

        Raises:
            `POSTGRES_GONE`: no answer.
        """
        await self._pool.execute(_FORGET, gateway_id, timeout=_TIMEOUT_SECONDS)

    def _sums(self, holds: Iterable[Hold]) -> dict[_Key, tuple[int, int]]:
        """(running, settled) nano-dollars by budget and period."""
        sums: dict[_Key, tuple[int, int]] = {}
        for hold in holds:
            for claim in hold.claims:
                key = (claim.budget.id, claim.period.start)
                running, settled = sums.get(key, (0, 0))
                if hold.settled:
                    settled += hold.amount_nano
                else:
                    running += hold.amount_nano
                sums[key] = running, settled
        return sums

    async def _write(
        self,
        connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]",
        sums: dict[_Key, tuple[int, int]],
    ) -> None:
        await connection.executemany(
            _WRITE,
            [
                (*key, self._gateway_id, from_nano(running), from_nano(settled))
                for key, (running, settled) in sorted(sums.items())
            ],
        )
