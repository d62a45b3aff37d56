"""Moves the spool into PostgreSQL in the background, and takes over what dead processes left."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog

from oco_proxy.budget.admission import BudgetKeeper
from oco_proxy.budget.verdicts import Posted
from oco_proxy.ledger.batch import BAD_ROW, write_batch
from oco_proxy.ledger.spool import FSYNC_SECONDS, Spool, SpoolFolder, encode
from oco_warehouse.database import POSTGRES_GONE
from oco_warehouse.records import RequestRecord

_log = structlog.get_logger(__name__)

BATCH_ROWS: Final = 1000
IDLE_SECONDS: Final = 0.1
ORPHAN_SECONDS: Final = 5.0
FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0


class LedgerWriter:
    """Writes batches until it is stopped; `drain` writes what is left."""

    def __init__(
        self, spool: Spool, pool: "asyncpg.Pool[asyncpg.Record]", keeper: BudgetKeeper
    ) -> None:
        self._spool = spool
        self._pool = pool
        self._keeper = keeper
        self.written = 0
        self.failing_since: float | None = None

    async def run(self) -> None:
        """Write until cancelled."""
        # A group, so that one that fails ends the others before all begin again.
        async with asyncio.TaskGroup() as loops:
            for loop in (self._write_for_ever, self._adopt_for_ever, self._sync_for_ever):
                loops.create_task(loop())

    async def drain(self, seconds: float) -> bool:
        """Write what the own folder still has, and what its disk refused; True: nothing is left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                self._spool.flush()
                await self._write_out(self._spool.folder)
                if waiting := self._spool.waiting():
                    await self._keeper.posted(waiting, await self._write(waiting))
                    self._spool.forget_waiting()
                return True
        return False

    async def adopt(self) -> int:
        """Write out the folders of dead processes; returns how many."""
        count = 0
        for folder in self._spool.orphans():
            try:
                written = await self._write_out(folder)
                await self._keeper.forget(folder.path.name)
                await asyncio.to_thread(folder.remove)
                _log.info("spool_adopted", folder=folder.path.name, records=written)
                count += 1
            finally:
                folder.release()
        return count

    async def _write_out(self, folder: SpoolFolder) -> int:
        written = 0
        while count := await self._step(folder):
            written += count
        return written

    async def _step(self, folder: SpoolFolder) -> int:
        """One batch; returns how many records it had. Retries until PostgreSQL takes it."""
        start = folder.checkpoint()
        batch = await asyncio.to_thread(folder.read, start, BATCH_ROWS)
        records = batch.records
        own = folder is self._spool.folder
        if records:
            posted = await self._write(records)
            await self._keeper.posted(records, posted)
        if batch.end != start:
            await asyncio.to_thread(folder.advance, batch.end)
        elif own:
            self._spool.make_room(batch.end)
        self.written += len(records)
        if own:
            self._spool.pending_bytes = max(0, self._spool.pending_bytes - batch.size)
        return len(records)

    async def _write(self, records: Sequence[RequestRecord]) -> list[Posted]:
        wait = FIRST_RETRY_SECONDS
        while True:
            try:
                posted = await self._write_once(records)
            except BAD_ROW as error:
                posted = await self._write_halves(records, error)
            except POSTGRES_GONE as error:
                if self.failing_since is None:
                    self.failing_since = time.monotonic()
                    _log.warning("ledger_waits", reason=type(error).__name__)
                await asyncio.sleep(wait)
                wait = min(LAST_RETRY_SECONDS, wait * 2)
                continue
            if self.failing_since is not None:
                _log.info("ledger_resumes")
                self.failing_since = None
            return posted

    async def _write_once(self, records: Sequence[RequestRecord]) -> list[Posted]:
        async with self._pool.acquire(timeout=10) as connection:
            return await write_batch(connection, records)

    async def _write_halves(
        self, records: Sequence[RequestRecord], error: Exception
    ) -> list[Posted]:
        """A row that PostgreSQL cannot hold must not stop the others: set it aside, visibly."""
        if len(records) > 1:
            middle = len(records) // 2
            return [*await self._write(records[:middle]), *await self._write(records[middle:])]
        _log.error("ledger_row_set_aside", id=records[0].id, reason=type(error).__name__)
        await asyncio.to_thread(_set_aside, self._spool.root / "rejected.jsonl", records[0])
        return []

    async def _write_for_ever(self) -> None:
        while True:
            if not await self._step(self._spool.folder):
                await asyncio.sleep(IDLE_SECONDS)

    async def _adopt_for_ever(self) -> None:
        while True:
            await asyncio.sleep(ORPHAN_SECONDS)
            await self.adopt()

    async def _sync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FSYNC_SECONDS)
            if self._spool.failure is not None:
                self._spool.flush()
            await asyncio.to_thread(self._spool.sync)

    def status(self) -> dict[str, Any]:
        """What `/readyz` says about the ledger."""
        failing = self.failing_since
        return {
            "writes": failing is None,
            "failing_for_seconds": None if failing is None else round(time.monotonic() - failing),
            "pending_bytes": self._spool.pending_bytes,
            "accepts": self._spool.accepts,
            "disk": self._spool.failure,
        }


def _set_aside(path: Path, record: RequestRecord) -> None:
    with path.open("ab") as file:
        file.write(encode(record))
