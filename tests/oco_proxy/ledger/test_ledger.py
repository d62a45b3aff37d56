"""Every answered call is one row, through crashes, outages and damage."""

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs

from oco_proxy.ledger.batch import write_batch
from oco_proxy.ledger.spool import Batch, Position, Spool, SpoolFolder, decode, encode
from oco_proxy.ledger.writer import LedgerWriter
from oco_warehouse.database import Warehouse, create_pool
from oco_warehouse.errors import ConfigurationError, InvalidInputError
from oco_warehouse.records import RequestRecord

BODY: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}

RECORD = RequestRecord(
    id="r1",
    provider="openai",
    endpoint="chat.completions",
    model="m",
    agent_id="bot",
    cost_usd=Decimal("0.000123456789012345"),
    input_cost_usd=Decimal("0.000123456789012345"),
    output_cost_usd=Decimal(0),
    cost_status="exact",
    status_code=200,
    tags={"env": "prod"},
    timestamp=datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC),
)


@given(
    st.text(max_size=20),
    st.none() | st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(timezones=st.just(UTC)),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
)
def test_a_spooled_record_reads_back_as_it_was(
    text: str, money: Decimal | None, at: datetime, tags: dict[str, str]
) -> None:
    record = replace(RECORD, model=text, cost_usd=money, timestamp=at, tags=tags)
    assert decode(encode(record)) == record


def test_every_torn_or_damaged_line_is_recognised() -> None:
    line = encode(RECORD)
    for cut in range(len(line) - 1):
        with pytest.raises(InvalidInputError):
            decode(line[:cut])
    for at in range(len(line) - 1):
        damaged = line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
        with pytest.raises(InvalidInputError):
            decode(damaged)


def test_a_torn_last_line_is_left_out_and_the_rest_is_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(RECORD)
    spool.append(replace(RECORD, id="r2"))
    path = spool.folder.segment_path(1)
    path.write_bytes(path.read_bytes() + encode(RECORD)[:-9])
    batch = spool.folder.read(Position(0, 0), 10)
    assert [record.id for record in batch.records] == ["r1", "r2"]
    assert spool.folder.read(batch.end, 10) == Batch([], batch.end, 0)


def test_segments_follow_one_another_and_go_when_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oco_proxy.ledger.spool.SEGMENT_BYTES", 1000)
    spool = Spool(tmp_path)
    for index in range(20):
        spool.append(replace(RECORD, id=f"r{index}"))
    assert len(spool.folder.segments()) > 3
    ids: list[str] = []
    while True:
        batch = spool.folder.read(spool.folder.checkpoint(), 3)
        if not batch.records:
            break
        ids += [record.id for record in batch.records]
        spool.folder.advance(batch.end)
    assert ids == [f"r{index}" for index in range(20)]
    assert len(spool.folder.segments()) == 1


def test_a_living_process_folder_is_not_taken_and_a_dead_ones_is(tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    assert list(second.orphans()) == []
    first.append(RECORD)
    first.close()
    (orphan,) = second.orphans()
    assert orphan.path == first.folder.path
    assert not SpoolFolder(orphan.path).claim()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigurationError, match="OCO_SPOOL_DIR"):
        Spool(blocked)


def test_a_disk_that_refuses_closes_the_gateway_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        spool.append(RECORD)
        assert not spool.accepts
        assert spool.failure == "No space left on device"
    spool.flush()
    assert spool.accepts and spool.failure is None
    assert spool.folder.read(Position(0, 0), 10).records == [RECORD]


def post(url: str, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{url}/chat/completions", json=BODY, headers={"X-Agent-ID": "bot", **headers}, timeout=10
    )


def budget(warehouse: Warehouse) -> None:
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', 'bot', 100)"
    )


def spent_and_rows(warehouse: Warehouse) -> tuple[Decimal, Decimal, int, int]:
    (row,) = warehouse.query(
        "SELECT (SELECT spent_usd FROM oco.budgets) AS spent, coalesce(sum(cost_usd), 0) AS cost, "
        "count(*) AS rows, count(DISTINCT id) AS ids FROM oco.api_requests"
    )
    return row["spent"], row["cost"], row["rows"], row["ids"]


