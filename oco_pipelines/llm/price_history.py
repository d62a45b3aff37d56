"""What a new catalogue changes in the price history. Pure: rows in, rows to write out.

The past is never rewritten: requests were priced with it. A catalogue that states another price
without saying since when gets a new set of rows that holds from now on. Prices that a person wrote
(source other than genai-prices) are left alone, and so is a model's newer price of theirs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from oco_pipelines.llm.price_catalogue import ALWAYS, PriceRow

SOURCE = "genai-prices"
Family = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class StoredPrice:
    """A row of the table: its price and where it is from."""

    row: PriceRow
    source: str


def changes(
    catalogue: Iterable[PriceRow], stored: Iterable[StoredPrice], now: datetime
) -> list[PriceRow]:
    """Rows to insert, or to update where their key exists (only prices of the future do).

    Args:
        catalogue: what the catalogue says.
        stored: every row of the table.
        now: aware moment from which an undated change holds.
    """
    wanted = _by_family(catalogue)
    held: dict[Family, list[StoredPrice]] = {}
    for price in stored:
        held.setdefault(_family(price.row), []).append(price)
    writes: list[PriceRow] = []
    for family, rows in wanted.items():
        writes += _family_changes(rows, held.get(family, []), now)
    return writes


def _family_changes(rows: list[PriceRow], held: list[StoredPrice], now: datetime) -> list[PriceRow]:
    known = {price.row.key: price for price in held}
    future = [
        row
        for row in rows
        if row.key in known
        and known[row.key].source == SOURCE
        and _starts_after(row, now)
        and not _same(row, known[row.key].row)
    ]
    # A moment's context tiers hold together: a set that is there in part is left as it is.
    moments = {str(price.row.effective_from) for price in held}
    fresh = [row for row in rows if str(row.effective_from) not in moments]
    after = [
        *held,
        *[StoredPrice(row, SOURCE) for row in fresh],
    ]
    current = _current([price.row for price in after], now)
    if any(price.source != SOURCE for price in after if price.row in current):
        return [*future, *fresh]
    target = _current(rows, now)
    if _prices(current) == _prices(target):
        return [*future, *fresh]
    return [*future, *fresh, *(replace(row, effective_from=now) for row in target)]


def _current(rows: list[PriceRow], now: datetime) -> list[PriceRow]:
    """The context tiers that hold now: all rows of the newest moment that has come."""
    come = [row for row in rows if not _starts_after(row, now)]
    moments = [row.effective_from for row in come if isinstance(row.effective_from, datetime)]
    newest = max(moments) if moments else ALWAYS
    return [row for row in come if row.effective_from == newest]


def _starts_after(row: PriceRow, now: datetime) -> bool:
    return isinstance(row.effective_from, datetime) and row.effective_from > now


def _same(left: PriceRow, right: PriceRow) -> bool:
    return _prices([left]) == _prices([right])


def _prices(rows: list[PriceRow]) -> Mapping[int, object]:
    return {row.min_context_tokens: (dict(row.prices), dict(row.tools)) for row in rows}


def _family(row: PriceRow) -> Family:
    return (row.provider, row.model, row.service_tier)


def _by_family(rows: Iterable[PriceRow]) -> dict[Family, list[PriceRow]]:
    families: dict[Family, list[PriceRow]] = {}
    for row in rows:
        families.setdefault(_family(row), []).append(row)
    return families
