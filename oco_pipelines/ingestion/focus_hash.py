"""The identity of a charge: SHA-256 over what it says, however the file writes it. Pure.

The hashed text is that of `json.dumps` of the values in the order of `COLUMNS`, amounts and objects
in their one form: every release must keep it so, or rows that stay would look like new ones.
"""

from datetime import datetime
from hashlib import sha256
from typing import Final

import polars as pl

from oco_pipelines.ingestion.focus_columns import COLUMNS, Kind
from oco_pipelines.ingestion.focus_vectors import per_distinct

_ESCAPED: Final = {chr(code): f"\\u{code:04x}" for code in range(0x20)} | {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
}
_TO_ESCAPE: Final = r'["\\\x00-\x1f]'


def row_hashes(rows: pl.DataFrame) -> pl.Series:
    """The 32 bytes of each row, over the columns of `oco.cloud_costs` that FOCUS has.

    Args:
        rows: some of these columns; those that are not there count as null.
    """
    if rows.is_empty():
        return pl.Series("row_hash", [], dtype=pl.Binary)
    kept = {column.column: column.kind for column in COLUMNS.values() if column.column in rows}
    rows = rows.select(
        per_distinct(rows[name], datetime.isoformat, pl.String).alias(name)
        if kind == "instant"
        else rows[name]
        for name, kind in kept.items()
    )
    escaped = _to_escape(rows, kept)
    parts: list[pl.Expr] = []
    # Text between two values; a column without nulls needs no text of its own for its quotes.
    between = "["
    for position, column in enumerate(COLUMNS.values()):
        name = column.column
        between += ", " if position else ""
        nulls = rows[name].null_count() if name in kept else rows.height
        if nulls == rows.height:
            between += "null"
            continue
        text = _escape(pl.col(name)) if name in escaped else pl.col(name)
        if nulls:
            quoted = pl.concat_str([pl.lit('"'), text, pl.lit('"')]).fill_null("null")
            parts += [pl.lit(between), quoted]
            between = ""
        else:
            parts += [pl.lit(between + '"'), text]
            between = '"'
    lines = rows.select(pl.concat_str([*parts, pl.lit(between + "]")])).to_series()
    digests = [sha256(line).digest() for line in lines.cast(pl.Binary).to_list()]
    return pl.Series("row_hash", digests, dtype=pl.Binary)


def _to_escape(rows: pl.DataFrame, kinds: dict[str, Kind]) -> set[str]:
    """Columns with characters that JSON escapes: every object, hardly ever a text, no number."""
    texts = [name for name, kind in kinds.items() if kind == "text"]
    found = {name for name, kind in kinds.items() if kind == "object"}
    # One look at all texts of a row spares a look at each.
    whole = pl.concat_str(texts, ignore_nulls=True)
    if rows.select(whole.str.contains(_TO_ESCAPE)).to_series().any():
        found |= {name for name in texts if rows[name].str.contains(_TO_ESCAPE).any()}
    return found


def _escape(text: pl.Expr) -> pl.Expr:
    return text.str.replace_many(list(_ESCAPED), list(_ESCAPED.values()))
