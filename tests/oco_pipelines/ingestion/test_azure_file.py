"""A month of Azure's files is read some rows at a time, whatever its size."""

import tempfile
from pathlib import Path

import polars as pl
import pytest

from oco_pipelines.ingestion.azure_charges import AmountForms
from oco_pipelines.ingestion.azure_columns import recognise
from oco_pipelines.ingestion.azure_export import to_focus
from oco_pipelines.ingestion.azure_file import AzureMonth, load_azure, read_azure
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidFileError, InvalidInputError
from tests.oco_pipelines.ingestion import azure_month
from tests.oco_pipelines.ingestion.files import frame_of


def parts(folder: Path, dataset: azure_month.Dataset, count: int) -> list[Path]:
    """A month's export in so many files."""
    rows = frame_of(azure_month.write(azure_month.month(1), "EA", dataset))
    size = -(-rows.height // count)
    paths = []
    for number in range(count):
        paths.append(folder / f"{dataset}-{number}.csv")
        rows.slice(number * size, size).write_csv(paths[-1])
    return paths


def test_actual_costs_alone_come_in_pieces_numbered_through(tmp_path: Path) -> None:
    tables = list(read_azure("p", AzureMonth(parts(tmp_path, "actual", 3)), tmp_path))
    assert len(tables) == 3
    numbers = pl.concat([table.rows["row_number"] for table in tables]).to_list()
    assert numbers == list(range(1, len(numbers) + 1))


def test_rows_that_a_manifest_promises_and_no_part_has_are_missed(tmp_path: Path) -> None:
    month = AzureMonth(parts(tmp_path, "actual", 2), rows={"actual": 1000})
    with pytest.raises(InvalidFileError, match="its manifest says 1000"):
        list(read_azure("p", month, tmp_path))


def test_amounts_of_two_readings_are_refused_however_far_apart_they_are() -> None:
    rows = frame_of(azure_month.write(azure_month.month(1), "EA", "actual"))
    variant, seen = recognise(rows.columns), AmountForms()
    assert variant is not None
    header = variant.columns["cost"][0]
    rows = rows.head(1).with_columns(pl.lit("1").alias("Quantity"))
    to_focus(rows.with_columns(pl.lit("12,5").alias(header)), variant, "actual", seen)
    with pytest.raises(InvalidInputError, match=r"'12,5'.*'1\.234' could be one and a part"):
        to_focus(rows.with_columns(pl.lit("1.234").alias(header)), variant, "actual", seen)


@pytest.mark.parametrize("promised", [None, 1000])
def test_nothing_of_a_pair_stays_on_the_disk_whether_it_is_loaded_or_not(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promised: int | None
) -> None:
    warehouse.execute(
        "INSERT INTO oco.exchange_rates (month, from_currency, rate, source) "
        "VALUES ('2026-09-01', 'EUR', 1.1, 'test')"
    )
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    actual, amortized = (parts(tmp_path, kind, 1) for kind in ("actual", "amortized"))
    month = AzureMonth(actual, amortized, rows={"amortized": promised} if promised else {})
    if promised is None:
        assert load_azure(warehouse, "p", month).accepted
    else:
        with pytest.raises(InvalidFileError, match=r"the amortized export has .* rows"):
            load_azure(warehouse, "p", month)
    assert not list(room.iterdir())
