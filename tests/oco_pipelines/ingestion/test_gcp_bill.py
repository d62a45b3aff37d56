"""A whole bill, in every way that it is exported: always the same charges, never another total."""

import io
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

import polars as pl
import pytest

from oco_pipelines.ingestion.focus_normalise import Normalised, normalise
from oco_pipelines.ingestion.focus_reader import SourceTable
from oco_pipelines.ingestion.gcp_export import to_focus, translate
from oco_pipelines.ingestion.gcp_reader import read_batches
from tests.oco_pipelines.ingestion.gcp_bill import (
    Line,
    as_csv,
    as_json,
    as_parquet,
    bill,
    commitment_month,
    credit,
    line,
    net_by_month,
    standard,
)

SEEDS = range(4)
ONLY_OF_RESOURCES = [
    "resource_id",
    "resource_name",
    "resource_type",
    "commitment_discount_category",
    "commitment_discount_id",
    "commitment_discount_name",
    "commitment_discount_status",
    "commitment_discount_type",
    "row_hash",
]


def loaded(content: bytes, rows: int = 50) -> Normalised:
    frames = [to_focus(batch) for batch in read_batches("bill", io.BytesIO(content), rows)]
    return normalise(SourceTable(pl.concat(frames), ()))


def exports(lines: list[Line]) -> Iterator[tuple[str, bytes]]:
    yield "numbers", as_json(lines)
    yield "texts", as_json(lines, numbers=False, times="iso")
    yield "no nulls, epoch", as_json(lines, times="epoch", nulls=False)
    yield "floats", as_parquet(lines)
    yield "decimals", as_parquet(lines, money_as="decimal")
    yield "csv", as_csv(lines)
    yield "csv with points", as_csv(lines, separator=".")


def sums(found: Normalised, column: str, **only: str) -> dict[tuple[str, str], Decimal]:
    totals: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in found.accepted.iter_rows(named=True):
        if all(row[name] == value for name, value in only.items()):
            key = (f"{row['billing_period_start']:%Y%m}", row["billing_currency"])
            totals[key] += Decimal(row[column])
    return dict(totals)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_way_of_exporting_a_bill_gives_the_same_rows(seed: int) -> None:
    lines = bill(seed)
    expected = loaded(as_json(lines)).accepted
    for manner, content in exports(lines):
        found = loaded(content)
        assert found.rejected == (), manner
        assert found.accepted.equals(expected), manner


@pytest.mark.parametrize("seed", SEEDS)
def test_billed_and_effective_cost_of_an_invoice_month_are_cost_and_all_credits(seed: int) -> None:
    lines = bill(seed)
    for manner, content in [*exports(lines), *exports(standard(lines))]:
        found = loaded(content)
        assert sums(found, "billed_cost") == net_by_month(lines), manner
        assert sums(found, "effective_cost") == net_by_month(lines), manner


@pytest.mark.parametrize("seed", SEEDS)
def test_billed_cost_of_each_line_is_its_cost_and_all_its_credits(seed: int) -> None:
    lines = bill(seed)
    (batch,) = read_batches("bill", io.BytesIO(as_json(lines)))
    billed: dict[int, Decimal] = defaultdict(Decimal)
    for row in to_focus(batch).iter_rows(named=True):
        billed[row["row_number"]] += Decimal(row["BilledCost"])
    assert billed == {
        number: row["cost"] + sum(element["amount"] for element in row["credits"])
        for number, row in enumerate(lines, start=1)
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_the_standard_export_lacks_resources_and_commitments_and_nothing_else(seed: int) -> None:
    lines = bill(seed)
    detailed = loaded(as_json(lines)).accepted
    for manner, content in exports(standard(lines)):
        plain = loaded(content).accepted
        assert plain["resource_id"].null_count() == plain.height, manner
        assert plain.drop(ONLY_OF_RESOURCES).equals(detailed.drop(ONLY_OF_RESOURCES)), manner


def test_the_size_of_a_batch_changes_nothing() -> None:
    lines = bill(7)
    for _, content in exports(lines):
        assert loaded(content, 7).accepted.equals(loaded(content, 1000).accepted)


def test_batches_are_translated_one_by_one() -> None:
    content = as_json(bill(1, lines=100))
    tables = list(translate(read_batches("bill", io.BytesIO(content), 40)))
    assert len(tables) == 3
    assert tables[2].rows["row_number"].max() == 100


@pytest.mark.parametrize("seed", SEEDS)
def test_effective_cost_of_usage_is_what_was_paid_for_its_commitment(seed: int) -> None:
    old, fees, covered = commitment_month(seed)
    for lines in (old, [*fees, *covered]):
        found = loaded(as_json(lines))
        bought = sums(found, "billed_cost", charge_category="Purchase")
        assert sums(found, "effective_cost", charge_category="Usage") == bought
        assert set(sums(found, "effective_cost", charge_category="Purchase").values()) == {
            Decimal(0)
        }
        assert sums(found, "billed_cost") == net_by_month(lines)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_repaid_fee_leaves_is_the_unused_part(seed: int) -> None:
    _, fees, _ = commitment_month(seed)
    found = loaded(as_json(fees))
    unused = sums(found, "effective_cost", commitment_discount_status="Unused")
    assert unused == net_by_month(fees)


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_rows_are_rejected_and_nothing_else_in_every_way_of_exporting(seed: int) -> None:
    good, planted = bill(seed), 17
    promised = credit("PROMOTION", "-2.5")
    bad = line(invoice={"month": "soon"}, cost=Decimal("4.25"), credits=[promised])
    lines = [*good[:planted], bad, *good[planted:]]
    for manner, content in exports(lines):
        found = loaded(content)
        assert {row.row_number for row in found.rejected} == {planted + 1}, manner
        assert {row.reason for row in found.rejected} == {
            "BillingPeriodStart: 'soon' is not an ISO 8601 date"
        }
        assert found.totals_rejected["USD"]["billed_cost"] == Decimal("1.75")
        assert sums(found, "billed_cost") == net_by_month(good), manner
