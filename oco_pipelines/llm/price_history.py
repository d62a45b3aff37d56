"""What a new catalogue changes in the price history. Pure: rows in, rows to write out.

The past is never rewritten: requests were priced with it. A catalogue that states another price
without saying since when gets a new set of rows that holds from now on. Prices that a person stated
stand beside the catalogue's and are no business of this module.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from oco_pipelines.llm.price_catalogue import ALWAYS, PriceRow

SOURCE = "genai-prices"
Family = tuple[str, str, str]


def changes(
    catalogue: Iterable[PriceRow], stored: Iterable[PriceRow], now: datetime
) -> list[PriceRow]:
    """Rows to insert, or to update where their key exists (only prices of the future do).

    Args:
        catalogue: what the catalogue says.
        stored: every row that is from the catalogue.
        now: aware moment from which an undated change holds.
    """
    wanted, held = _by_family(catalogue), _by_family(stored)
    writes: list[PriceRow] = []
    for family, rows in wanted.items():
        writes += _family_changes(rows, held.get(family, []), now)
    return writes


def _family_changes(rows: list[PriceRow], held: list[PriceRow], now: datetime) -> list[PriceRow]:
    known = {row.key: row for row in held}
    future = [
        row
        for row in rows
        if row.key in known and _starts_after(row, now) and not _same(row, known[row.key])
    ]
    # A moment's context tiers hold together: a set that is there in part is left as it is.
    moments = {str(row.effective_from) for row in held}
    fresh = [row for row in rows if str(row.effective_from) not in moments]
    target = _current(rows, now)
    if _prices(_current([*held, *fresh], now)) == _prices(target):
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
    return {
        row.min_context_tokens: (dict(row.prices), dict(row.tools), dict(row.media)) for row in rows
    }


def _family(row: PriceRow) -> Family:
    return (row.provider, row.model, row.service_tier)


def _by_family(rows: Iterable[PriceRow]) -> dict[Family, list[PriceRow]]:
    families: dict[Family, list[PriceRow]] = {}
    for row in rows:
        families.setdefault(_family(row), []).append(row)
    return families
