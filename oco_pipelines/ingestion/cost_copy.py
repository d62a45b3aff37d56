"""Writes rows of frames into tables: polars renders the text that COPY reads."""

import io
from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import polars as pl
from psycopg import sql

from oco_pipelines.ingestion.focus_vectors import per_distinct
from oco_warehouse.database import Connection
from oco_warehouse.money import exact_product

# One piece is rendered while PostgreSQL still reads the one before.
_PIECE_ROWS: Final = 4_000
_ESCAPED: Final = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}

# Rate to USD by (currency, first day of the month).
Rates = Mapping[tuple[str, date], Decimal]


def copy_frame(connection: Connection, table: str, frame: pl.DataFrame) -> int:
    """COPY a frame into the columns of its names ("schema.table" or "table"); returns how many."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    )
    escaped = [series.name for series in frame if series.dtype == pl.Binary]
    texts = frame.select(_as_text(series) for series in frame)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in texts.iter_slices(_PIECE_ROWS):
            copy.write(render(piece, escaped))
    return frame.height


def render(texts: pl.DataFrame, escaped: Collection[str] = ()) -> bytes:
    """A frame of texts in the text format of COPY.

    Args:
        texts: columns of texts, or null.
        escaped: columns that are in this form already, with two backslashes in each value.
    """
    data = _write(texts)
    # Hardly any text has what must be escaped: counting bytes tells, and costs next to nothing.
    nulls = sum(texts.null_count().row(0))
    if (
        data.count(b"\\") == nulls + 2 * texts.height * len(escaped)
        and data.count(b"\t") == texts.height * (texts.width - 1)
        and data.count(b"\n") == texts.height
        and b"\r" not in data
    ):
        return data
    plain = [name for name in texts.columns if name not in escaped]
    return _write(
        texts.with_columns(pl.col(plain).str.replace_many(list(_ESCAPED), list(_ESCAPED.values())))
    )


def _write(texts: pl.DataFrame) -> bytes:
    sink = io.BytesIO()
    texts.write_csv(
        sink, include_header=False, separator="\t", quote_style="never", null_value="\\N"
    )
    return sink.getvalue()


def price_in_usd(rows: pl.DataFrame, rates: Rates) -> pl.DataFrame:
    """Add usd_rate and cost_usd = billed_cost × usd_rate, exactly.

    Args:
        rows: accepted charges.
        rates: of every (currency, month) of the rows but USD, whose rate is 1.
    """
    if (rows["billing_currency"] == "USD").all():
        return rows.with_columns(usd_rate=pl.lit("1"), cost_usd=pl.col("billed_cost"))
    one = Decimal(1)
    priced = [
        (rate, exact_product(Decimal(billed), rate))
        for currency, day, billed in rows.select(
            "billing_currency", "date", "billed_cost"
        ).iter_rows()
        for rate in (one if currency == "USD" else rates[currency, day.replace(day=1)],)
    ]
    return rows.with_columns(
        pl.Series("usd_rate", [f"{rate:f}" for rate, _ in priced], dtype=pl.String),
        pl.Series("cost_usd", [f"{cost:f}" for _, cost in priced], dtype=pl.String),
    )


def row_ids(batch: UUID, numbers: pl.Series) -> pl.Series:
    """Identifiers in the order of the file: an index over them grows at its end, which is cheap.

    The batch's own digits, then the row's number; the form of a UUID of version 4.
    """
    digits = numbers.cast(pl.String).str.zfill(15)
    return pl.select(
        pl.format("{}-8{}-{}", pl.lit(str(batch)[:18]), digits.str.head(3), digits.str.tail(12))
    ).to_series()


def _as_text(series: pl.Series) -> pl.Series:
    if isinstance(series.dtype, pl.Datetime):
        return per_distinct(series, datetime.isoformat, pl.String).alias(series.name)
    if series.dtype == pl.Binary:
        return pl.select(
            pl.concat_str(pl.lit("\\\\x"), series.bin.encode("hex")).alias(series.name)
        ).to_series()
    return series.cast(pl.String)
