"""`oco import focus` as a person runs it."""

import csv
import gzip
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from oco_pipelines.ingestion.sample.generator import deliveries
from oco_warehouse.database import Warehouse

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    """A month of the sample as a plain CSV file."""
    content = next(data for name, data in deliveries().items() if name.endswith("csv.gz"))
    path = tmp_path / "bill.csv"
    path.write_bytes(gzip.decompress(content))
    return path


def state(warehouse: Warehouse) -> tuple[int, Decimal]:
    row = warehouse.query(
        "SELECT count(*) AS rows, coalesce(sum(billed_cost), 0) AS billed "
        "FROM oco.cloud_costs WHERE valid_to IS NULL"
    )[0]
    return row["rows"], row["billed"]


def test_importing_twice_gives_the_same_totals_and_no_duplicates(
    oco: Run, warehouse: Warehouse, bill: Path
) -> None:
    first = oco("import", "focus", bill)
    loaded = state(warehouse)
    second = oco("import", "focus", bill)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert f"{loaded[1]:f}" in first.stdout
    assert "unchanged" in second.stdout
    assert state(warehouse) == loaded
    assert loaded[0] > 100


def test_a_folder_is_imported_file_by_file(oco: Run, warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "bills"
    for name, content in deliveries().items():
        if name.startswith("1/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    done = oco("import", "focus", folder)
    files = warehouse.query("SELECT DISTINCT source_partition FROM oco.cloud_costs")
    assert done.returncode == 0, done.stderr
    assert len(files) == 6


def test_files_of_a_folder_are_found_by_their_ending_in_any_case_and_behind_links(
    oco: Run, warehouse: Warehouse, tmp_path: Path, bill: Path
) -> None:
    header, *rows = bill.read_text().splitlines(keepends=True)
    folder, elsewhere = tmp_path / "bills", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "a.csv").write_text(header + rows[0])
    (folder / "B.CSV").write_text(header + rows[1])
    (elsewhere / "c.csv.GZ").write_bytes(gzip.compress((header + rows[2]).encode()))
    (folder / "link").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(folder)
    done = oco("import", "focus", folder)
    assert done.returncode == 0, done.stderr
    assert state(warehouse)[0] == 3


def test_a_bad_file_of_a_folder_is_named_and_the_others_are_loaded(
    oco: Run, warehouse: Warehouse, bill: Path
) -> None:
    (bill.parent / "broken.csv").write_text("a,b\n1,2\n")
    done = oco("import", "focus", bill.parent)
    assert done.returncode == 1
    assert "broken.csv: no FOCUS export" in done.stderr
    assert "1 of 2 files were not loaded" in done.stderr
    assert state(warehouse)[0] > 100


def test_a_file_that_postgresql_refuses_does_not_keep_the_others_out(
    oco: Run, warehouse: Warehouse, bill: Path
) -> None:
    warehouse.execute("ALTER TABLE oco.cloud_costs ADD CHECK (resource_id <> 'not-here')")
    header, first, *_ = bill.read_text().splitlines()
    rows = list(csv.DictReader([header, first]))
    rows[0]["ResourceId"] = "not-here"
    with (bill.parent / "a-refused.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = oco("import", "focus", bill.parent)
    assert done.returncode == 1
    assert "a-refused.csv: PostgreSQL refused the load: " in done.stderr
    assert "1 of 2 files were not loaded" in done.stderr
    assert state(warehouse)[0] > 100


def spoil(path: Path, old: bytes, new: bytes) -> bytes:
    return path.read_bytes().replace(old, new)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda _: b"\x1f\x8b\x08broken", "gzip data is damaged"),
        (lambda _: b"PAR1broken", "Parquet data is damaged"),
        (lambda _: b"BilledCost\n1\n", "missing column"),
        (lambda bill: spoil(bill, b"BilledCost", b"BiledCost"), "is BilledCost meant"),
        (lambda bill: spoil(bill, b",2026-", b",-0001-"), "-0001-"),
        (lambda _: b"", "is empty"),
    ],
)
def test_a_bad_file_is_one_line_with_exit_code_1_and_nothing_half_written(
    oco: Run,
    warehouse: Warehouse,
    bill: Path,
    tmp_path: Path,
    make: Callable[[Path], bytes],
    told: str,
) -> None:
    oco("import", "focus", bill)
    before = state(warehouse)
    bad = tmp_path / "bad.csv"
    bad.write_bytes(make(bill))
    done = oco("import", "focus", bad)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert len(lines) == 1
    assert lines[0].startswith("oco: ")
    assert told in lines[0]
    assert done.stdout == ""
    assert state(warehouse) == before


def test_a_missing_file_is_named(oco: Run, tmp_path: Path) -> None:
    done = oco("import", "focus", tmp_path / "nowhere.csv")
    assert done.returncode == 1
    assert "nowhere.csv: no such file or folder" in done.stderr
