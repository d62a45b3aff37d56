"""`oco import list` and `oco import withdraw` as a person runs them."""

import csv
import gzip
import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from oco_pipelines.ingestion.sample.generator import deliveries
from oco_warehouse.database import Warehouse

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    """Three charges of the sample."""
    content = next(data for name, data in deliveries().items() if name.endswith("csv.gz"))
    path = tmp_path / "bill.csv"
    path.write_bytes(b"".join(gzip.decompress(content).splitlines(keepends=True)[:4]))
    return path


def believed(warehouse: Warehouse) -> list[str]:
    rows = warehouse.query("SELECT source_partition FROM oco.cloud_costs WHERE valid_to IS NULL")
    return [row["source_partition"] for row in rows]


def test_a_file_that_is_withdrawn_counts_no_more_and_stays_in_the_history(
    oco: Run, warehouse: Warehouse, bill: Path
) -> None:
    assert oco("import", "focus", bill).returncode == 0
    done = oco("import", "withdraw", os.path.relpath(bill))
    assert done.returncode == 0, done.stderr
    assert f"{bill}: 3 charges withdrawn" in done.stdout
    assert believed(warehouse) == []
    assert warehouse.query("SELECT count(*) AS n FROM oco.cloud_costs")[0]["n"] == 3


def test_loading_a_withdrawn_file_brings_it_back(
    oco: Run, warehouse: Warehouse, bill: Path
) -> None:
    oco("import", "focus", bill)
    oco("import", "withdraw", bill)
    again = oco("import", "focus", bill)
    assert again.returncode == 0, again.stderr
    assert believed(warehouse) == [str(bill)] * 3


def test_what_is_not_loaded_cannot_be_withdrawn(oco: Run, bill: Path) -> None:
    oco("import", "focus", bill)
    oco("import", "withdraw", bill)
    done = oco("import", "withdraw", bill)
    assert done.returncode == 1
    assert "nothing is loaded from" in done.stderr
    assert "oco import list" in done.stderr


def test_the_list_has_what_holds_and_nothing_else(oco: Run, bill: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(bill.read_text())))
    other = bill.with_name("other.csv")
    other.write_text(bill.read_text())
    oco("import", "focus", bill, "--as", "mistaken")
    oco("import", "withdraw", "mistaken")
    oco("import", "focus", other)
    listed = oco("import", "list", COLUMNS="300").stdout
    assert "mistaken" not in listed
    assert str(other) in listed
    assert rows[0]["ChargePeriodStart"][:10] in listed


def test_a_list_of_nothing_says_so(oco: Run, warehouse: Warehouse) -> None:
    done = oco("import", "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing is loaded by hand" in done.stderr


def test_a_file_is_replaced_by_its_relative_path(
    oco: Run, warehouse: Warehouse, bill: Path
) -> None:
    longer = bill.with_name("longer.csv")
    longer.write_text(bill.read_text() + bill.read_text().splitlines(keepends=True)[1])
    oco("import", "focus", bill)
    done = oco("import", "focus", longer, "--replaces", os.path.relpath(bill))
    assert done.returncode == 0, done.stderr
    assert believed(warehouse) == [str(longer)] * 4


def test_a_file_that_is_given_twice_is_loaded_once(oco: Run, bill: Path) -> None:
    done = oco("import", "focus", bill, bill, bill.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("3 accepted") == 1
