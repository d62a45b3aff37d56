"""Writes charges as one FOCUS file: streamed, read back, and named only when it is whole."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import polars as pl
import psycopg
from psycopg import IsolationLevel, sql

from oco_pipelines.export.focus_query import (
    Selection,
    columns_of,
    digits_statement,
    rows_statement,
    totals_statement,
)
from oco_pipelines.ingestion.cost_totals import COST_COLUMNS, Totals, add_totals, sum_costs
from oco_pipelines.ingestion.focus_columns import COLUMNS, COSTS, FocusColumn
from oco_pipelines.ingestion.table_reader import read_table
from oco_warehouse.database import Connection, Warehouse
from oco_warehouse.errors import InvalidInputError, NotFoundError, WarehouseError

ENDINGS: Final = (".csv", ".csv.gz", ".parquet")
# What Parquet's decimal type holds.
_PARQUET_DIGITS: Final = 38


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds.

    Attributes:
        rows: charges.
        totals: exact sums by currency, as read back from the file and as the warehouse sums them.
    """

    rows: int
    totals: Totals


def export_focus(warehouse: Warehouse, out: Path, version: str, selection: Selection) -> Exported:
    """Write a billing month to `out`, whose ending says the format; an older file is replaced.

    Memory does not grow with the month: rows go from the server to the file as they come. Nothing
    stands under the name `out` before the file is complete and its sums are the warehouse's.

    Args:
        warehouse: the warehouse, its staging views built.
        out: .csv, .csv.gz or .parquet.
        version: of FOCUS, see `focus_query.VERSIONS`.
        selection: which charges.

    Raises:
        InvalidInputError: when the file cannot be written there or as such, or dbt was not run.
        NotFoundError: when the month has no charge.
        WarehouseError: when what was written does not add up to what the warehouse holds.
    """
    columns = columns_of(version)
    _refuse_bad_target(out)
    with _unfinished(out) as draft, warehouse.transaction() as connection:
        # Rows and sums of one and the same moment, whatever is loaded meanwhile.
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        try:
            expected, rows = _expected(connection, selection)
            if not rows:
                _nothing(connection, selection)
            _write(connection, draft, out.name, columns, selection)
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            raise InvalidInputError(
                "the views that an export reads are not built by this version: run `oco dbt build`"
            ) from None
        except OSError as error:
            raise InvalidInputError(
                f"{out}: cannot be written ({error.strerror or error})"
            ) from None
        found, found_rows = _read_back(out.name, draft)
        if (found, found_rows) != (expected, rows):
            raise WarehouseError(
                f"{out}: the file has {found_rows} rows and {found}, the warehouse {rows} and "
                f"{expected}; the file was not kept"
            )
        draft.replace(out)
    return Exported(rows, found)


def _refuse_bad_target(out: Path) -> None:
    if not out.name.endswith(ENDINGS):
        raise InvalidInputError(f"{out}: unknown ending; use one of {', '.join(ENDINGS)}")
    folder = out.absolute().parent
    if not folder.is_dir():
        raise InvalidInputError(f"{out}: the folder does not exist")
    if out.is_dir():
        raise InvalidInputError(f"{out}: is a folder; name a file")


@contextmanager
def _unfinished(out: Path) -> Iterator[Path]:
    """A name beside `out` whose file is gone at the end, unless it was renamed."""
    draft = out.absolute().with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        yield draft
    finally:
        for path in (draft, _text_beside(draft)):
            with suppress(FileNotFoundError):
                path.unlink()


def _text_beside(draft: Path) -> Path:
    return draft.with_name(f"{draft.name}.csv")


def _expected(connection: Connection, selection: Selection) -> tuple[Totals, int]:
    rows = connection.execute(totals_statement(selection), selection.parameters).fetchall()
    totals = {row["billing_currency"]: {name: row[name] for name in COST_COLUMNS} for row in rows}
    return totals, sum(row["rows"] for row in rows)


def _nothing(connection: Connection, selection: Selection) -> NoReturn:
    months = connection.execute(
        "SELECT to_char(min(billing_period_start), 'YYYY-MM') AS first, "
        "to_char(max(billing_period_start), 'YYYY-MM') AS last FROM oco.cloud_costs"
    ).fetchall()[0]
    of = f" of provider {selection.provider!r}" if selection.provider else ""
    then = f" as of {selection.as_of.isoformat()}" if selection.as_of else ""
    hint = f"billing months go from {months['first']} to {months['last']}"
    raise NotFoundError(
        f"no charge{of} in the billing month {selection.month:%Y-%m}{then}: "
        + (hint if months["first"] else "load bills first, as with `oco import focus`")
    )


def _write(
    connection: Connection,
    draft: Path,
    name: str,
    columns: list[FocusColumn],
    selection: Selection,
) -> None:
    if name.endswith(".csv"):
        _copy(connection, draft, columns, selection)
    elif name.endswith(".csv.gz"):
        _copy(connection, draft, columns, selection, compress=True)
    else:
        digits = connection.execute(
            digits_statement(columns, selection), selection.parameters
        ).fetchall()[0]
        kinds = {column.name: _parquet_kind(column, digits) for column in columns}
        text = _text_beside(draft)
        _copy(connection, text, columns, selection)
        pl.scan_csv(text, schema=dict.fromkeys(kinds, pl.String), glob=False).select(
            pl.col(name).cast(kind)
            if isinstance(kind, pl.Decimal)
            else pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC")
            if isinstance(kind, pl.Datetime)
            else pl.col(name)
            for name, kind in kinds.items()
        ).sink_parquet(draft)


def _copy(
    connection: Connection,
    path: Path,
    columns: list[FocusColumn],
    selection: Selection,
    *,
    compress: bool = False,
) -> None:
    """The server writes CSV; it is passed on block by block."""
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(
        rows_statement(columns, selection)
    )
    with path.open("wb") as file:
        # Without a name and a time inside, one content gives the same bytes.
        packed = gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) if compress else None
        with connection.cursor() as cursor, cursor.copy(statement, selection.parameters) as blocks:
            for block in blocks:
                (packed or file).write(block)
        if packed:
            packed.close()


def _parquet_kind(column: FocusColumn, digits: dict[str, int]) -> pl.DataType:
    """Type in Parquet: exact, or none.

    Raises:
        InvalidInputError: when an amount has more digits than Parquet's decimals hold.
    """
    if column.kind == "instant":
        return pl.Datetime("us", "UTC")
    if column.kind != "amount":
        return pl.String()
    before, after = digits[f"{column.name} before"], digits[f"{column.name} after"]
    if before + after > _PARQUET_DIGITS:
        raise InvalidInputError(
            f"{column.name} needs {before} digits before and {after} after the point, "
            f"Parquet holds {_PARQUET_DIGITS} in all: write .csv or .csv.gz, which keep every digit"
        )
    return pl.Decimal(_PARQUET_DIGITS, after)


def _read_back(name: str, draft: Path) -> tuple[Totals, int]:
    """Sums and rows of what stands on the disk, by the reader that imports use."""
    totals: Totals = {}
    rows = 0
    for frame in read_table(name, draft):
        costs = frame.select(pl.col(cost).alias(COLUMNS[cost].column) for cost in COSTS)
        totals = add_totals(totals, sum_costs(frame["BillingCurrency"], costs))
        rows += frame.height
    return totals, rows