@pytest.mark.slow
def test_kill_9_in_mid_traffic_loses_and_doubles_no_answered_call(
    priced: Warehouse,
    redis_url: str,
    standin: Any,
    tmp_path: Path,
    process: Callable[..., Any],
) -> None:
    budget(priced)
    answered: list[str] = []
    for _ in range(3):
        with process() as (gateway, running):
            stop = threading.Event()

            def traffic(url: str = gateway.openai, stop: threading.Event = stop) -> None:
                client = httpx.Client(headers={"X-Agent-ID": "bot"}, timeout=10)
                while not stop.is_set():
                    try:
                        answer = client.post(f"{url}/chat/completions", json=BODY)
                    except httpx.HTTPError:
                        return
                    if answer.status_code == 200:
                        answered.append(answer.headers["x-oco-request-id"])

            threads = [threading.Thread(target=traffic) for _ in range(8)]
            for thread in threads:
                thread.start()
            time.sleep(1.0)
            os.kill(running.pid, signal.SIGKILL)
            stop.set()
            for thread in threads:
                thread.join()
    dead = [path for path in (tmp_path / "spool").iterdir() if path.is_dir()]
    assert len(dead) == 1
    with process():  # a successor writes what the dead left
        deadline = time.monotonic() + 20
        ids: set[str] = set()
        while not ids.issuperset(answered) and time.monotonic() < deadline:
            ids = {row["id"] for row in priced.query("SELECT id FROM oco.api_requests")}
            time.sleep(0.1)
    spent, cost, rows, distinct = spent_and_rows(priced)
    assert len(answered) > 20
    assert ids.issuperset(answered)
    assert rows == distinct
    # A call may have been recorded whose last byte the kill took: at most one a connection.
    assert rows - len(answered) <= 3 * 8
    assert spent == cost > 0
    assert not dead[0].exists()


def test_an_outage_of_postgresql_delays_rows_and_loses_none(
    start: Callable[..., Any], priced: Warehouse
) -> None:
    budget(priced)
    with start() as gateway:
        assert post(gateway.openai).status_code == 200
        gateway.rows(1)
        with psycopg.connect(priced.url, autocommit=True) as blocker:
            blocker.execute("BEGIN")
            blocker.execute("LOCK TABLE oco.api_requests IN ACCESS EXCLUSIVE MODE")
            blocker.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            codes = [post(gateway.openai).status_code for _ in range(5)]
            blocker.execute("ROLLBACK")
        assert codes == [200] * 5
        gateway.rows(6)
        time.sleep(0.3)
    spent, cost, rows, _ = spent_and_rows(priced)
    assert (spent, rows) == (cost, 6)


def test_a_graceful_stop_writes_everything_and_leaves_no_folder(
    start: Callable[..., Any], priced: Warehouse, tmp_path: Path
) -> None:
    with start() as gateway:
        for _ in range(5):
            post(gateway.openai)
    assert len(priced.query("SELECT id FROM oco.api_requests")) == 5
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_replayed_spool_changes_nothing(start: Callable[..., Any], priced: Warehouse) -> None:
    budget(priced)
    with start() as gateway:
        for _ in range(3):
            post(gateway.openai)
        gateway.rows(3)
        (folder,) = [path for path in gateway.spool.iterdir() if path.is_dir()]
        lines = (folder / "000000000001.jsonl").read_bytes()
    before = spent_and_rows(priced)
    dead = gateway.spool / "dead"
    dead.mkdir()
    (dead / "000000000001.jsonl").write_bytes(lines)
    with start():
        assert spent_and_rows(priced) == before
        assert not dead.exists()


def test_a_row_that_postgresql_cannot_hold_is_set_aside_and_stops_nobody(
    start: Callable[..., Any], priced: Warehouse, tmp_path: Path
) -> None:
    dead = tmp_path / "spool" / "dead"
    dead.mkdir(parents=True)
    bad = replace(RECORD, id="bad", model="a\0b")
    (dead / "000000000001.jsonl").write_bytes(
        encode(RECORD) + encode(bad) + encode(replace(RECORD, id="r3"))
    )
    with start():
        rows = priced.query("SELECT id FROM oco.api_requests ORDER BY id")
    assert [row["id"] for row in rows] == ["r1", "r3"]
    assert decode((tmp_path / "spool" / "rejected.jsonl").read_bytes()) == bad


