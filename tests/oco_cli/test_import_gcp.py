"""`oco import gcp` as a person runs it."""

import gzip
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion import gcp_bill

Run = Callable[..., "subprocess.CompletedProcess[str]"]

FORMS: dict[str, Callable[[list[gcp_bill.Line]], bytes]] = {
    "bill.jsonl": gcp_bill.as_json,
    "bill.json.gz": lambda lines: gzip.compress(gcp_bill.as_json(lines)),
    "bill.parquet": gcp_bill.as_parquet,
    "bill.csv": gcp_bill.as_csv,
}


def sums(warehouse: Warehouse) -> dict[tuple[str, str], Decimal]:
    rows = warehouse.query(
        "SELECT to_char(billing_period_start AT TIME ZONE 'UTC', 'YYYYMM') AS month, "
        "billing_currency, sum(billed_cost) AS billed, sum(effective_cost) AS effective "
        "FROM oco.cloud_costs WHERE valid_to IS NULL GROUP BY 1, 2"
    )
    assert all(row["billed"] == row["effective"] for row in rows)
    return {(row["month"], row["billing_currency"]): row["billed"] for row in rows}


@pytest.mark.parametrize("name", FORMS)
def test_an_export_is_loaded_to_the_last_digit_and_again_changes_nothing(
    oco: Run, warehouse: Warehouse, tmp_path: Path, name: str
) -> None:
    warehouse.execute(
        "INSERT INTO oco.exchange_rates (month, from_currency, rate, source) "
        "SELECT month, currency, 1.1, 'test' FROM unnest(ARRAY['EUR', 'JPY', 'GBP']) AS currency, "
        "generate_series('2026-06-01'::date, '2026-12-01', '1 month') AS month"
    )
    lines = gcp_bill.bill(5)
    (tmp_path / name).write_bytes(FORMS[name](lines))
    first = oco("import", "gcp", tmp_path)  # the folder: its file is found by its ending
    second = oco("import", "gcp", tmp_path)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert sums(warehouse) == gcp_bill.net_by_month(lines)
    assert "unchanged" in second.stdout


def test_what_is_no_billing_export_is_one_line(oco: Run, tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("Date,Cost\n2026-09-01,1\n")
    done = oco("import", "gcp", tmp_path / "costs.csv")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "not those of GCP's billing export" in done.stderr
