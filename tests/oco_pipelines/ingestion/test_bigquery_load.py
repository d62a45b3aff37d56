"""A billing export in BigQuery into the warehouse: to the last digit, and only what has changed."""

import io
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from oco_pipelines.ingestion import cost_checks
from oco_pipelines.ingestion.bigquery_load import find_changes, load_day
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.focus_normalise import normalise
from oco_pipelines.ingestion.focus_reader import SourceTable
from oco_pipelines.ingestion.gcp_export import to_focus
from oco_pipelines.ingestion.gcp_file import read_gcp
from oco_pipelines.ingestion.gcp_reader import read_batches
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, UpstreamUnavailable
from tests.oco_pipelines.ingestion.bigquery_accounts import (
    TODAY,
    account,
    believed,
    billed,
    client_of,
    exported,
    sync,
    with_rates,
)
from tests.oco_pipelines.ingestion.bigquery_standin import DETAILED, STANDARD, Standin, serve
from tests.oco_pipelines.ingestion.gcp_bill import (
    as_json,
    bill,
    credit,
    line,
    net_by_month,
    standard,
)

DAY, NEXT, THIRD = date(2026, 9, 10), date(2026, 9, 11), date(2026, 9, 12)


@pytest.fixture
def standin() -> Iterator[Standin]:
    with serve() as running:
        yield running


@pytest.mark.parametrize("table", [STANDARD, DETAILED])
def test_an_export_is_loaded_to_the_last_digit_and_again_reads_no_row(
    standin: Standin, warehouse: Warehouse, table: str
) -> None:
    with_rates(warehouse)
    days = {DAY: bill(1), NEXT: bill(2)}
    for day, lines in days.items():
        rows = standard(lines) if table == STANDARD else lines
        standin.table(table).deliver(day, exported(day, rows))
    standin.page_rows = 11
    assert sync(warehouse, account(standin, table)) == [NEXT, DAY]
    assert billed(warehouse) == net_by_month([*days[DAY], *days[NEXT]])
    assert cost_checks.control_totals(warehouse) == []
    resources = warehouse.query(
        "SELECT count(*) AS n FROM oco.cloud_costs WHERE resource_id IS NOT NULL"
    )[0]["n"]
    assert (resources > 0) == (table == DETAILED)
    standin.scanned.clear()
    assert sync(warehouse, account(standin, table)) == []
    assert standin.scanned == []


def test_the_money_is_that_of_the_same_rows_imported_by_hand(
    standin: Standin, warehouse: Warehouse
) -> None:
    lines = [row for row in bill(3) if row["currency"] == "USD"]
    standin.table().deliver(DAY, exported(DAY, lines))
    sync(warehouse, account(standin))
    (batch,) = read_batches("bill", io.BytesIO(as_json(lines)), 1000)
    by_hand = normalise(SourceTable(to_focus(batch), ())).accepted
    assert sorted(row[2] for row in believed(warehouse)) == sorted(
        value.hex() for value in by_hand["row_hash"]
    )


@pytest.mark.parametrize("page_rows", [1, 2, 3, 4, 5, 6, 7])
def test_a_page_may_end_at_any_row(standin: Standin, warehouse: Warehouse, page_rows: int) -> None:
    lines = [line(cost=Decimal(number), project=None) for number in range(1, 7)]
    standin.table().deliver(DAY, exported(DAY, lines))
    standin.page_rows = page_rows
    sync(warehouse, account(standin))
    assert billed(warehouse) == {("202609", "USD"): Decimal(21)}


def test_only_the_days_that_changed_are_read(standin: Standin, warehouse: Warehouse) -> None:
    table = standin.table()
    for day in (DAY, NEXT, THIRD):
        table.deliver(day, exported(day, [line(cost=Decimal(day.day))]))
    sync(warehouse, account(standin))
    before = believed(warehouse)
    standin.scanned.clear()
    late = exported(NEXT, [line(cost=Decimal("0.25"))], hour=20)
    table.deliver(NEXT, [*table.days[NEXT], *late])
    assert sync(warehouse, account(standin)) == [NEXT]
    assert standin.scanned == [NEXT]
    changed = [row for row in believed(warehouse) if row not in before]
    assert [(row[1], row[5]) for row in changed] == [("gcp-main|2026-09-11", Decimal("0.25"))]
    assert [row for row in before if row not in believed(warehouse)] == []


