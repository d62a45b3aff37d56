"""Reads an export of GCP's billing tables, in batches, into frames of texts. Nothing is judged yet.

JSON lines, Parquet or flattened CSV, plain or gzipped, all come out the same: `row_number` from 1,
one text column for each of `FIELDS`, arrays as JSON of texts, `unreadable` with the reason where a
line is none. A number is the text that the file has, digit for digit; a float of Parquet is the
shortest text that reads back as it. Does not belong here: what a field means.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any, BinaryIO, Final, cast

import polars as pl

from oco_pipelines.ingestion.focus_reader import ROW_NUMBER
from oco_pipelines.ingestion.gcp_columns import (
    FIELDS,
    STRUCTS,
    UNREADABLE,
    check_columns,
    field_of,
)
from oco_warehouse.errors import InvalidFileError, InvalidInputError

BATCH_ROWS: Final = 20_000
# One row of a bill has some kilobytes; a longer line is no row.
_MAX_LINE_BYTES: Final = 16 * 1024**2
_SHOWN: Final = 60
_NULLS: Final = frozenset({"", "NULL", "null"})
_SCHEMA: Final = {
    ROW_NUMBER: pl.UInt32,
    UNREADABLE: pl.String,
    **dict.fromkeys(FIELDS, pl.String),
}
# (number, values or why there are none)
_Row = tuple[int, Mapping[str, Any] | str]


def read_batches(name: str, file: BinaryIO, rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
    """Read a file from its beginning, a batch at a time.

    Args:
        name: for messages.
        file: a seekable binary file; its bytes tell the format.
        rows: of a batch.

    Raises:
        InvalidFileError: one line naming the file and what is wrong with it.
    """
    start = file.read(4)
    file.seek(0)
    if not start:
        raise InvalidFileError(f"{name}: the file is empty")
    is_zipped = start[:2] == b"\x1f\x8b"
    if is_zipped:
        file = cast(BinaryIO, gzip.GzipFile(fileobj=file))
        start = _peek(name, file)
    try:
        if start == b"PAR1":
            declared, read = _parquet(io.BytesIO(file.read()) if is_zipped else file, rows)
        elif start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}:
            declared, read = [], _json_lines(name, file)
        else:
            declared, read = _csv(name, file)
        yield from _batches(name, declared, read, rows)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidFileError(f"{name}: the file is damaged ({error})") from None
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidFileError(f"{name}: the Parquet data is damaged ({reason})") from None


def _peek(name: str, file: BinaryIO) -> bytes:
    try:
        start = file.read(4)
        file.seek(0)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidFileError(f"{name}: the gzip data is damaged ({error})") from None
    if not start:
        raise InvalidFileError(f"{name}: the file is empty")
    return start


def _batches(
    name: str, declared: list[str], read: Iterable[_Row], size: int
) -> Iterator[pl.DataFrame]:
    checked = False
    batch: list[dict[str, Any]] = []
    columns = set(declared)
    last = object()
    for item in chain(read, (last,)):
        if item is not last:
            number, values = cast(_Row, item)
            batch.append(_flat(number, values, None if checked else columns))
        if len(batch) < size and item is not last:
            continue
        if not checked:
            _check_first(name, batch, columns)
            checked = True
        if batch:
            yield pl.DataFrame(batch, schema=_SCHEMA, orient="row")
        batch = []


def _check_first(name: str, batch: list[dict[str, Any]], columns: set[str]) -> None:
    """Rows of JSON say what columns there are: one row may leave out its nulls, all do not."""
    if not batch:
        raise InvalidFileError(f"{name}: the file has no rows")
    if not columns:
        reason = batch[0].get(UNREADABLE, "the row has no field")
        raise InvalidFileError(f"{name}: no row can be read ({reason})")
    check_columns(name, sorted(columns))


def _flat(number: int, values: Mapping[str, Any] | str, columns: set[str] | None) -> dict[str, Any]:
    """A row as texts by field; `columns` learns its keys."""
    if isinstance(values, str):
        return {ROW_NUMBER: number, UNREADABLE: values}
    row: dict[str, Any] = {ROW_NUMBER: number}
    try:
        for key, value in _leaves(values):
            if columns is not None:
                columns.add(key)
            field = field_of(key)
            if field is not None:
                row[field] = _text(value)
    except (InvalidInputError, UnicodeEncodeError, RecursionError) as error:
        return {ROW_NUMBER: number, UNREADABLE: f"the row cannot be read ({error})"}
    return row


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        inner = value
        # A flattened CSV can hold a whole struct as JSON.
        if isinstance(value, str) and key in STRUCTS and value.startswith("{"):
            inner = _decode(value)
        if isinstance(inner, dict) and "list" not in inner:
            for name, leaf in inner.items():
                yield f"{key}.{name}", leaf
        else:
            yield key, inner


def _text(value: Any) -> str | None:
    if value is None or value != value:  # noqa: PLR0124 - a float that is no number is a null
        return None
    if isinstance(value, str):
        value.encode()  # half a character cannot be kept
        return None if value in _NULLS else value
    if isinstance(value, dict | list):
        plain = _plain(value)
        return json.dumps(plain) if plain else None
    return _scalar(value)


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
        case Decimal():
            return format(value, "f")
        case date():  # a datetime is one, too
            return value.isoformat()
        case _:
            return str(value)


def _plain(value: Any) -> Any:
    """An array or struct with texts for values and without nulls, whatever the file's format."""
    if isinstance(value, dict):
        if set(value) == {"list"} and isinstance(value["list"], list):
            # Parquet's three-level arrays, as some writers leave them.
            return [_plain(_element(inner)) for inner in value["list"]]
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str) else _text(value)