def full_disk(spool: Spool, patch: pytest.MonkeyPatch) -> None:
    write = os.write

    def refuse(descriptor: int, data: bytes) -> int:
        if descriptor == spool._file:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    patch.setattr(os, "write", refuse)


def test_a_spool_that_ends_with_a_full_disk_says_what_it_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    full_disk(spool, monkeypatch)
    with capture_logs() as logs:
        spool.append(RECORD)
        spool.close()
    assert spool.folder.path.exists()
    assert [entry["event"] for entry in logs] == ["spool_refuses", "spool_record_lost"]


def test_a_written_out_segment_is_emptied_when_its_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(RECORD)
    read = spool.folder.read(Position(0, 0), 10)
    spool.folder.advance(read.end)
    with monkeypatch.context() as patch:
        full_disk(spool, patch)
        spool.append(replace(RECORD, id="r2"))
        spool.make_room(Position(1, 0))
        assert spool.folder.segment_path(1).stat().st_size > 0  # something is not written out yet
        spool.make_room(read.end)
        assert spool.folder.segment_path(1).stat().st_size == 0
    spool.flush()
    (left,) = spool.folder.read(spool.folder.checkpoint(), 10).records
    assert left.id == "r2"


def test_a_disk_that_fills_before_the_first_batch_is_written_out_still_empties(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite = os.pwrite

    def only_in_place(descriptor: int, data: bytes, offset: int) -> int:
        if offset + len(data) > os.fstat(descriptor).st_size:
            raise OSError(28, "No space left on device")
        return overwrite(descriptor, data, offset)

    spool = Spool(tmp_path)
    spool.append(RECORD)
    read = spool.folder.read(spool.folder.checkpoint(), 10)
    monkeypatch.setattr(os, "pwrite", only_in_place)
    spool.folder.advance(read.end)
    assert spool.folder.checkpoint() == read.end


def test_a_torn_checkpoint_writes_everything_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(RECORD)
    spool.folder.advance(Position(1, 5))
    assert spool.folder.checkpoint() == Position(1, 5)
    path = spool.folder.path / "checkpoint"
    path.write_bytes(path.read_bytes()[:-3])
    assert spool.folder.checkpoint() == Position(0, 0)


def test_a_damaged_line_is_kept_aside_and_passed_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    path = spool.folder.segment_path(1)
    path.write_bytes(b"not a record\n")
    batch = spool.folder.read(Position(0, 0), 10)
    assert (batch.records, batch.end) == ([], Position(1, 13))
    (kept,) = tmp_path.glob("damaged-*.jsonl")
    assert kept.read_bytes() == b"not a record\n"


def test_a_written_batch_leaves_nothing_behind(warehouse: Warehouse) -> None:
    async def work() -> None:
        pool = await create_pool(warehouse.url)
        async with pool.acquire() as connection:
            await write_batch(connection, [RECORD])
            gc.collect()
            gc.disable()
            try:
                for number in range(60):
                    await write_batch(connection, [replace(RECORD, id=f"b{number}")])
                    await asyncio.sleep(0)
                left = gc.collect()
            finally:
                gc.enable()
        await pool.close()
        # A class, or the records, for each batch would be many hundreds.
        assert left < 300

    asyncio.run(work())


def test_a_loop_that_fails_ends_its_siblings(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = 0

    async def for_ever(_: Any) -> None:
        nonlocal alive
        alive += 1
        try:
            await asyncio.sleep(60)
        finally:
            alive -= 1

    async def failing(_: Any) -> None:
        await asyncio.sleep(0.01)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LedgerWriter, "_write_for_ever", failing)
    monkeypatch.setattr(LedgerWriter, "_adopt_for_ever", for_ever)
    monkeypatch.setattr(LedgerWriter, "_sync_for_ever", for_ever)

    async def run() -> None:
        with pytest.raises(ExceptionGroup):
            await LedgerWriter.run(LedgerWriter.__new__(LedgerWriter))
        assert alive == 0

    asyncio.run(run())
