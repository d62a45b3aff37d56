"""What a report says: plain values, and their JSON. Amounts are USD, unknown costs are left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

Kind = Literal["daily", "weekly"]
LENGTHS: Final[dict[Kind, timedelta]] = {"daily": timedelta(days=1), "weekly": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Totals:
    """All calls of a period.

    Attributes:
        cost_usd: without calls whose price is unknown, which `unpriced` counts.
        saved_usd: what routing saved.
    """

    requests: int
    failed: int
    unpriced: int
    cost_usd: Decimal
    saved_usd: Decimal
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Spender:
    """One provider, model, team or agent in both periods."""

    name: str
    requests: int
    cost_usd: Decimal
    before_usd: Decimal


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget as it stands now."""

    scope: str
    entity_id: str
    period: str
    enforcement: str
    limit_usd: Decimal
    spent_usd: Decimal


@dataclass(frozen=True, slots=True)
class Advice:
    """An open recommendation about models."""

    title: str
    monthly_usd: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says.

    Attributes:
        spenders: by what they are (provider, model, team, agent), dearest first.
        insights: (kind, title), of those that hold or were seen in the period.
        alerts: titles of what was told in the period.
    """

    kind: Kind
    start: datetime
    end: datetime
    totals: Totals
    before: Totals
    spenders: Mapping[str, Sequence[Spender]]
    budgets: Sequence[BudgetState]
    insights: Sequence[tuple[str, str]]
    alerts: Sequence[str]
    advice: Sequence[Advice]

    def to_json(self) -> dict[str, Any]:
        """JSON values; every amount is decimal text with all its digits, times ISO 8601."""
        return {
            "kind": self.kind,
            "period_start": self.start.isoformat(),
            "period_end": self.end.isoformat(),
            "totals": _plain(self.totals),
            "before": _plain(self.before),
            "spenders": {
                name: [_plain(row) for row in rows] for name, rows in self.spenders.items()
            },
            "budgets": [_plain(row) for row in self.budgets],
            "insights": [{"kind": kind, "title": title} for kind, title in self.insights],
            "alerts": list(self.alerts),
            "recommendations": [_plain(row) for row in self.advice],
        }


def last_complete(kind: Kind, now: datetime) -> tuple[datetime, datetime]:
    """Start and end of the last UTC day or ISO week that is over.

    Args:
        kind: daily or weekly.
        now: aware, UTC.
    """
    day = now.date() - (timedelta(days=now.weekday()) if kind == "weekly" else timedelta(0))
    end = datetime.combine(day, time(), now.tzinfo)
    return end - LENGTHS[kind], end


def _plain(row: Totals | Spender | BudgetState | Advice) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in row.__dataclass_fields__}
    return {
        name: f"{value:f}" if isinstance(value, Decimal) else value
        for name, value in values.items()
    }
