"""`oco import aws` as a person runs it."""

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from oco_pipelines.ingestion.sample.generator import deliveries
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion import aws_month
from tests.oco_pipelines.ingestion.aws_forms import FORMS

Run = Callable[..., "subprocess.CompletedProcess[str]"]

ENDINGS = {
    "legacy CSV": "csv",
    "legacy Parquet": "parquet",
    "CUR 2.0 CSV": "csv",
    "CUR 2.0 Parquet": "parquet",
}


def state(warehouse: Warehouse) -> tuple[int, str]:
    row = warehouse.query(
        "SELECT count(*) AS rows, coalesce(sum(billed_cost), 0) AS billed "
        "FROM oco.cloud_costs WHERE valid_to IS NULL"
    )[0]
    return row["rows"], f"{row['billed']:f}"


@pytest.mark.parametrize("form", FORMS)
def test_a_report_is_loaded_to_the_last_digit_and_again_changes_nothing(
    oco: Run, warehouse: Warehouse, tmp_path: Path, form: str
) -> None:
    made = aws_month.month(3)
    report = tmp_path / f"report.{ENDINGS[form]}"
    report.write_bytes(FORMS[form](made))
    first = oco("import", "aws", report)
    second = oco("import", "aws", report)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert state(warehouse) == (len(made.lines), f"{made.billed():f}")
    assert f"{made.billed():f}" in first.stdout
    assert "unchanged" in second.stdout


def test_a_gzipped_report_takes_the_place_of_another(
    oco: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    made = aws_month.month(3)
    plain, final = tmp_path / "open.csv", tmp_path / "final.csv.gz"
    plain.write_bytes(FORMS["legacy CSV"](made))
    final.write_bytes(gzip.compress(FORMS["CUR 2.0 CSV"](made)))
    loaded = oco("import", "aws", plain, "--as", "september")
    done = oco("import", "aws", final, "--as", "september-final", "--replaces", "september")
    assert (loaded.returncode, done.returncode) == (0, 0), loaded.stderr + done.stderr
    assert state(warehouse) == (len(made.lines), f"{made.billed():f}")


def test_a_focus_export_is_loaded_as_focus(oco: Run, warehouse: Warehouse, tmp_path: Path) -> None:
    export = tmp_path / "focus.csv.gz"
    export.write_bytes(next(data for name, data in deliveries().items() if "aws/" in name))
    done = oco("import", "aws", export)
    assert done.returncode == 0, done.stderr
    assert state(warehouse)[0] > 100


def test_a_file_that_is_no_report_is_one_line_with_exit_code_1(
    oco: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("date,cost\n2026-09-01,1\n")
    done = oco("import", "aws", bad)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "bad.csv: neither an AWS Cost and Usage Report nor a FOCUS export" in done.stderr
    assert done.stdout == ""
    assert state(warehouse) == (0, "0")


def test_rows_that_cannot_be_loaded_are_told_and_the_others_are_loaded(
    oco: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    made = aws_month.Month()
    made.add("Usage", "1.5")
    made.add("Usage", "n/a")
    report = tmp_path / "report.csv"
    report.write_bytes(FORMS["legacy CSV"](made))
    done = oco("import", "aws", report)
    assert done.returncode == 1
    assert "row 2 rejected: BilledCost: 'n/a'" in done.stderr
    assert state(warehouse) == (1, "1.5")


def test_help_says_what_it_takes(oco: Run) -> None:
    told = " ".join(oco("import", "aws", "--help").stdout.split())
    for word in ("Cost and Usage Report", "CUR 2.0", "FOCUS", "--as", "--replaces"):
        assert word in told
