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
# Clouds tell of a day at different times. A day that has not been yet is no newest one.
_NEWEST_DAYS: Final = """
    CREATE TEMPORARY TABLE oco_policy_newest ON COMMIT DROP AS
    SELECT provider, max(date) AS last FROM oco.cloud_costs
    WHERE valid_to IS NULL AND charge_category = 'Usage' AND date >= %s
      AND date <= (now() AT TIME ZONE 'UTC')::date
    GROUP BY provider
"""
_ARE_KNOWN: Final = "SELECT to_regclass('pg_temp.oco_policy_newest') IS NOT NULL AS known"
_ENDS: Final = "SELECT min(last) AS earliest, max(last) AS latest FROM oco_policy_newest"
_NEWEST_MARK: Final = """
    SELECT max(date) AS day FROM oco.cloud_cost_days
    WHERE date <= (now() AT TIME ZONE 'UTC')::date
"""
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


@dataclass(frozen=True, slots=True)
class Ends:
    """The newest day of the cloud that tells last, and of the one that tells first."""

    earliest: date
    latest: date

    def bounds(self, days: int) -> dict[str, date]:
        """Parameters `after` and `latest` between which all windows of so many days lie."""
        after = date.fromordinal(self.earliest.toordinal() - days)
        return {"after": after, "latest": self.latest}


def newest_cost_days(connection: Connection) -> Ends | None:
    """Make `oco_policy_newest`: the newest day that each cloud charged use for, as `last`.

    Windows of a cloud end with it. The table is for the transaction, and made once.

    Returns:
        None without costs.
    """
    known = connection.execute(_ARE_KNOWN).fetchone()
    if known is None or not known["known"]:
        mark = connection.execute(_NEWEST_MARK).fetchone()
        if mark is None or mark["day"] is None:
            return None
        since = date.fromordinal(mark["day"].toordinal() - _LOOK_BACK_DAYS)
        connection.execute(_NEWEST_DAYS, [since])
        connection.execute("ANALYZE oco_policy_newest")
    row = connection.execute(_ENDS).fetchone()
    return Ends(**row) if row and row["latest"] is not None else None


def sums_sql(windows: Sequence[Window], amount: str, day: str, last: str) -> str:
    """Columns w0, w1, … that sum an expression over each window.

    Args:
        windows: which.
        amount: what is summed.
        day: of a row.
        last: the newest day.
    """
    return ", ".join(
        f"coalesce(sum({amount}) FILTER (WHERE {day} > {last} - {window.until + window.days}"
        f" AND {day} <= {last} - {window.until}), 0) AS w{place}"
        for place, window in enumerate(windows)
    )
