"""However Google delivers a bill, and whatever breaks on the way, the warehouse ends the same."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path

import pytest

from oco_pipelines.ingestion import cost_checks
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import OpenCloudOpsError
from tests.oco_pipelines.ingestion.bigquery_accounts import (
    account,
    believed,
    billed,
    exported,
    sync,
    with_rates,
)
from tests.oco_pipelines.ingestion.bigquery_standin import Standin, serve
from tests.oco_pipelines.ingestion.gcp_bill import Line, bill, line, net_by_month

FIRST = date(2026, 9, 8)
ROOT = Path(__file__).parents[3]


@pytest.fixture
def standin() -> Iterator[Standin]:
    with serve() as running:
        yield running


def final_bill(source: random.Random) -> dict[date, list[Line]]:
    """What each of five days is in the end: one has nothing, rows repeat within and over days."""
    days = {FIRST + timedelta(days=number): bill(source.randint(0, 99), 45) for number in range(4)}
    shared = bill(7, 45)[:6]
    return {day: lines + source.choices(lines, k=5) + shared for day, lines in days.items()}


def deliver_something(
    standin: Standin, final: dict[date, list[Line]], source: random.Random
) -> None:
    """One step on the way: late rows, doubled rows, a restated, reordered, empty or wrong day."""
    day = FIRST + timedelta(days=source.randint(0, 4))
    lines = list(final.get(day, ()))
    match source.randint(0, 4):
        case 0:
            lines = source.sample(lines, k=len(lines) // 2)
        case 1:
            lines = lines + lines[:3]
        case 2:
            lines = [{**row, "cost": row["cost"] + 1} for row in lines] + [line()]
        case 3:
            lines = []
        case _:
            source.shuffle(lines)
    standin.table().deliver(day, exported(day, lines, hour=source.randint(1, 20)))


@pytest.mark.parametrize("seed", range(6))
def test_any_schedule_of_deliveries_ends_as_one_clean_load(
    standin: Standin, warehouse: Warehouse, seed: int
) -> None:
    source = random.Random(seed)
    with_rates(warehouse)
    final = final_bill(source)
    standin.shuffle = random.Random(seed)
    # A day that always has something: a table that lost everything would close nothing.
    steady = FIRST + timedelta(days=9)
    standin.table().deliver(steady, exported(steady, [line(cost=Decimal(3))]))
    failed = 0
    for step in range(10):
        deliver_something(standin, final, source)
        standin.page_rows = source.randint(3, 60)
        if step % 3 == 1:
            faults = [("next page", source.choice([429, 503, "cut"])) for _ in range(2)]
            standin.faults.extend(faults)
        if step % 4 == 2:
            standin.denied = {source.choice(["insert job", "get results", "next page"])}
        try:
            sync(warehouse, account(standin))
        except OpenCloudOpsError:
            if not standin.denied:
                raise
            failed += 1
        standin.denied = set()
        standin.faults.clear()
    assert failed
    for day in (FIRST + timedelta(days=number) for number in range(5)):
        standin.table().deliver(day, exported(day, final.get(day, ()), hour=23))
    sync(warehouse, account(standin))
    assert sync(warehouse, account(standin)) == []
    expected = net_by_month([*chain.from_iterable(final.values()), line(cost=Decimal(3))])
    assert billed(warehouse) == expected
    assert cost_checks.control_totals(warehouse) == []
    after_all = believed(warehouse)
    # The same rows, in a warehouse that has never seen anything else.
    warehouse.execute("TRUNCATE oco.cloud_costs, oco.ingestion_batches, oco.rejected_rows")
    sync(warehouse, account(standin))
    assert believed(warehouse) == after_all


CHILD = """
import sys
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion.bigquery_accounts import account, sync
from tests.oco_pipelines.ingestion.bigquery_standin import Standin
print("began", flush=True)
sync(Warehouse(sys.argv[1]), account(Standin(url=sys.argv[2])))
"""


def test_a_loader_that_is_killed_leaves_every_day_whole(
    standin: Standin, warehouse: Warehouse, warehouse_url: str
) -> None:
    days = [FIRST + timedelta(days=number) for number in range(3)]
    for day in days:
        lines = [line(cost=Decimal(number)) for number in range(1, 40)]
        standin.table().deliver(day, exported(day, lines))
    sync(warehouse, account(standin))
    before = billed(warehouse)
    for day in days[:2]:
        lines = [line(cost=Decimal(number * 10)) for number in range(1, 40)]
        standin.table().deliver(day, exported(day, lines, hour=20))
    # The newest day goes first and is committed; the one before it dies in its middle.
    warehouse.execute(
        "CREATE FUNCTION oco.wait_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.billed_cost = 300 AND NEW.source_partition LIKE '%%-08' THEN "
        "PERFORM pg_sleep(60); END IF; RETURN NEW; END $$"
    )
    warehouse.execute(
        "CREATE TRIGGER wait BEFORE INSERT ON oco.cloud_costs "
        "FOR EACH ROW EXECUTE FUNCTION oco.wait_here()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, warehouse_url, standin.url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    try:
        _wait_until_it_sleeps(warehouse)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.communicate()
    warehouse.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    by_day = {
        row["day"]: row["billed"]
        for row in warehouse.query(
            "SELECT right(source_partition, 2) AS day, sum(billed_cost) AS billed "
            "FROM oco.cloud_costs WHERE valid_to IS NULL GROUP BY 1"
        )
    }
    assert before == {("202609", "USD"): Decimal(3 * 780)}
    assert by_day == {"08": Decimal(780), "09": Decimal(7800), "10": Decimal(780)}
    warehouse.execute("DROP TRIGGER wait ON oco.cloud_costs")
    assert sync(warehouse, account(standin)) == [FIRST]
    assert billed(warehouse) == {("202609", "USD"): Decimal(780 + 2 * 7800)}


def _wait_until_it_sleeps(warehouse: Warehouse) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if warehouse.query(
            "SELECT 1 FROM pg_stat_activity "
            "WHERE wait_event = 'PgSleep' AND datname = current_database()"
        ):
            return
        time.sleep(0.1)
    raise AssertionError("the loader never came to the row that waits")
