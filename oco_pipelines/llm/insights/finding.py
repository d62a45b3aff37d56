"""Rows that insights read and the finding that they make; plain values, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

CENT: Final = Decimal("0.01")
EVERYTHING: Final = "all"


@dataclass(frozen=True, slots=True)
class Finding:
    """What an insight found. Kind, scope, entity and start of the window are its identity.

    Attributes:
        title: one line for people.
        figures: what the claim rests on, as text; amounts in USD with every digit.
        window_start: aware start of the time that it is about; None for a state without a time.
        window_end: its end, exclusive.
    """

    kind: str
    scope: str
    entity_id: str
    title: str
    figures: Mapping[str, str]
    window_start: datetime | None = None
    window_end: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str, datetime | None]:
        """Its identity over runs."""
        return (self.kind, self.scope, self.entity_id, self.window_start)


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody or something that spends: a scope as budgets name it, `model`, or `all`."""

    scope: str
    entity_id: str

    def __str__(self) -> str:
        return "All model calls" if self.scope == EVERYTHING else f"{self.scope} {self.entity_id}"


@dataclass(frozen=True, slots=True)
class HourlySpend:
    """What an entity's calls of one UTC hour cost, in USD; hours without calls have no row."""

    hour: datetime
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class DailySpend:
    """What calls of one UTC day cost, in USD; days without calls have no row."""

    day: date
    cost_usd: Decimal


def text_of(amount: Decimal) -> str:
    """An amount with every digit and no exponent."""
    return f"{amount:f}"


def percent(part: Decimal, whole: Decimal) -> str:
    """A share as text, in whole percent."""
    return f"{part / whole * 100:.0f} %"
