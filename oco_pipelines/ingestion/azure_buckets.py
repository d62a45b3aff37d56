"""Both exports of a month of any size, matched without holding either of them.

Rows are parted by what makes a charge the same in both, on the disk; then bucket by bucket is
matched. What can only be said of all rows is collected meanwhile.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from oco_pipelines.ingestion.azure_pair import IDENTITY, Seen, matched, refuse_unrelated
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER
from oco_pipelines.ingestion.row_buckets import RowBuckets
from oco_pipelines.ingestion.table_reader import BATCH_ROWS

# Enough that a bucket of a month of ten million rows fits with ease.
BUCKETS: Final = 256
# Buckets are matched together as long as they have no more rows of both exports.
ROWS_AT_ONCE: Final = 2 * BATCH_ROWS


def combine_parts(
    actual: Iterable[pl.DataFrame],
    amortized: Iterable[pl.DataFrame],
    folder: Path,
    *,
    buckets: int = BUCKETS,
    rows_at_once: int = ROWS_AT_ONCE,
) -> Iterator[pl.DataFrame]:
    """The rows that `azure_pair.combine` makes of all parts, some at a time.

    Their numbers are those of `actual`, and behind them those of what `amortized` alone has. Those
    of a small month come in order.

    Args:
        actual: parts of the one export from `to_focus`, at least one, with row numbers from 1.
        amortized: parts of the other, at least one.
        folder: an empty one, for as many bytes as both exports have.
        buckets: into how many the rows are parted.
        rows_at_once: how many rows of both are matched at once, if one bucket has no more.

    Raises:
        InvalidInputError: when the two are not of one account and month.
        ConfigurationError: when the folder takes no more.
    """
    billed, spread = Seen(), Seen()
    one = RowBuckets(folder, "actual", IDENTITY, buckets)
    for rows in actual:
        billed.add(rows)
        one.add(rows)
    other = RowBuckets(folder, "amortized", IDENTITY, buckets)
    for rows in amortized:
        spread.add(rows)
        other.add(rows.with_columns(pl.col(ROW_NUMBER) + billed.rows))
    refuse_unrelated(billed, spread)
    heights = [sum(pair) for pair in zip(one.heights, other.heights, strict=True)]
    for group in together(heights, rows_at_once):
        yield from matched(one.read(group), other.read(group)).iter_slices(BATCH_ROWS)


def together(heights: Iterable[int], limit: int) -> Iterator[range]:
    """Neighbours whose heights add up to the limit at most; one that is higher stands alone."""
    start = end = whole = 0
    for end, height in enumerate(heights, start=1):
        if whole and whole + height > limit:
            yield range(start, end - 1)
            start, whole = end - 1, 0
        whole += height
    if end > start:
        yield range(start, end)
