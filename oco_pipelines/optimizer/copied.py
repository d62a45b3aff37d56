"""Frames of what COPY writes as CSV: moments, truth values and lists are read from text."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from oco_pipelines.optimizer.frames import KEY, MOMENT

# Between the ids of a list; no id has it.
PARTS_BETWEEN: Final = "\x1f"


def parsed(text: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A frame of CSV without a header; moments, truth values and lists are read from text."""
    as_text = {
        name: pl.String() if isinstance(kind, pl.Datetime | pl.Boolean | pl.List) else kind
        for name, kind in schema.items()
    }
    if not text:
        return pl.DataFrame(schema=schema)
    raw = pl.read_csv(text, has_header=False, schema=as_text, encoding="utf8")
    return raw.with_columns(_read(name, kind) for name, kind in schema.items())


def _read(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        return _moment(column).alias(name)
    if isinstance(kind, pl.Boolean):
        return (column == "t").alias(name)
    if isinstance(kind, pl.List):
        return column.str.split(PARTS_BETWEEN).alias(name)
    # An empty text is a value of an identity; elsewhere there is none.
    return column.fill_null("") if name in KEY else column


def _moment(column: pl.Expr) -> pl.Expr:
    """PostgreSQL writes +00 and ISO 8601 has +00:00 or Z; a moment without an offset is in UTC."""
    text = column.str.replace(" ", "T", literal=True)
    text = text.str.replace(r"Z$", "+00:00").str.replace(r"(T.*[+-]\d\d)$", "${1}:00")
    text = (
        pl.when(text.str.contains(r"T.*[+-]\d\d:\d\d$"))
        .then(text)
        .when(text.str.contains("T"))
        .then(text + "+00:00")
        .otherwise(text + "T00:00:00+00:00")
    )
    # What inventory copied and is no moment says nothing.
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False).cast(
        MOMENT
    )
