"""Reads whole columns of a FOCUS file: each distinct text once, plain amounts not even that. Pure.

`focus_values` says what a single text means; this only spares asking it for every row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from oco_pipelines.ingestion.focus_columns import FocusColumn, Kind
from oco_pipelines.ingestion.focus_values import read_amount, read_instant, read_object
from oco_warehouse.errors import InvalidInputError

INSTANT: Final = pl.Datetime("us", "UTC")

_READERS: Final[dict[Kind, tuple[Callable[[str], Any], pl.DataType]]] = {
    "amount": (read_amount, pl.String()),
    "instant": (read_instant, INSTANT),
    "object": (read_object, pl.String()),
}
# Amounts that `read_amount` would only take trailing zeros from; so short that its limit of digits
# cannot matter.
_PLAIN_AMOUNT: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_PLAIN_LENGTH: Final = 30


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column as it is kept: null where the file has null, or what cannot be read.

    Attributes:
        values: one for each row.
        reasons: why a value cannot be read; None when all can.
    """

    values: pl.Series
    reasons: pl.Series | None


def read_column(column: FocusColumn, texts: pl.Series) -> ReadColumn:
    """Read every text of a column as its kind says."""
    if column.kind == "text":
        reasons = reasons_where(
            texts, texts.str.contains("\0", literal=True), lambda _: _nul(column)
        )
        return ReadColumn(texts, reasons)
    if column.kind == "amount":
        return _read_amounts(column, texts)
    return _read_distinct(column, texts)


def per_distinct(
    series: pl.Series, convert: Callable[[Any], Any], kind: pl.DataType | type[pl.DataType]
) -> pl.Series:
    """`convert` of every value that is not null, called once for each distinct one."""
    distinct = series.drop_nulls().unique()
    made = pl.Series("made", [convert(value) for value in distinct.to_list()], dtype=kind)
    mapping = pl.DataFrame([distinct.alias("value"), made])
    return (
        series.alias("value")
        .to_frame()
        .join(mapping, on="value", how="left", maintain_order="left")["made"]
    )


def reasons_where(
    series: pl.Series, wrong: pl.Series, tell: Callable[[Any], str]
) -> pl.Series | None:
    """`tell` of the values of the rows that are `wrong`; None when no row is."""
    if not wrong.any():
        return None
    bad = pl.select(pl.when(wrong).then(series)).to_series()
    return per_distinct(bad, tell, pl.String)


def _read_amounts(column: FocusColumn, texts: pl.Series) -> ReadColumn:
    text = pl.col("text")
    plain = text.str.contains(_PLAIN_AMOUNT) & (text.str.len_bytes() <= _PLAIN_LENGTH)
    short = text.str.strip_chars_end("0").str.strip_chars_end(".")
    stripped = pl.when(text.str.contains(".", literal=True)).then(short).otherwise(text)
    value = pl.when(stripped == "-0").then(pl.lit("0")).otherwise(stripped)
    frame = (
        texts.alias("text")
        .to_frame()
        .select(pl.when(plain).then(value).alias("value"), pl.when(~plain).then(text).alias("odd"))
    )
    if frame["odd"].null_count() == frame.height:
        return ReadColumn(frame["value"], None)
    odd = _read_distinct(column, frame["odd"])
    return ReadColumn(pl.select(pl.coalesce(frame["value"], odd.values)).to_series(), odd.reasons)


def _read_distinct(column: FocusColumn, texts: pl.Series) -> ReadColumn:
    reader, kind = _READERS[column.kind]
    reasons: dict[str, str] = {}

    def read(text: str) -> Any:
        if "\0" in text:
            reasons[text] = _nul(column)
            return None
        try:
            return reader(text)
        except InvalidInputError as error:
            reasons[text] = f"{column.name}: {error}"
            return None

    values = per_distinct(texts, read, kind)
    wrong = texts.is_not_null() & values.is_null()
    return ReadColumn(values, reasons_where(texts, wrong, reasons.__getitem__))


def _nul(column: FocusColumn) -> str:
    return f"{column.name} holds a NUL character, which PostgreSQL cannot keep"
