"""Admission in PostgreSQL, for as long as Redis is gone.

A lease (a session's advisory lock) on a budget makes one gateway process the only one that admits
for it; the process adds what it holds itself to what PostgreSQL has recorded. Other processes wait
briefly and then say that the budget cannot be checked. Leases end with the connection, so those of
a crashed gateway end with it.

What this cannot see: requests that other gateways had in flight when Redis went away. They were
reserved in Redis alone.
"""

import asyncio
from typing import Final

import asyncpg

from oco_proxy.budget.holds import Hold, Holds
from oco_proxy.budget.limits import Claim
from oco_proxy.budget.spending import current_spend
from oco_warehouse.database import lock_key
from oco_warehouse.money import to_nano

LEASE_WAIT_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 0.1
_TIMEOUT_SECONDS: Final = 5.0


class LeaseTaken(Exception):
    """Another gateway process admits for this budget."""


class PostgresAdmission:
    """Checks budgets against PostgreSQL. One statement at a time, on one connection."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", holds: Holds) -> None:
        self._pool = pool
        self._holds = holds
        self._turn = asyncio.Lock()
        self._connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | None = None
        self._leases: set[str] = set()

    async def admit(self, hold: Hold) -> tuple[Claim, int, int] | None:
        """Check every budget and take the hold into the book.

        Returns:
            None when admitted, else (claim, spent, held) in nano-dollars where there is no room.

        Raises:
            LeaseTaken: when another process admits for one of the budgets.
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: no answer.
        """
        async with self._turn, asyncio.timeout(_TIMEOUT_SECONDS):
            connection = await self._leased()
            for claim in hold.claims:
                await self._lease(connection, claim)
                # The own holds first: a row written in between then counts twice, not never.
                held = self._holds.held(claim)
                spent = to_nano(await current_spend(connection, claim.budget, claim.period))
                if spent + held + hold.amount_nano > claim.budget.limit_nano:
                    return claim, spent, held
            self._holds.add(hold)
            return None

    async def release(self) -> None:
        """End all leases: Redis answers again and has heard of every hold."""
        async with self._turn:
            connection, self._connection = self._connection, None
            self._leases.clear()
            if connection is not None:
                connection.terminate()
                await self._pool.release(connection)

    async def _leased(self) -> "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._leases.clear()
            self._connection = await self._pool.acquire(timeout=_TIMEOUT_SECONDS)
        return self._connection

    async def _lease(
        self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", claim: Claim
    ) -> None:
        if claim.budget.id in self._leases:
            return
        deadline = asyncio.get_running_loop().time() + LEASE_WAIT_SECONDS
        key = lock_key(f"oco.budget.{claim.budget.id}")
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
            if asyncio.get_running_loop().time() > deadline:
                raise LeaseTaken(claim.budget.id)
            await asyncio.sleep(_RETRY_SECONDS)
        self._leases.add(claim.budget.id)
