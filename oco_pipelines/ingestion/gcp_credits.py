"""The arrays of GCP's billing export, and what its credits are. Pure, and exact."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from oco_pipelines.ingestion.focus_values import read_amount
from oco_warehouse.errors import InvalidInputError

FEE_OFFSET: Final = "FEE_UTILIZATION_OFFSET"
SPEND_CUD: Final = "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE"
CUD_CREDITS: Final = frozenset({"COMMITTED_USAGE_DISCOUNT", SPEND_CUD, FEE_OFFSET})
# Credits that lower the price of their row. Others are grants that pay for it: own charges.
DISCOUNTS: Final = CUD_CREDITS | {
    "SUSTAINED_USAGE_DISCOUNT",
    "DISCOUNT",
    "FREE_TIER",
    "RESELLER_MARGIN",
    "SUBSCRIPTION_BENEFIT",
}
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class BillCredit:
    """One element of `credits`: its type, its amount as signed there, and what people call it."""

    kind: str
    amount: Decimal
    label: str

    @property
    def is_discount(self) -> bool:
        """Whether it lowers the price of its row, and is no grant."""
        return self.kind in DISCOUNTS


def read_credits(text: str | None) -> Iterator[BillCredit]:
    """Every element of a row's `credits`.

    Raises:
        InvalidInputError: for an element without an amount that can be read.
    """
    for found in read_list("credits", text):
        amount = found.get("amount")
        if amount is None:
            raise InvalidInputError("a credit has no amount")
        kind = str(found.get("type") or "")
        names = (found.get(key) for key in ("full_name", "name", "id"))
        label = str(next(filter(None, names), kind)) or "Credit"
        yield BillCredit(kind, Decimal(read_amount(str(amount))), label)


def read_list(field: str, text: str | None) -> list[dict[str, Any]]:
    """An array of structs, every number as its text.

    Raises:
        InvalidInputError: when the text is none.
    """
    if text is None:
        return []
    try:
        found = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise InvalidInputError(f"{field} {text[:_SHOWN]!r} is no array of structs")
    return found
