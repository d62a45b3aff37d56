"""Reads a FOCUS file in frames of texts with FOCUS' own names. Nothing is judged yet."""

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from oco_pipelines.ingestion.csv_blocks import BLOCK_BYTES
from oco_pipelines.ingestion.focus_columns import (
    COLUMNS,
    COSTS,
    PROVIDER_COLUMNS,
    REQUIRED,
    snake_case,
)
from oco_pipelines.ingestion.focus_preview import RENAMED, SUBCATEGORY, as_1_0
from oco_pipelines.ingestion.table_reader import BATCH_ROWS, read_table
from oco_warehouse.errors import InvalidFileError

ROW_NUMBER: Final = "row_number"
# Columns that exporters add and that mean nothing for cost.
_HARMLESS: Final = frozenset({"id"})
# Custom columns: FOCUS' own prefix, and the one that Oracle has instead.
_CUSTOM: Final = ("x_", "oci_")
_BY_LOWER: Final = {
    spelling: name for name in COLUMNS for spelling in (name.lower(), snake_case(name))
}
_OF_PREVIEW: Final = {
    spelling: name
    for old, name in (*RENAMED.items(), (SUBCATEGORY, SUBCATEGORY))
    for spelling in (old.lower(), snake_case(old))
}


@dataclass(frozen=True, slots=True)
class SourceTable:
    """Some rows of a file.

    Attributes:
        rows: one text column for each FOCUS column of the file, and `row_number` from 1.
        ignored: columns of the file that are not part of FOCUS.
    """

    rows: pl.DataFrame
    ignored: tuple[str, ...]


def read_focus(
    name: str,
    path: Path,
    ignore: Collection[str] = (),
    *,
    block_bytes: int = BLOCK_BYTES,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[SourceTable]:
    """Read a whole file, some rows at a time, in order.

    Args:
        name: for messages.
        path: the file; its content tells the format.
        ignore: columns that may be left out though they are not part of FOCUS.
        block_bytes: how much of a CSV is read at once.
        batch_rows: how many rows of Parquet are read at once.

    Raises:
        InvalidFileError: one line naming the file and what is wrong with it.
    """
    done = 0
    for frame in read_table(name, path, block_bytes=block_bytes, batch_rows=batch_rows):
        chosen, ignored = match_columns(name, frame.columns, ignore)
        rows = as_1_0(frame.select(pl.col(there).alias(focus) for there, focus in chosen.items()))
        yield SourceTable(rows.with_row_index(ROW_NUMBER, offset=done + 1), ignored)
        done += frame.height


def match_columns(
    name: str, header: list[str], ignore: Collection[str] = ()
) -> tuple[dict[str, str], tuple[str, ...]]:
    """({column of the file: FOCUS name}, columns that are left out).

    Names match whatever their case, and in snake_case; those of 1.0-preview are known, too. Custom
    columns (`x_…`, `oci_…`) are left out.

    Raises:
        InvalidFileError: for a missing, doubled or unknown column, or when it is no FOCUS at all.
    """
    if not any(_BY_LOWER.get(column.strip().lower()) in COSTS for column in header):
        raise InvalidFileError(
            f"{name}: no FOCUS export: it has none of the columns {', '.join(COSTS)}; what AWS, "
            "Azure and Google Cloud export in forms of their own is loaded with `oco import aws`, "
            "`azure` and `gcp`"
        )
    chosen: dict[str, str] = {}
    ignored: list[str] = []
    unknown: list[str] = []
    accepted = {column.lower() for column in ignore} | _HARMLESS
    for column in header:
        key = column.strip().lower()
        focus = _BY_LOWER.get(key) or _OF_PREVIEW.get(key)
        if focus is not None and focus in chosen.values():
            raise InvalidFileError(f"{name}: column {focus} stands there twice")
        if focus is not None:
            chosen[column] = focus
        elif key in accepted or key.startswith(_CUSTOM):
            ignored.append(column)
        else:
            unknown.append(column)
    if unknown:
        raise InvalidFileError(f"{name}: {_told(unknown)}")
    missing = [column for column in REQUIRED if column not in chosen.values()]
    if not any(column in chosen.values() for column in PROVIDER_COLUMNS):
        missing.append(" or ".join(PROVIDER_COLUMNS))
    if missing:
        raise InvalidFileError(f"{name}: missing column {', '.join(missing)}")
    return chosen, tuple(ignored)


def _told(unknown: list[str]) -> str:
    """What is unknown, all of it, with what may be meant, and what to do."""
    close = {
        column: difflib.get_close_matches(column.lower(), _BY_LOWER, n=1) for column in unknown
    }
    named = [
        repr(column) + (f" (is {_BY_LOWER[near[0]]} meant?)" if near else "")
        for column, near in close.items()
    ]
    one = len(unknown) == 1
    flags = " ".join(f"--ignore-column {column!r}" for column in unknown)
    return (
        f"unknown column{'' if one else 's'} {', '.join(named)}; FOCUS 1.0 to 1.3 has none of "
        f"{'that name: correct it' if one else 'these names: correct them'}, or leave "
        f"{'it' if one else 'them'} out with {flags}"
    )