def test_a_restated_day_replaces_what_it_said_and_keeps_it_to_be_asked(
    standin: Standin, warehouse: Warehouse
) -> None:
    table = standin.table()
    table.deliver(DAY, exported(DAY, [line(cost=Decimal(5)), line(cost=Decimal(7))]))
    sync(warehouse, account(standin))
    table.deliver(DAY, exported(DAY, [line(cost=Decimal(5)), line(cost=Decimal(6))], hour=12))
    sync(warehouse, account(standin))
    assert billed(warehouse) == {("202609", "USD"): Decimal(11)}
    closed = warehouse.query("SELECT billed_cost FROM oco.cloud_costs WHERE valid_to IS NOT NULL")
    assert [row["billed_cost"] for row in closed] == [Decimal(7)]


def test_a_day_that_vanished_is_closed_and_may_come_back(
    standin: Standin, warehouse: Warehouse
) -> None:
    table = standin.table()
    gone = exported(DAY, [line(cost=Decimal(5))])
    table.deliver(DAY, gone)
    table.deliver(NEXT, exported(NEXT, [line(cost=Decimal(7))]))
    sync(warehouse, account(standin))
    table.deliver(DAY, [])
    assert sync(warehouse, account(standin)) == [DAY]
    assert billed(warehouse) == {("202609", "USD"): Decimal(7)}
    assert cost_checks.control_totals(warehouse) == []
    assert sync(warehouse, account(standin)) == []
    table.deliver(DAY, gone)
    assert sync(warehouse, account(standin)) == [DAY]
    assert billed(warehouse) == {("202609", "USD"): Decimal(12)}


def test_what_bigquery_drops_by_itself_stays(standin: Standin, warehouse: Warehouse) -> None:
    table = standin.table()
    table.partitioning = {"type": "DAY", "expirationMs": str(20 * 86_400_000)}
    old = date(2026, 9, 17)
    table.deliver(old, exported(old, [line(cost=Decimal(5))]))
    table.deliver(TODAY, exported(TODAY, [line(cost=Decimal(7))]))
    sync(warehouse, account(standin))
    assert billed(warehouse) == {("202609", "USD"): Decimal(12)}
    table.partitioning = {"type": "DAY", "expirationMs": str(19 * 86_400_000)}
    table.deliver(old, [])
    assert sync(warehouse, account(standin)) == []
    assert billed(warehouse) == {("202609", "USD"): Decimal(12)}


def test_a_table_that_lost_everything_closes_nothing(
    standin: Standin, warehouse: Warehouse
) -> None:
    standin.table().deliver(DAY, exported(DAY, [line(cost=Decimal(5))]))
    sync(warehouse, account(standin))
    standin.table().deliver(DAY, [])
    with pytest.raises(ConflictError, match="1 days of it are loaded: nothing is closed"):
        sync(warehouse, account(standin))
    assert billed(warehouse) == {("202609", "USD"): Decimal(5)}


def test_identical_rows_count_as_often_as_they_come_within_a_day_and_over_days(
    standin: Standin, warehouse: Warehouse
) -> None:
    same = line(cost=Decimal("1.5"))
    for day in (DAY, NEXT):
        standin.table().deliver(day, exported(day, [same, same, same]))
    sync(warehouse, account(standin))
    assert billed(warehouse) == {("202609", "USD"): Decimal(9)}
    standin.table().deliver(DAY, exported(DAY, [same, same], hour=11))
    sync(warehouse, account(standin))
    assert billed(warehouse) == {("202609", "USD"): Decimal("7.5")}


def test_the_order_of_rows_is_no_matter(standin: Standin, warehouse: Warehouse) -> None:
    with_rates(warehouse)
    lines = bill(4)
    standin.table().deliver(DAY, exported(DAY, lines))
    sync(warehouse, account(standin))
    before = believed(warehouse)
    standin.shuffle, standin.page_rows = random.Random(4), 13
    standin.table().deliver(DAY, exported(DAY, lines, hour=12))  # delivered again, all the same
    assert sync(warehouse, account(standin)) == [DAY]
    assert believed(warehouse) == before
    batch = warehouse.query(
        "SELECT rows_inserted, rows_closed FROM oco.ingestion_batches ORDER BY finished_at DESC"
    )[0]
    assert batch == {"rows_inserted": 0, "rows_closed": 0}


def test_every_credit_of_a_row_counts(standin: Standin, warehouse: Warehouse) -> None:
    kinds = {"DISCOUNT": "-0.1", "PROMOTION": "-0.2", "FREE_TIER": "-0.3"}
    found = [credit(kind, amount) for kind, amount in kinds.items()]
    standin.table().deliver(DAY, exported(DAY, [line(cost=Decimal(1), credits=found)]))
    sync(warehouse, account(standin))
    assert billed(warehouse) == {("202609", "USD"): Decimal("0.4")}


