"""What a table of line types is made of: a line as its vendor writes it, and what it must become.

Every figure stands in the tables as a literal, worked out by hand, or one line above the type that
says how. A bill multiplies the money of a line, and what must come of it, by one size: every rule
of every vendor is linear, so the product's arithmetic is used nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

SEPTEMBER = "2026-09"


@dataclass(frozen=True, slots=True)
class Effect:
    """One row that a line becomes."""

    billed: Decimal
    effective: Decimal
    listed: Decimal
    contracted: Decimal
    category: str
    status: str | None = None
    charge_class: str | None = None

    def times(self, size: Decimal) -> "Effect":
        """The same of so much more."""
        return replace(
            self,
            billed=self.billed * size,
            effective=self.effective * size,
            listed=self.listed * size,
            contracted=self.contracted * size,
        )


@dataclass(frozen=True, slots=True)
class LineType:
    """A kind of line.

    Attributes:
        money: columns that grow with the size of the line; of lists of credits, their amounts.
        says: the others, under the vendor's names.
        effects: the rows that it becomes, where all is known of it.
        only: a word of the bill without which the line does not occur in it.
        alone: the rows where only a part is known (Azure's ActualCost without the AmortizedCost).
        bill_month: of the billing period.
        usage_month: of the day it is charged for, whose exchange rate counts.
        currency: where it is not that of the bill.
        is_rejected: whether its rows are kept with a reason and not loaded.
    """

    name: str
    money: Mapping[str, Any]
    says: Mapping[str, Any]
    effects: tuple[Effect, ...]
    only: str | None = None
    alone: tuple[Effect, ...] | None = None
    bill_month: str = SEPTEMBER
    usage_month: str = SEPTEMBER
    currency: str | None = None
    is_rejected: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a bill."""

    kind: LineType
    size: Decimal
    currency: str
    number: int
    # What the line says beside its type.
    more: Mapping[str, Any] = field(default_factory=dict)

    def money(self) -> dict[str, Any]:
        """The amounts of the line."""
        return {name: _times(value, self.size) for name, value in self.kind.money.items()}


def row(
    billed: str,
    effective: str,
    listed: str,
    contracted: str,
    category: str,
    status: str | None = None,
    charge_class: str | None = None,
) -> Effect:
    """An effect in figures."""
    amounts = (Decimal(text) for text in (billed, effective, listed, contracted))
    return Effect(*amounts, category, status, charge_class)


def same(amount: str, category: str, charge_class: str | None = None) -> Effect:
    """An effect whose four costs are one amount."""
    return row(amount, amount, amount, amount, category, None, charge_class)


def _times(value: Any, size: Decimal) -> Any:
    if isinstance(value, list):
        return [(kind, _times(amount, size)) for kind, amount in value]
    return None if value is None else Decimal(value) * size
