"""The ECB's euro reference rates as monthly rates to USD. Pure.

Source: https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates
(eurofxref-hist): a line for each working day, `Date,USD,JPY,…,`, units of a currency for 1 EUR,
`N/A` where there was none; as CSV, or in a ZIP of that one file.
"""

import csv
import io
import zipfile
from collections import defaultdict
from datetime import date
from decimal import Context, Decimal
from typing import Final

from oco_pipelines.rates.rate_file import Rate
from oco_warehouse.errors import InvalidFileError, InvalidInputError
from oco_warehouse.money import exact_sum, parse_money

SOURCE: Final = "ECB monthly average"
TARGET: Final = "USD"
_EARLIEST: Final = date(2000, 1, 1)
_ABSENT: Final = frozenset({"", "N/A"})
_LARGEST: Final = 50 * 1024 * 1024
# A quotient has no end: so many digits are kept, whatever the size of the rate. The ECB states 5.
_QUOTIENT: Final = Context(prec=28)
_KEPT: Final = Context(prec=12)


def read_ecb(name: str, content: bytes) -> list[Rate]:
    """Rates of every month and currency to USD, oldest first.

    A month's rate is the average of its days' rates, each crossed through the euro. Of a month that
    is not over it is the average so far.

    Raises:
        InvalidFileError: when it is not whole or is another file.
    """
    days: dict[tuple[date, str], list[Decimal]] = defaultdict(list)
    for day, per_euro in _days(name, _text(name, content)):
        dollars = per_euro.get(TARGET)
        if dollars is None or day < _EARLIEST:
            continue
        month = day.replace(day=1)
        days[month, "EUR"].append(dollars)
        for currency, units in per_euro.items():
            if currency != TARGET:
                days[month, currency].append(_QUOTIENT.divide(dollars, units))
    if not days:
        raise InvalidFileError(f"{name}: there are no rates from {_EARLIEST.year} on")
    return [
        Rate(month, currency, TARGET, _average(of_days), SOURCE)
        for (month, currency), of_days in sorted(days.items())
    ]


def _average(rates: list[Decimal]) -> Decimal:
    return _KEPT.divide(exact_sum(rates), Decimal(len(rates)))


def _text(name: str, content: bytes) -> str:
    if content[:2] == b"PK":
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                (entry,) = archive.infolist()
                if entry.file_size > _LARGEST:
                    raise InvalidFileError(f"{name}: the file in the ZIP is too large")
                content = archive.read(entry)
        # The last is what zipfile raises for a way of compressing that it does not know.
        except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
            raise InvalidFileError(f"{name}: no whole ZIP of one file ({error})") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidFileError(f"{name}: neither CSV in UTF-8 nor ZIP") from None


def _days(name: str, text: str) -> list[tuple[date, dict[str, Decimal]]]:
    lines = csv.reader(io.StringIO(text, newline=""))
    header = [column.strip() for column in next(lines, [])]
    if header[:1] != ["Date"] or TARGET not in header:
        raise InvalidFileError(
            f"{name}: is not the ECB's history of rates, whose first line begins with Date,USD"
        )
    if not text.endswith("\n"):
        raise InvalidFileError(f"{name}: ends within a line; the file is not whole")
    found = []
    for row in lines:
        where = f"{name}: line {lines.line_num}"
        if len(row) != len(header):
            raise InvalidFileError(f"{where} has {len(row)} fields, the header {len(header)}")
        try:
            day = date.fromisoformat(row[0].strip())
            rates = {
                currency: parse_money(value)
                for currency, value in zip(header[1:], row[1:], strict=True)
                if currency and value.strip() not in _ABSENT
            }
        except (ValueError, InvalidInputError) as error:
            raise InvalidFileError(f"{where} cannot be read ({error})") from None
        if any(rate <= 0 for rate in rates.values()):
            raise InvalidFileError(f"{where} has a rate that is not above 0")
        found.append((day, rates))
    return found
