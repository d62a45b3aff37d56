"""Insight: whose spend moved most, this ISO week's last complete one against the week before."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final

from oco_pipelines.llm.insights.finding import Entity, Finding, percent, text_of
from oco_warehouse.money import format_usd

KIND: Final = "top_mover"
WEEK: Final = timedelta(weeks=1)
MOST_A_SCOPE: Final = 5
LEAST_CHANGE_USD: Final = Decimal(1)
LEAST_CHANGE_SHARE: Final = Decimal("0.2")


@dataclass(frozen=True, slots=True)
class TwoWeeks:
    """What an entity spent in the week before and in the last complete week, in USD."""

    entity: Entity
    before_usd: Decimal
    after_usd: Decimal

    @property
    def change_usd(self) -> Decimal:
        """How much more it spent; negative when less."""
        return self.after_usd - self.before_usd


def last_complete_week(now: datetime) -> datetime:
    """Monday 00:00 UTC of the last week that is over."""
    monday = now.date() - timedelta(days=now.weekday())
    return datetime.combine(monday, time(), now.tzinfo) - WEEK


def top_movers(rows: Iterable[TwoWeeks], week: datetime) -> list[Finding]:
    """The largest changes of each scope, up or down.

    Args:
        rows: both weeks of every entity that spent in either, in any order.
        week: aware start of the later week.

    Returns:
        At most `MOST_A_SCOPE` a scope, each a dollar and a fifth of the week before at least.
    """
    moved = [row for row in rows if _is_large(row)]
    moved.sort(key=lambda row: (row.entity.scope, -abs(row.change_usd), row.entity.entity_id))
    return [
        _finding(row, week)
        for _, group in groupby(moved, key=lambda row: row.entity.scope)
        for row in list(group)[:MOST_A_SCOPE]
    ]


def _is_large(row: TwoWeeks) -> bool:
    change = abs(row.change_usd)
    return change >= LEAST_CHANGE_USD and change >= row.before_usd * LEAST_CHANGE_SHARE


def _finding(row: TwoWeeks, week: datetime) -> Finding:
    change = row.change_usd
    share = percent(abs(change), row.before_usd) if row.before_usd else None
    how = f"{format_usd(abs(change))} {'more' if change > 0 else 'less'}"
    return Finding(
        kind=KIND,
        scope=row.entity.scope,
        entity_id=row.entity.entity_id,
        title=(
            f"{row.entity} cost {how} in the week from {week:%Y-%m-%d} than in the week before"
            + (f" ({'+' if change > 0 else '-'}{share})" if share else " (nothing before)")
        ),
        figures={
            "before_usd": text_of(row.before_usd),
            "after_usd": text_of(row.after_usd),
            "change_usd": text_of(change),
        },
        window_start=week,
        window_end=week + WEEK,
    )
