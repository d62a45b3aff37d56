"""A pair of exports that is matched in pieces becomes what it becomes as a whole."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oco_pipelines.ingestion.azure_buckets import combine_parts, together
from oco_pipelines.ingestion.azure_charges import Dataset
from oco_pipelines.ingestion.azure_columns import recognise
from oco_pipelines.ingestion.azure_export import to_focus
from oco_pipelines.ingestion.azure_pair import combine
from oco_pipelines.ingestion.row_buckets import RowBuckets
from oco_warehouse.errors import ConfigurationError, InvalidInputError
from tests.oco_pipelines.ingestion import azure_month

_PERIOD = {
    "billingAccountId": "1",
    "billingPeriodStartDate": "09/01/2026",
    "billingPeriodEndDate": "09/30/2026",
    "billingCurrency": "EUR",
    "meterId": "m-1",
    "unitOfMeasure": "1 Hour",
}


def focus(dataset: Dataset) -> pl.DataFrame:
    """Charges many of which are alike but for their details, and some that one export has alone."""
    used = [
        {"date": day, "resourceId": of, "quantity": much, "costInBillingCurrency": cost, "tags": on}
        for day, of, much, cost, on in itertools.product(
            ("09/05/2026", "09/06/2026"), (None, "/r/1", "/r/2"), ("1", "-2"), ("1", "3"),
            (None, '"a": "b"'),
        )
    ]  # fmt: skip
    bought = {"chargeType": "Purchase", "benefitId": azure_month.RESERVATION, "quantity": "1"}
    unused = {"chargeType": "UnusedReservation", "benefitId": azure_month.RESERVATION}
    alone = bought if dataset == "actual" else unused
    rows = [
        _PERIOD | {"chargeType": "Usage", "benefitId": None} | charge
        for charge in (*used, alone | {"date": "09/05/2026", "costInBillingCurrency": "7"})
    ]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    variant = recognise(frame.columns)
    assert variant is not None
    return to_focus(frame, variant, dataset)


ACTUAL, AMORTIZED = focus("actual"), focus("amortized")
chosen = st.lists(st.integers(0, ACTUAL.height - 1), max_size=12)


def in_parts(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    yield from rows.with_row_index("row_number", offset=1).iter_slices(5)


@settings(max_examples=25)
@given(chosen, chosen, st.integers(1, 9), st.integers(1, 30))
def test_buckets_give_the_rows_that_a_whole_month_gives(
    billed: list[int], spread: list[int], buckets: int, rows_at_once: int
) -> None:
    # One of usage in both, so that they are of one month.
    actual, amortized = ACTUAL[[0, *billed]], AMORTIZED[[0, *spread]]
    with tempfile.TemporaryDirectory() as folder:
        parts = list(
            combine_parts(
                in_parts(actual), in_parts(amortized), Path(folder),
                buckets=buckets, rows_at_once=rows_at_once,
            )
        )  # fmt: skip
    rows = pl.concat(parts).sort("row_number")
    assert rows["row_number"].is_unique().all()
    assert rows.drop("row_number").equals(combine(actual, amortized))


def test_months_are_compared_over_all_parts(tmp_path: Path) -> None:
    october = AMORTIZED.with_columns(BillingPeriodStart=pl.lit("2026-10-01"))
    parts = in_parts(pl.concat([AMORTIZED.head(5), october.head(1)]))
    with pytest.raises(InvalidInputError, match="ActualCost export lacks 1 from 2026-10-01"):
        next(combine_parts(in_parts(ACTUAL), parts, tmp_path))


@given(st.lists(st.integers(0, 9), max_size=9), st.integers(1, 20))
def test_neighbours_are_taken_together_up_to_the_limit(heights: list[int], limit: int) -> None:
    groups = list(together(heights, limit))
    assert [number for group in groups for number in group] == list(range(len(heights)))
    wholes = [[heights[number] for number in group] for group in groups]
    assert all(sum(whole) <= limit or sum(map(bool, whole)) == 1 for whole in wholes)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    buckets = RowBuckets(tmp_path / "missing", "rows", ["SkuId"], 2)
    with pytest.raises(ConfigurationError, match=r"missing: cannot be written .*set TMPDIR"):
        buckets.add(ACTUAL)
