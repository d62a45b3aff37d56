"""Invoices from a CSV file that a person wrote: all of it or nothing."""

import csv
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from oco_warehouse.database import Warehouse, lock
from oco_warehouse.errors import InvalidFileError, InvalidInputError
from oco_warehouse.money import parse_money

MAX_BYTES: Final = 20 * 1024 * 1024
# What the mart calls charges whose bill names no invoice.
NO_INVOICE_ID: Final = "none"
COLUMNS: Final = ("provider", "billing_account", "invoice_id", "period", "currency", "total")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_MOST_DIGITS: Final = 40
_WRITE: Final = """
    INSERT INTO oco.invoices AS known
        (provider, billing_account_id, invoice_id, billing_period, currency, total)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (provider, billing_account_id, invoice_id, billing_period, currency)
    DO UPDATE SET total = excluded.total
    WHERE known.total <> excluded.total OR scale(known.total) <> scale(excluded.total)
"""


@dataclass(frozen=True, slots=True)
class Invoice:
    """A row of `oco.invoices`; the total in the currency, as many decimals as the invoice shows."""

    provider: str
    billing_account_id: str
    invoice_id: str
    billing_period: date
    currency: str
    total: Decimal


def read_invoice_file(path: Path) -> list[Invoice]:
    """Invoices of a CSV file with the columns COLUMNS; an empty invoice_id is a period without one.

    Raises:
        InvalidFileError: naming the file, the line and what is wrong with it.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidFileError(f"{path}: larger than {MAX_BYTES} bytes; split it")
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text, strict=True)
            headings = [heading.strip() for heading in rows.fieldnames or []]
            if sorted(headings) != sorted(COLUMNS):
                raise InvalidFileError(
                    f"{path}: the columns must be {', '.join(COLUMNS)}; found "
                    f"{', '.join(headings) or 'none'}"
                )
            rows.fieldnames = headings
            entries = [(rows.line_num, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidFileError(f"{path}: cannot be read ({' '.join(reason.split())})") from None
    if not entries:
        raise InvalidFileError(f"{path}: there is no invoice in it")
    invoices: dict[tuple[object, ...], Invoice] = {}
    for line, row in entries:
        try:
            invoice = _invoice(row)
        except InvalidInputError as error:
            raise InvalidFileError(f"{path}: line {line}: {error}") from None
        if invoices.setdefault(astuple(invoice)[:-1], invoice) is not invoice:
            raise InvalidFileError(f"{path}: line {line}: the same invoice stands above already")
    return list(invoices.values())


def import_invoices(warehouse: Warehouse, invoices: Sequence[Invoice]) -> int:
    """Write invoices in one transaction; returns how many are new or have another total."""
    with warehouse.transaction() as connection:
        lock(connection, "invoices")
        return sum(connection.execute(_WRITE, astuple(invoice)).rowcount for invoice in invoices)


def _invoice(row: dict[str | None, str | None]) -> Invoice:
    if None in row or None in row.values():
        raise InvalidInputError("has not as many cells as the heading")
    cells = {str(name): str(cell).strip() for name, cell in row.items()}
    for name in ("provider", "billing_account"):
        if not cells[name]:
            raise InvalidInputError(f"{name}: is empty")
    if any("\0" in cell for cell in cells.values()):
        raise InvalidInputError("has a character that no text may have")
    if not _CURRENCY.fullmatch(cells["currency"]):
        raise InvalidInputError(f"currency: {cells['currency']!r} is no code as EUR")
    try:
        total = parse_money(cells["total"])
    except InvalidInputError as error:
        raise InvalidInputError(f"total: {error}") from None
    if len(f"{total:f}") > _MOST_DIGITS:
        raise InvalidInputError("total: has too many digits")
    return Invoice(
        provider=cells["provider"].lower(),
        billing_account_id=cells["billing_account"],
        invoice_id=cells["invoice_id"] or NO_INVOICE_ID,
        billing_period=_day(cells["period"]),
        currency=cells["currency"],
        total=total,
    )


def _day(text: str) -> date:
    for form in ("%Y-%m", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    raise InvalidInputError(
        f"period: {text!r} is no month as 2026-10, nor the day on which the period begins"
    )