def _element(value: Any) -> Any:
    is_wrapped = isinstance(value, dict) and set(value) == {"element"}
    return value["element"] if is_wrapped else value


def _decode(text: str) -> Any:
    """JSON with every number as its text.

    Raises:
        InvalidInputError: when it is none.
    """
    try:
        return json.loads(
            text,
            parse_float=str,
            parse_int=str,
            parse_constant=lambda word: None if word == "NaN" else word,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"no JSON: {error}: {text[:_SHOWN]!a}") from None


def _json_lines(name: str, file: BinaryIO) -> Iterator[_Row]:
    number = 0
    while line := file.readline(_MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > _MAX_LINE_BYTES:
            raise InvalidFileError(f"{name}: line {number} is longer than {_MAX_LINE_BYTES} bytes")
        if number == 1 and line.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
            raise InvalidFileError(f"{name}: one JSON array: save it as newline-delimited JSON")
        if not line.strip():
            continue
        try:
            values = _decode(line.removeprefix(b"\xef\xbb\xbf").decode())
        except (InvalidInputError, UnicodeDecodeError) as error:
            yield number, f"the line cannot be read ({error})"
            continue
        yield number, values if isinstance(values, dict) else "the line is not a JSON object"


def _csv(name: str, file: BinaryIO) -> tuple[list[str], Iterator[_Row]]:
    texts = io.TextIOWrapper(file, "utf-8-sig", newline="")
    reader = csv.reader(texts, strict=True)
    try:
        header = [column.strip() for column in next(reader)]
    except (csv.Error, UnicodeDecodeError, StopIteration):
        raise InvalidFileError(f"{name}: neither JSON lines nor Parquet nor CSV in UTF-8") from None
    fields = [field_of(column) or column for column in header]
    for doubled in {column for column in fields if fields.count(column) > 1}:
        raise InvalidFileError(f"{name}: column {doubled!r} stands there twice")

    def rows() -> Iterator[_Row]:
        try:
            for number, values in enumerate(reader, start=1):
                if len(values) != len(header):
                    yield number, f"the row has {len(values)} values for {len(header)} columns"
                else:
                    yield number, dict(zip(header, values, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidFileError(f"{name}: the CSV is damaged ({error})") from None
        finally:
            # Whoever opened the file closes it.
            texts.detach()

    return header, rows()


def _parquet(file: BinaryIO, size: int) -> tuple[list[str], Iterator[_Row]]:
    table = pl.scan_parquet(file)
    declared: list[str] = []
    for column, kind in table.collect_schema().items():
        inner = kind.fields if isinstance(kind, pl.Struct) else []
        declared += [f"{column}.{field.name}" for field in inner] or [column]
    wanted = [column for column in table.collect_schema() if column in STRUCTS or field_of(column)]
    table = table.select(wanted or pl.all())
    height = table.select(pl.len()).collect().item()

    def rows() -> Iterator[_Row]:
        for offset in range(0, height, size):
            batch = table.slice(offset, size).collect()
            yield from enumerate(batch.iter_rows(named=True), start=offset + 1)

    return declared, rows()
