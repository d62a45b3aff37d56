"""Reads a FOCUS file, CSV, gzipped CSV or Parquet, into a frame of texts. Nothing is judged yet.

Texts keep every digit. `NULL`, `null` and an empty field are null, whatever the format.
"""

import difflib
import gzip
import io
import json
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from oco_pipelines.ingestion.focus_columns import COLUMNS, PROVIDER_COLUMNS, REQUIRED, snake_case
from oco_warehouse.errors import InvalidFileError

ROW_NUMBER: Final = "row_number"
_NULLS: Final = ("", "NULL", "null")
_MAX_UNPACKED_BYTES: Final = 4 * 1024**3
# Columns that exporters add and that mean nothing for cost.
_HARMLESS: Final = frozenset({"id"})
_BY_LOWER: Final = {
    spelling: name for name in COLUMNS for spelling in (name.lower(), snake_case(name))
}


@dataclass(frozen=True, slots=True)
class SourceTable:
    """What a file holds.

    Attributes:
        rows: one text column for each FOCUS column of the file, and `row_number` from 1.
        ignored: columns of the file that are not part of FOCUS.
    """

    rows: pl.DataFrame
    ignored: tuple[str, ...]


def read_focus(name: str, content: bytes, ignore: Collection[str] = ()) -> SourceTable:
    """Read a whole file.

    Args:
        name: for messages, and for its ending where the content does not tell the format.
        content: the file's bytes.
        ignore: columns that may be left out though they are not part of FOCUS.

    Raises:
        InvalidFileError: one line naming the file and what is wrong with it.
    """
    if not content:
        raise InvalidFileError(f"{name}: the file is empty")
    if content[:2] == b"\x1f\x8b":
        content = _unzip(name, content)
    frame = _read_parquet(name, content) if content[:4] == b"PAR1" else _read_csv(name, content)
    chosen, ignored = match_columns(name, frame.columns, ignore)
    if frame.is_empty():
        raise InvalidFileError(f"{name}: the file has a header but no rows")
    rows = frame.select(
        pl.when(pl.col(there).is_in(_NULLS)).then(None).otherwise(pl.col(there)).alias(focus)
        for there, focus in chosen.items()
    )
    return SourceTable(rows.with_row_index(ROW_NUMBER, offset=1), ignored)


def match_columns(
    name: str, header: list[str], ignore: Collection[str] = ()
) -> tuple[dict[str, str], tuple[str, ...]]:
    """({column of the file: FOCUS name}, columns that are left out).

    Names match whatever their case, and in snake_case. Custom columns (`x_…`) are left out.

    Raises:
        InvalidFileError: for a missing, doubled or unknown column.
    """
    chosen: dict[str, str] = {}
    ignored: list[str] = []
    accepted = {column.lower() for column in ignore} | _HARMLESS
    for column in header:
        key = column.strip().lower()
        focus = _BY_LOWER.get(key)
        if focus is not None and focus in chosen.values():
            raise InvalidFileError(f"{name}: column {focus} stands there twice")
        if focus is not None:
            chosen[column] = focus
        elif key in accepted or key.startswith("x_"):
            ignored.append(column)
        else:
            close = difflib.get_close_matches(key, _BY_LOWER, n=1)
            hint = f" (is {_BY_LOWER[close[0]]} meant?)" if close else ""
            raise InvalidFileError(
                f"{name}: unknown column {column!r}{hint}; FOCUS 1.0 to 1.3 has none of that name: "
                f"correct it, or leave it out with --ignore-column {column!r}"
            )
    missing = [column for column in REQUIRED if column not in chosen.values()]
    if not any(column in chosen.values() for column in PROVIDER_COLUMNS):
        missing.append(" or ".join(PROVIDER_COLUMNS))
    if missing:
        raise InvalidFileError(f"{name}: missing column {', '.join(missing)}")
    return chosen, tuple(ignored)


def _unzip(name: str, content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            unpacked = stream.read(_MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidFileError(f"{name}: the gzip data is damaged ({error})") from None
    if len(unpacked) > _MAX_UNPACKED_BYTES:
        raise InvalidFileError(f"{name}: more than {_MAX_UNPACKED_BYTES} bytes unpacked: split it")
    if not unpacked:
        raise InvalidFileError(f"{name}: the file is empty")
    return unpacked


def _read_csv(name: str, content: bytes) -> pl.DataFrame:
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidFileError(
            f"{name}: neither CSV in UTF-8 nor Parquet (byte {error.start} cannot be read)"
        ) from None
    try:
        # Without a header of its own, so that a doubled column is seen and not renamed.
        frame = pl.read_csv(content, has_header=False, infer_schema=False, raise_if_empty=True)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidFileError(f"{name}: the CSV is damaged ({reason})") from None
    header = [str(value or "").strip() for value in frame.row(0)]
    for doubled in {column for column in header if header.count(column) > 1}:
        raise InvalidFileError(f"{name}: column {doubled!r} stands there twice")
    return frame.slice(1).rename(dict(zip(frame.columns, header, strict=True)))


def _read_parquet(name: str, content: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidFileError(f"{name}: the Parquet data is damaged ({reason})") from None
    return frame.select(_as_text(series) for series in frame)


def _as_text(series: pl.Series) -> pl.Series:
    kind = series.dtype
    if kind == pl.String:
        return series
    if isinstance(kind, pl.Datetime):
        utc = series.dt.convert_time_zone("UTC") if kind.time_zone else series
        return utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f").rename(series.name)
    if kind.is_float():
        # Shortest text that reads back as the same float: what the vendor's own tool showed.
        texts = [None if v is None or v != v else repr(v) for v in series.to_list()]  # noqa: PLR0124
        return pl.Series(series.name, texts, dtype=pl.String)
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
