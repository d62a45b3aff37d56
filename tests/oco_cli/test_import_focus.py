"""`oco import focus` as a person runs it."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from oco_pipelines.ingestion.sample.generator import deliveries
from oco_warehouse.database import Warehouse

OCO = Path(sys.executable).with_name("oco")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def import_focus(warehouse_url: str, redis_url: str, tmp_path: Path) -> Run:
    """Runs `oco import focus` on a fresh warehouse."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [OCO, "import", "focus", *map(str, arguments)],
            env={
                **os.environ,
                "OCO_HOME": str(tmp_path / "home"),
                "DATABASE_URL": warehouse_url,
                "REDIS_URL": redis_url,
                "COLUMNS": "200",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


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
    import_focus: Run, warehouse: Warehouse, bill: Path
) -> None:
    first = import_focus(bill)
    loaded = state(warehouse)
    second = import_focus(bill)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert f"{loaded[1]:f}" in first.stdout
    assert "unchanged" in second.stdout
    assert state(warehouse) == loaded
    assert loaded[0] > 100


def test_a_folder_is_imported_file_by_file(
    import_focus: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "bills"
    for name, content in deliveries().items():
        if name.startswith("1/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    done = import_focus(folder)
    files = warehouse.query("SELECT DISTINCT source_partition FROM oco.cloud_costs")
    assert done.returncode == 0, done.stderr
    assert len(files) == 6


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
    import_focus: Run,
    warehouse: Warehouse,
    bill: Path,
    tmp_path: Path,
    make: Callable[[Path], bytes],
    told: str,
) -> None:
    import_focus(bill)
    before = state(warehouse)
    bad = tmp_path / "bad.csv"
    bad.write_bytes(make(bill))
    done = import_focus(bad)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == 1
    assert len(lines) == 1
    assert lines[0].startswith("oco: ")
    assert told in lines[0]
    assert done.stdout == ""
    assert state(warehouse) == before


def test_a_missing_file_is_named(import_focus: Run, tmp_path: Path) -> None:
    done = import_focus(tmp_path / "nowhere.csv")
    assert done.returncode == 1
    assert "nowhere.csv: no such file or folder" in done.stderr
