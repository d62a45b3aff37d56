"""Prices from a file that a person wrote: CSV or JSON, all of it or nothing."""

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, LiteralString

from psycopg import sql

from oco_warehouse.database import Warehouse, lock
from oco_warehouse.errors import InvalidFileError, InvalidInputError
from oco_warehouse.price_overrides import (
    JSON_COLUMNS,
    KEY_COLUMNS,
    OVERRIDE_COLUMNS,
    PRICE_KEY,
    WHOLE_COLUMNS,
    PriceOverride,
    read_override,
    version_of,
)

MAX_BYTES: Final = 20 * 1024 * 1024
_AMOUNTS: Final = tuple(name for name in PriceOverride.model_fields if name not in KEY_COLUMNS)


def read_price_file(path: Path) -> list[PriceOverride]:
    """Prices of a `.csv` file with a heading, or of a `.json` file with a list of objects.

    A table has a column for each tool and medium, as in `tool_prices.web_search`.

    Raises:
        InvalidFileError: naming the file, the entry and what is wrong with it.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidFileError(f"{path}: larger than {MAX_BYTES} bytes; split it")
        text = path.read_text(encoding="utf-8-sig")
        entries = list(_csv(text) if path.suffix.lower() == ".csv" else _json(text))
    except (OSError, UnicodeDecodeError, ValueError, csv.Error, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InvalidFileError(f"{path}: cannot be read ({' '.join(reason.split())})") from None
    if not entries:
        raise InvalidFileError(f"{path}: there is no price in it")
    prices: dict[tuple[object, ...], PriceOverride] = {}
    for place, entry in entries:
        try:
            price = read_override(entry)
        except InvalidInputError as error:
            raise InvalidFileError(f"{path}: {place}: {error}") from None
        key = tuple(getattr(price, name) for name in PRICE_KEY)
        if key in prices:
            raise InvalidFileError(f"{path}: {place}: the same price stands above already")
        prices[key] = price
    return list(prices.values())


def load_prices(warehouse: Warehouse, path: Path, now: datetime | None = None) -> int:
    """Write the prices of a file in one transaction; returns how many rows changed.

    A stated price of the same model, moment, tier and context is replaced; a file that is loaded
    again changes nothing.

    Raises:
        InvalidFileError: when the file is not usable; nothing was written then.
    """
    prices = read_price_file(path)
    version = version_of(now or datetime.now(UTC))
    with warehouse.transaction() as connection:
        lock(connection, "model_pricing")
        return sum(
            connection.execute(_WRITE, _always(price.values(version))).rowcount for price in prices
        )


def _always(values: tuple[object, ...]) -> list[object]:
    moment = OVERRIDE_COLUMNS.index("effective_from")
    return ["-infinity" if i == moment and v is None else v for i, v in enumerate(values)]


def _csv(text: str) -> Iterable[tuple[str, dict[str, Any]]]:
    rows = csv.DictReader(text.splitlines(), strict=True)
    for number, row in enumerate(rows, 2):
        if None in row:
            raise ValueError(f"line {number} has more cells than the heading")
        yield f"line {number}", _entry(row)


def _entry(row: Mapping[str, str]) -> dict[str, Any]:
    """A line's cells by name: counts as numbers, those of `tool_prices.NAME` as one member."""
    entry: dict[str, Any] = {}
    for heading, cell in row.items():
        name, _, part = heading.strip().partition(".")
        if cell and part and name in JSON_COLUMNS:
            entry.setdefault(name, {})[part] = cell
        elif cell:
            counts = name in WHOLE_COLUMNS and cell.isdecimal()
            entry[heading.strip()] = int(cell) if counts else cell
    return entry


def _json(text: str) -> Iterable[tuple[str, Any]]:
    entries = json.loads(text, parse_float=Decimal)
    if not isinstance(entries, list):
        raise ValueError("expected a list of prices")  # noqa: TRY004 - the file's fault, not a type's
    return ((f"entry {number}", entry) for number, entry in enumerate(entries, 1))


def _identifiers(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _each(template: LiteralString) -> sql.Composed:
    """The template for every amount, `{0}` being its name."""
    return sql.SQL(", ").join(sql.SQL(template).format(sql.Identifier(n)) for n in _AMOUNTS)


_WRITE: Final = sql.SQL(
    "INSERT INTO oco.model_pricing AS known ({columns}) VALUES ({marks}) "
    "ON CONFLICT ({key}) DO UPDATE SET {sets}, "
    "price_version = excluded.price_version, updated_at = now() "
    "WHERE ({old}) IS DISTINCT FROM ({new})"
).format(
    columns=_identifiers(OVERRIDE_COLUMNS),
    marks=sql.SQL(", ").join(
        sql.SQL("{}::jsonb" if name in JSON_COLUMNS else "{}").format(sql.Placeholder())
        for name in OVERRIDE_COLUMNS
    ),
    key=_identifiers(KEY_COLUMNS),
    sets=_each("{0} = excluded.{0}"),
    old=_each("known.{0}"),
    new=_each("excluded.{0}"),
)
