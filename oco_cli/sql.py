"""`oco sql`: one statement on the warehouse, its rows as a table, CSV or JSON."""

import csv
import json
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

import psycopg
import typer
from psycopg.types.string import TextLoader
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect
from oco_warehouse.errors import InvalidInputError

# Printed as PostgreSQL writes them: Python cannot hold every moment, interval and number of these.
_AS_TEXT: Final = ("date", "interval", "json", "jsonb", "timestamp", "timestamptz")
_DOCUMENTS: Final = frozenset(
    info.oid for name in ("json", "jsonb") if (info := psycopg.adapters.types.get(name))
)


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    csv = "csv"
    json = "json"


def sql(
    statement: str = typer.Argument(help="One SQL statement; - reads it from standard input"),
    output: Format = typer.Option(Format.table, "--format", help="How rows are printed"),
    write: bool = typer.Option(False, "--write", help="Let the statement change the warehouse"),
) -> None:
    """Run one SQL statement on the warehouse. Amounts are printed to their last digit."""
    text = _standard_input() if statement == "-" else statement
    if not text.strip():
        raise InvalidInputError("there is no statement to run: give one, or - and standard input")
    _, warehouse = connect()
    try:
        with warehouse.transaction() as connection:
            connection.read_only = not write
            # Binds no parameters, so the extended protocol takes exactly one statement.
            cursor = connection.cursor(row_factory=psycopg.rows.tuple_row, binary=False)
            for name in _AS_TEXT:
                cursor.adapters.register_loader(name, TextLoader)
            cursor.execute(text.encode(), prepare=True)
            columns = cursor.description or []
            names = [column.name for column in columns]
            documents = [column.type_code in _DOCUMENTS for column in columns]
            rows = cursor.fetchall() if cursor.description else []
            done = f"{cursor.rowcount} rows" if cursor.rowcount >= 0 else cursor.statusmessage or ""
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise InvalidInputError(f"{_one_line(error)}: --write allows changes") from None
    except psycopg.Error as error:
        raise InvalidInputError(_one_line(error)) from None
    if not names:
        Console(stderr=True).print(done, highlight=False)
    elif output is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([["" if value is None else _text(value) for value in row] for row in rows])
    elif output is Format.json:
        if len(set(names)) < len(names):
            raise InvalidInputError("two columns have the same name: give each its own, with AS")
        records = [
            {
                name: _document(value) if is_document else _json_value(value)
                for name, value, is_document in zip(names, row, documents, strict=True)
            }
            for row in rows
        ]
        typer.echo(json.dumps(records, ensure_ascii=False, indent=2))
    else:
        table = Table(*names)
        for row in rows:
            table.add_row(*("NULL" if value is None else _text(value) for value in row))
        Console(highlight=False, markup=False).print(table)


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise InvalidInputError("standard input is not UTF-8") from None


def _document(text: str | None) -> object:
    """A JSON column; its numbers become strings, as amounts do: none is read as a float."""
    return None if text is None else json.loads(text, parse_float=str)


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=_text)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _json_value(value: object) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dict | list):
        return json.loads(json.dumps(value, default=_text))
    if isinstance(value, Decimal | datetime | date | timedelta | UUID | bytes):
        return _text(value)
    return str(value)


def _one_line(error: psycopg.Error) -> str:
    message = error.diag.message_primary or str(error)
    position = error.diag.statement_position
    return f"{message} (at character {position})" if position else message
