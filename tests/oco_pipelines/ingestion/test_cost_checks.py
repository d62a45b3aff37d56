import csv
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import LiteralString

import pytest

from oco_pipelines.ingestion import cost_checks
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse

Focus = Callable[..., Path]

GOOD = {
    "BilledCost": "1.5",
    "EffectiveCost": "1.25",
    "ListCost": "2",
    "ContractedCost": "1.5",
    "BillingAccountId": "a",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-09-01T00:00:00Z",
    "BillingPeriodEnd": "2026-10-01T00:00:00Z",
    "ChargePeriodStart": "2026-09-03T00:00:00Z",
    "ChargePeriodEnd": "2026-09-04T00:00:00Z",
    "ChargeCategory": "Usage",
    "ServiceCategory": "Compute",
    "ServiceName": "EC2",
    "InvoiceIssuerName": "AWS",
    "ProviderName": "AWS",
    "PublisherName": "AWS",
    "ResourceId": "r",
    "Tags": '{"team": "data"}',
}

REPLACED: LiteralString = """
    SELECT old.source_partition AS old, new.source_partition AS new
    FROM oco.ingestion_batches AS old
    JOIN oco.ingestion_batches AS new ON new.id = old.replaced_by
"""


@pytest.fixture
def focus(make_file: Callable[[bytes], Path]) -> Focus:
    """A file of charges, each GOOD but for its changes."""

    def make(*changes: dict[str, str]) -> Path:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(GOOD))
        writer.writeheader()
        writer.writerows(GOOD | change for change in changes)
        return make_file(text.getvalue().encode())

    return make


def test_rejected_rows_are_kept_and_totals_add_up(warehouse: Warehouse, focus: Focus) -> None:
    bad = {"ChargePeriodStart": "-0001-01-01T00:00:00Z", "BilledCost": "7"}
    result = load_focus_file(warehouse, "a.csv", focus({}, bad))
    assert (result.accepted, result.rejected) == (1, 1)
    assert result.totals_source["USD"]["billed_cost"] == Decimal("8.5")
    kept = warehouse.query("SELECT row_number, reason, raw FROM oco.rejected_rows")
    assert [row["row_number"] for row in kept] == [2]
    assert "ChargePeriodStart" in kept[0]["reason"]
    assert kept[0]["raw"]["BilledCost"] == "7"
    assert cost_checks.control_totals(warehouse) == []


def test_checks_see_a_row_that_was_tampered_with(warehouse: Warehouse, focus: Focus) -> None:
    load_focus_file(warehouse, "a.csv", focus({}))
    for check in (cost_checks.control_totals, cost_checks.currencies, cost_checks.schema):
        assert check(warehouse) == []
    warehouse.execute("UPDATE oco.cloud_costs SET billed_cost = billed_cost + 1, provider = ''")
    for check in (cost_checks.control_totals, cost_checks.currencies, cost_checks.schema):
        assert check(warehouse) != []
    warehouse.execute("UPDATE oco.ingestion_batches SET finished_at = now() - interval '3 days'")
    assert cost_checks.freshness(warehouse) != []


def test_a_partition_that_was_replaced_is_no_problem(warehouse: Warehouse, focus: Focus) -> None:
    content = focus({}, {"ResourceId": "s"})
    load_focus_file(warehouse, "a.csv", content)
    load_focus_file(warehouse, "b.csv", content, replaces=["a.csv"])
    assert cost_checks.control_totals(warehouse) == []
    assert [row["charges"] for row in cost_checks.totals_by_provider(warehouse)] == [2]


def test_checks_see_that_every_row_of_a_file_is_gone(warehouse: Warehouse, focus: Focus) -> None:
    load_focus_file(warehouse, "a.csv", focus({}))
    warehouse.execute("DELETE FROM oco.cloud_costs")
    assert "a.csv: billed_cost USD: read 1.5, accepted 1.5, rejected 0, loaded 0" in (
        cost_checks.control_totals(warehouse)
    )


def test_checks_see_rows_that_no_load_accounts_for(warehouse: Warehouse, focus: Focus) -> None:
    load_focus_file(warehouse, "a.csv", focus({}))
    warehouse.execute("UPDATE oco.ingestion_batches SET source_partition = 'b.csv'")
    assert {line[:5] for line in cost_checks.control_totals(warehouse)} == {"a.csv", "b.csv"}


def test_a_replaced_partition_must_stay_empty_until_it_is_loaded_again(
    warehouse: Warehouse, focus: Focus
) -> None:
    load_focus_file(warehouse, "a.csv", focus({}))
    load_focus_file(warehouse, "b.csv", focus({}), replaces=["a.csv"])
    warehouse.execute("UPDATE oco.cloud_costs SET valid_to = NULL WHERE source_partition = 'a.csv'")
    assert len(cost_checks.control_totals(warehouse)) == 4
    warehouse.execute("UPDATE oco.cloud_costs SET valid_to = now() WHERE valid_to IS NULL")
    load_focus_file(warehouse, "a.csv", focus({"ResourceId": "other"}), replaces=[])
    assert {line[:5] for line in cost_checks.control_totals(warehouse)} == {"b.csv"}


def test_the_migration_finds_what_was_replaced_before_it_was_recorded(
    warehouse: Warehouse, focus: Focus
) -> None:
    load_focus_file(warehouse, "a.csv", focus({}))
    load_focus_file(warehouse, "c.csv", focus({"ResourceId": "c"}))
    load_focus_file(warehouse, "b.csv", focus({}), replaces=["a.csv"])
    load_focus_file(warehouse, "d.csv", focus({"ResourceId": "d"}))
    recorded = warehouse.query(REPLACED)
    warehouse.execute("UPDATE oco.ingestion_batches SET replaced_by = NULL")
    script = Path(migrations.__file__).parent / "versions" / "0009_review.sql"
    warehouse.execute("UPDATE" + script.read_text().partition("UPDATE")[2])
    assert warehouse.query(REPLACED) == recorded
    assert [row["new"] for row in recorded] == ["b.csv"]