@pytest.mark.parametrize(
    ("cost", "written"),
    [
        ("0.1", "0.1"),
        ("0.0000008", "0.0000008"),
        ("123456789.123456", "123456789.123456"),
        ("1e22", "10000000000000000000000"),
        # No decimal of 15 digits is this float: BigQuery writes 17.
        ("0.30000000000000004", "0.30000000000000004"),
    ],
)
def test_a_cost_is_the_float_that_bigquery_has_as_bigquery_writes_it(
    standin: Standin, warehouse: Warehouse, cost: str, written: str
) -> None:
    standin.table().deliver(DAY, exported(DAY, [line(cost=Decimal(cost))]))
    sync(warehouse, account(standin))
    assert billed(warehouse) == {("202609", "USD"): Decimal(written)}


def test_a_corrected_rate_is_a_change_for_the_schedule(
    standin: Standin, warehouse: Warehouse
) -> None:
    with_rates(warehouse)
    standin.table().deliver(DAY, exported(DAY, [line(cost=Decimal(10), currency="EUR")]))
    sync(warehouse, account(standin))
    warehouse.execute("UPDATE oco.exchange_rates SET rate = 1.2")
    assert sync(warehouse, account(standin)) == []
    assert sync(warehouse, account(standin), and_rates=True) == [DAY]
    held = warehouse.query("SELECT cost_usd FROM oco.cloud_costs WHERE valid_to IS NULL")
    assert [row["cost_usd"] for row in held] == [Decimal(12)]


def test_rows_that_come_while_a_day_is_read_fail_the_load_and_change_nothing(
    standin: Standin, warehouse: Warehouse
) -> None:
    table = standin.table()
    table.deliver(DAY, exported(DAY, [line(cost=Decimal(5))]))

    def more() -> None:
        standin.before_rows = None
        late = exported(DAY, [line(cost=Decimal(1))], hour=12)
        table.deliver(DAY, [*table.days[DAY], *late])

    standin.before_rows = more
    with pytest.raises(UpstreamUnavailable, match="changed while they were read"):
        sync(warehouse, account(standin))
    assert believed(warehouse) == []
    sync(warehouse, account(standin))
    assert billed(warehouse) == {("202609", "USD"): Decimal(6)}


def test_a_page_that_fails_in_the_middle_changes_nothing(
    standin: Standin, warehouse: Warehouse
) -> None:
    table = standin.table()
    table.deliver(DAY, exported(DAY, [line(cost=Decimal(5))]))
    table.deliver(NEXT, exported(NEXT, [line(cost=Decimal(1))]))
    sync(warehouse, account(standin))
    before = believed(warehouse)
    restated = exported(NEXT, [line(cost=Decimal(n)) for n in range(1, 30)], hour=12)
    table.deliver(NEXT, restated)
    client = client_of(account(standin))
    standin.page_rows = 10
    standin.before_rows = lambda: standin.faults.extend(
        [("next page", "cut"), *[("next page", 503)] * 5000]
    )
    with pytest.raises(UpstreamUnavailable, match="keeps failing"):
        load_day(warehouse, client, account(standin), NEXT)
    assert believed(warehouse) == before
    standin.faults.clear()
    standin.before_rows = None
    assert list(find_changes(warehouse, client, account(standin), TODAY)) == [NEXT]
    load_day(warehouse, client, account(standin), NEXT)
    assert billed(warehouse) == {("202609", "USD"): Decimal(5 + sum(range(1, 30)))}


def test_what_was_imported_by_hand_or_under_another_name_is_not_counted_again(
    standin: Standin, warehouse: Warehouse, tmp_path: Path
) -> None:
    lines = [line(cost=Decimal(number)) for number in range(1, 20)]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(as_json(lines))
    load_focus_file(warehouse, "rows.jsonl", path, read=read_gcp)
    standin.table().deliver(DAY, exported(DAY, lines))
    standin.table().deliver(NEXT, exported(NEXT, [line(cost=Decimal("0.5"))]))
    with pytest.raises(ConflictError, match=r"'rows\.jsonl', .*: leave these days out of one"):
        sync(warehouse, account(standin))
    assert sync(warehouse, account(standin, since=NEXT)) == []
    assert billed(warehouse) == {("202609", "USD"): Decimal("190.5")}
    renamed = replace(account(standin, since=NEXT), name="gcp-other")
    with pytest.raises(ConflictError, match=r"loaded already from 'gcp-main\|2026-09-11'"):
        sync(warehouse, renamed)
    assert billed(warehouse) == {("202609", "USD"): Decimal("190.5")}
