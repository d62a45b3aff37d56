"""Sums of money over windows of days, and what measures make of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from oco_warehouse.database import Connection
from oco_warehouse.money import ZERO
from oco_warehouse.policy_rules.filters import Measure

_HUNDRED: Final = Decimal(100)
_NEWEST_DAY: Final = """
    SELECT max(date) AS day FROM oco.cloud_costs
    WHERE valid_to IS NULL AND charge_category = 'Usage' AND date >= %s
"""
_NEWEST_MARK: Final = "SELECT max(date) AS day FROM oco.cloud_cost_days"
_LOOK_BACK_DAYS: Final = 45


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Days before the newest one: from `until` days ago (0 is that day itself), `days` of them."""

    until: int
    days: int


def windows_of(measures: Iterable[Measure]) -> list[Window]:
    """The windows that measures need, each once."""
    found = set()
    for measure in measures:
        found.add(Window(0, measure.days))
        if measure.name == "spend_change_pct":
            found.add(Window(measure.days, measure.days))
    return sorted(found)


def change_pct(now: Decimal, before: Decimal) -> Decimal | None:
    """By how many percent spend changed; None when nothing was spent before."""
    return (now - before) / before * _HUNDRED if before > ZERO else None


def of_cost(measure: Measure, sums: Mapping[Window, Decimal]) -> Decimal | None:
    """`cost` or `spend_change_pct` out of the sums of a subject; a window without charges is 0."""
    now = sums.get(Window(0, measure.days), ZERO)
    if measure.name == "cost":
        return now
    return change_pct(now, sums.get(Window(measure.days, measure.days), ZERO))


def newest_cost_day(connection: Connection) -> date | None:
    """The newest day that a cloud charged use for: windows end with it; None without costs."""
    mark = connection.execute(_NEWEST_MARK).fetchone()
    if mark is None or mark["day"] is None:
        return None
    since = date.fromordinal(mark["day"].toordinal() - _LOOK_BACK_DAYS)
    row = connection.execute(_NEWEST_DAY, [since]).fetchone()
    newest: date | None = row["day"] if row else None
    return newest


def sums_sql(windows: Sequence[Window], amount: str, day: str) -> str:
    """Columns w0, w1, … that sum an expression over each window; `%(last)s` is the newest day."""
    last = "%(last)s::date"
    return ", ".join(
        f"coalesce(sum({amount}) FILTER (WHERE {day} > {last} - {window.until + window.days}"
        f" AND {day} <= {last} - {window.until}), 0) AS w{place}"
        for place, window in enumerate(windows)
    )
