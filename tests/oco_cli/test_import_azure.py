"""`oco import azure` as a person runs it."""

import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion import azure_month

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def rated(warehouse: Warehouse) -> Warehouse:
    warehouse.execute(
        "INSERT INTO oco.exchange_rates (month, from_currency, rate, source) "
        "SELECT month, 'EUR', 1.1, 'test' "
        "FROM generate_series('2024-01-01'::date, '2027-12-01', '1 month') AS month"
    )
    return warehouse


def sums(warehouse: Warehouse) -> tuple[Decimal, Decimal]:
    (row,) = warehouse.query(
        "SELECT sum(billed_cost) AS billed, sum(effective_cost) AS effective "
        "FROM oco.cloud_costs WHERE valid_to IS NULL"
    )
    return row["billed"], row["effective"]


@pytest.mark.parametrize("variant", ["EA", "MCA"])
def test_a_pair_of_exports_is_one_partition_with_the_totals_of_both(
    oco: Run, rated: Warehouse, tmp_path: Path, variant: str
) -> None:
    made = azure_month.month(3)
    actual, amortized = tmp_path / "actual.csv", tmp_path / "amortized.csv"
    actual.write_bytes(azure_month.write(made, variant, "actual"))
    amortized.write_bytes(azure_month.write(made, variant, "amortized"))
    first = oco("import", "azure", actual, "--amortized", amortized)
    second = oco("import", "azure", actual, "--amortized", amortized)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    totals = azure_month.total(made, "actual"), azure_month.total(made, "amortized")
    assert sums(rated) == totals
    assert "unchanged" in second.stdout


def test_amortized_costs_that_come_later_restate_the_month(
    oco: Run, rated: Warehouse, tmp_path: Path
) -> None:
    made = azure_month.month(4)
    actual, amortized = tmp_path / "actual.csv", tmp_path / "amortized.csv"
    actual.write_bytes(azure_month.write(made, "EA", "actual"))
    amortized.write_bytes(azure_month.write(made, "EA", "amortized"))
    alone = oco("import", "azure", actual)
    assert alone.returncode == 0, alone.stderr
    assert sums(rated)[0] == azure_month.total(made, "actual")
    both = oco("import", "azure", actual, "--amortized", amortized)
    assert both.returncode == 0, both.stderr
    totals = azure_month.total(made, "actual"), azure_month.total(made, "amortized")
    assert sums(rated) == totals


def test_what_is_no_pair_is_one_line(oco: Run, tmp_path: Path) -> None:
    made = azure_month.month(3)
    amortized, other = tmp_path / "amortized.csv", tmp_path / "other.csv"
    amortized.write_bytes(azure_month.write(made, "EA", "amortized"))
    other.write_text("Date,Cost\n2026-09-01,1\n")
    for file, told in ((amortized, "ActualCost"), (other, "no cost export of Azure")):
        done = oco("import", "azure", file)
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        assert told in done.stderr
