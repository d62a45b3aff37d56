"""Exchange rates that a person states: a CSV of month,from,to,rate and maybe source. Pure."""

import csv
import io
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from oco_warehouse.errors import InvalidFileError, InvalidInputError
from oco_warehouse.money import parse_money

_COLUMNS: Final = ("month", "from", "to", "rate")
_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])(?:-01)?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_MOST_DIGITS: Final = 60


@dataclass(frozen=True, slots=True)
class Rate:
    """Amount in `from_currency` × rate = amount in `to_currency`.

    Attributes:
        month: its first day.
        source: where the rate is from, for people.
    """

    month: date
    from_currency: str
    to_currency: str
    rate: Decimal
    source: str


def read_rates(name: str, text: str) -> list[Rate]:
    """Every rate of a file; `name` is for messages, and the source of rates that state none.

    Raises:
        InvalidFileError: one line naming the file, the line and what is wrong; nothing is guessed.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = [(column or "").strip().lower() for column in reader.fieldnames or []]
    missing = [column for column in _COLUMNS if column not in header]
    unknown = [column for column in header if column not in (*_COLUMNS, "source")]
    if missing or unknown or len(set(header)) != len(header):
        raise InvalidFileError(
            f"{name}: the first line must be month,from,to,rate or month,from,to,rate,source; "
            f"it is {','.join(header)[:80] or 'empty'}"
        )
    reader.fieldnames = header
    rates: dict[tuple[date, str, str], Rate] = {}
    for row in reader:
        where = f"{name}: line {reader.line_num}"
        if None in row or None in row.values():
            raise InvalidFileError(f"{where}: expected {len(header)} fields")
        rate = _rate(name, where, {column: text.strip() for column, text in row.items()})
        key = (rate.month, rate.from_currency, rate.to_currency)
        if key in rates:
            raise InvalidFileError(
                f"{where}: {rate.from_currency} to {rate.to_currency} in {rate.month:%Y-%m} "
                "stands there twice"
            )
        rates[key] = rate
    if not rates:
        raise InvalidFileError(f"{name}: there are no rates")
    return list(rates.values())


def _rate(name: str, where: str, row: dict[str, str]) -> Rate:
    month = _MONTH.fullmatch(row["month"])
    if month is None:
        raise InvalidFileError(f"{where}: month {row['month']!r} is none; write it as in 2026-10")
    for column in ("from", "to"):
        if _CURRENCY.fullmatch(row[column]) is None:
            raise InvalidFileError(f"{where}: {column} {row[column]!r} is no code as EUR")
    if row["from"] == row["to"]:
        raise InvalidFileError(f"{where}: from and to are both {row['to']}")
    try:
        rate = parse_money(row["rate"])
    except InvalidInputError as error:
        raise InvalidFileError(f"{where}: rate {error}") from None
    _, digits, exponent = rate.as_tuple()
    if rate <= 0 or len(digits) + abs(int(exponent)) > _MOST_DIGITS:
        raise InvalidFileError(
            f"{where}: rate {row['rate'][:80]} must be above 0, with at most {_MOST_DIGITS} digits"
        )
    first = date(int(month[1]), int(month[2]), 1)
    return Rate(first, row["from"], row["to"], rate, row.get("source") or name)
