from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from oco_pipelines.ingestion import sample
from oco_pipelines.ingestion.focus_normalise import Normalised, normalise
from oco_pipelines.ingestion.focus_reader import SourceTable, read_focus
from oco_pipelines.ingestion.sample import generator
from oco_warehouse.errors import NotFoundError


def table(path: Path) -> SourceTable:
    (whole,) = read_focus(path.name, path)
    return whole


def rows(name: str) -> Normalised:
    return normalise(table(sample.DELIVERIES / name))


SHIPPED = sorted(
    path.relative_to(sample.DELIVERIES).as_posix() for path in sample.DELIVERIES.rglob("focus-*")
)


def test_what_ships_is_what_the_generator_makes(tmp_path: Path) -> None:
    generator.write(tmp_path)
    made = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*"))
    assert [name for name in made if name.startswith("deliveries/")] == [
        f"deliveries/{name}" for name in SHIPPED
    ]
    for name in made:
        new, old = tmp_path / name, sample.FOLDER / name
        if name.endswith((".gz", ".parquet")):
            # Compressors differ between versions; what a reader sees must not.
            assert table(new).rows.equals(table(old).rows), name
        else:
            assert new.read_bytes() == old.read_bytes(), name


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_row_is_accepted(name: str) -> None:
    assert rows(name).rejected == ()


def test_use_of_the_commitment_amounts_to_its_purchase() -> None:
    frame = rows("1/aws/focus-2026-10.csv.gz").accepted
    billed: dict[str, Decimal] = defaultdict(Decimal)
    effective: dict[str, Decimal] = defaultdict(Decimal)
    for row in frame.iter_rows(named=True):
        if row["commitment_discount_id"] is not None:
            billed[row["charge_category"]] += Decimal(row["billed_cost"])
            effective[row["charge_category"]] += Decimal(row["effective_cost"])
    assert billed["Purchase"] > 0
    assert effective["Usage"] == billed["Purchase"]
    assert effective["Purchase"] == billed["Usage"] == 0


def test_the_second_delivery_restates_one_day_only() -> None:
    before, after = (
        {row["row_hash"]: row["date"] for row in frame.iter_rows(named=True)}
        for frame in (
            rows("1/aws/focus-2026-10.csv.gz").accepted,
            rows("2/aws/focus-2026-10.csv.gz").accepted,
        )
    )
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    assert (len(gone), len(new)) == (3, 3)
    days = {before[key] for key in gone} | {after[key] for key in new}
    assert days == {generator.RESTATED_DAY.date()}


def test_measured_machines_are_on_the_bill_and_one_of_them_is_idle() -> None:
    billed = {
        row["resource_id"]
        for name in SHIPPED
        for row in rows(name).accepted.iter_rows(named=True)
        if row["charge_category"] == "Usage"
    }
    measured = {metric.resource_id for metric in sample.read_metrics()}
    assert measured == {machine.resource_id for machine in sample.read_resources()}
    assert measured <= billed
    busiest: dict[str, Decimal] = defaultdict(Decimal)
    for metric in sample.read_metrics():
        if metric.metric == "cpu_percent":
            busiest[metric.resource_id] = max(busiest[metric.resource_id], metric.average)
    assert [name for name, peak in busiest.items() if peak <= 5] == ["i-0idle000000000001"]


def test_installing_again_leaves_equal_files_alone(tmp_path: Path) -> None:
    assert len(sample.install(tmp_path, 1)) == 6
    assert sample.install(tmp_path, 1) == []
    assert [path.name for path in sample.install(tmp_path, 2)] == ["focus-2026-10.csv.gz"]
    with pytest.raises(NotFoundError):
        sample.install(tmp_path, 3)
