"""Reads a billing file, CSV, gzipped CSV or Parquet, in frames of texts. Nothing is judged yet.

Texts keep every digit. `NULL`, `null` and an empty field are null, whatever the format. A file is
never held whole: frames come one after the other. Does not belong here: what a vendor's columns
are called or mean.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final

import polars as pl

from oco_pipelines.ingestion.csv_blocks import BLOCK_BYTES, read_blocks
from oco_warehouse.errors import EmptyFileError, InvalidFileError

BATCH_ROWS: Final = 40_000
_NULLS: Final = ("", "NULL", "null")
# What people are given instead of a table, by its first bytes, and what to do about it.
_NO_TABLES: Final = {
    b"PK\x03\x04": "a ZIP archive: unpack it first",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
    b"{": "JSON: export it as one of them",
    b"[": "JSON: export it as one of them",
}
_OTHER_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_table(
    name: str, path: Path, *, block_bytes: int = BLOCK_BYTES, batch_rows: int = BATCH_ROWS
) -> Iterator[pl.DataFrame]:
    """Read a file: one text column for each of its own, under its own name; at least one frame.

    Args:
        name: for messages.
        path: the file; its first bytes tell the format.
        block_bytes: how much of a CSV is read at once.
        batch_rows: how many rows of Parquet are read at once.

    Raises:
        InvalidFileError: one line naming the file and what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if not start:
                raise InvalidFileError(f"{name}: the file is empty")
            for mark, remedy in _NO_TABLES.items():
                if start.startswith(mark):
                    raise InvalidFileError(f"{name}: neither CSV nor Parquet but {remedy}")
            if start == b"PAR1":
                frames = _read_parquet(name, path, batch_rows)
            elif start[:2] == b"\x1f\x8b":
                frames = _read_csv(name, gzip.GzipFile(fileobj=file), block_bytes)
            else:
                frames = _read_csv(name, file, block_bytes)
            rows = 0
            for frame in frames:
                rows += frame.height
                if frame.height:
                    yield frame.with_columns(
                        pl.when(pl.all().is_in(_NULLS)).then(None).otherwise(pl.all()).name.keep()
                    )
    except OSError as error:
        raise InvalidFileError(f"{name}: cannot be read ({error.strerror or error})") from None
    if not rows:
        raise EmptyFileError(f"{name}: the file has a header but no rows")


def _read_csv(name: str, stream: BufferedIOBase, size: int) -> Iterator[pl.DataFrame]:
    """Each block is parsed without a header, so that a doubled column is seen and not renamed."""
    header: list[str] | None = None
    offset = rows = 0
    for block in read_blocks(name, stream, size):
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidFileError(
                f"{name}: neither CSV in UTF-8 nor Parquet "
                f"(byte {offset + error.start} cannot be read)"
            ) from None
        offset += len(block)
        if header is None:
            _refuse_other_separators(name, block)
        # Number of the block's first row: that of the header is 0.
        first = 0 if header is None else rows + 1
        try:
            frame = pl.read_csv(
                block,
                has_header=False,
                infer_schema=False,
                schema=None if header is None else dict.fromkeys(header, pl.String),
            )
        except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
            _refuse_uneven_rows(name, block, len(header) if header else None, first)
            reason = str(error).strip().splitlines()[0]
            raise InvalidFileError(f"{name}: the CSV is damaged ({reason})") from None
        if _separators(block, frame) != frame.height * (frame.width - 1):
            _refuse_uneven_rows(name, block, frame.width, first)
            # A line without anything is no row.
            frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
        if header is None:
            header = [str(value or "").strip() for value in frame.row(0)]
            for doubled in {column for column in header if header.count(column) > 1}:
                raise InvalidFileError(f"{name}: column {doubled!r} stands there twice")
            frame = frame.slice(1).rename(dict(zip(frame.columns, header, strict=True)))
        rows += frame.height
        yield frame
    if header is None:
        raise InvalidFileError(f"{name}: the file is empty")


def _refuse_other_separators(name: str, block: bytes) -> None:
    line, ending, _ = block.partition(b"\n")
    if not ending and b"\r" in line:
        raise InvalidFileError(f"{name}: its lines end with CR alone: save it with LF or CRLF")
    if b"," in line:
        return
    for separator, called in _OTHER_SEPARATORS.items():
        if separator.encode() in line:
            raise InvalidFileError(f"{name}: its fields lie between {called}: save it with commas")


def _separators(block: bytes, frame: pl.DataFrame) -> int:
    """How many commas of a block separate fields; polars fills what a row lacks without a word."""
    commas = block.count(b",")
    if b'"' not in block:
        return commas
    whole = pl.concat_str(pl.all(), ignore_nulls=True)
    within = frame.select(whole.str.count_matches(",", literal=True).sum()).item()
    return commas - int(within)


def _refuse_uneven_rows(name: str, block: bytes, width: int | None, number: int) -> None:
    """Name the first row that has not as many fields as the header; the slow way, for a message."""
    try:
        for fields in csv.reader(io.StringIO(block.decode(), newline="")):
            width = width or len(fields)
            if fields and len(fields) != width:
                raise InvalidFileError(
                    f"{name}: row {number} has {len(fields)} fields, and the header has {width}: "
                    "the file is cut or damaged, get it again"
                )
            number += bool(fields)
    except csv.Error as error:
        raise InvalidFileError(f"{name}: row {number}: the CSV is damaged ({error})") from None


def _read_parquet(name: str, path: Path, batch_rows: int) -> Iterator[pl.DataFrame]:
    """A slice reads the row groups that it touches only."""
    try:
        table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        rows = table.select(pl.len()).collect().item()
        for start in range(0, rows, batch_rows):
            frame = table.slice(start, batch_rows).collect()
            yield frame.select(_as_text(series) for series in frame)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidFileError(f"{name}: the Parquet data is damaged ({reason})") from None


def _as_text(series: pl.Series) -> pl.Series:
    kind = series.dtype
    if kind == pl.String:
        return series
    if isinstance(kind, pl.Datetime):
        utc = series.dt.convert_time_zone("UTC") if kind.time_zone else series
        return utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f").rename(series.name)
    if kind.is_float():
        # Shortest text that reads back as the same float: what the vendor's own tool showed.
        return series.cast(pl.Float64).fill_nan(None).cast(pl.String)
    if kind.is_nested() or kind == pl.Object:
        texts = [None if v is None else json.dumps(_plain(v)) for v in series.to_list()]
        return pl.Series(series.name, texts, dtype=pl.String)
    return series.cast(pl.String)


def _plain(value: Any) -> Any:
    """A struct without its nulls: Parquet writes every key of every row."""
    if isinstance(value, dict) and set(value) != {"key", "value"}:
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | dict | None) else str(value)
