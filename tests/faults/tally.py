"""Pure: what clients saw, what the provider was asked and what the warehouse holds, as figures."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.faults.books import Asked

UPSTREAM_ERROR = 500


@dataclass(frozen=True, slots=True)
class Call:
    """One call as its client saw it.

    Attributes:
        number: of the call, which the provider was told too.
        agent: who called.
        began: monotonic seconds.
        ended: monotonic seconds.
        status: of an answer that came whole, else None.
        request_id: the gateway's, of an answer that came whole.
        left: the client hung up while it waited.
    """

    number: str
    agent: str
    began: float
    ended: float
    status: int | None
    request_id: str | None
    left: bool

    @property
    def answered(self) -> bool:
        """Whether the provider's whole answer arrived, be it an error."""
        return self.status is not None and (self.status < 400 or self.status == UPSTREAM_ERROR)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the warehouse holds about one agent."""

    rows: list[tuple[str, Decimal | None]]
    limit_usd: Decimal
    spent_usd: Decimal


def tally(calls: list[Call], asked: list[Asked], ledger: Ledger) -> dict[str, Any]:
    """Figures about one agent."""
    ids = {request_id for request_id, _ in ledger.rows}
    recorded = sum((cost or Decimal(0) for _, cost in ledger.rows), Decimal(0))
    billed = sum((entry.usd for entry in asked), Decimal(0))
    reached = {entry.number for entry in asked}
    failing = {entry.number for entry in asked if entry.failed}
    return {
        "answered": sum(call.answered for call in calls),
        "rows": len(ledger.rows),
        "unrecorded": sum(call.answered and call.request_id not in ids for call in calls),
        "double_rows": len(ledger.rows) - len(ids),
        "overspend_usd": float(max(Decimal(0), recorded - ledger.limit_usd)),
        "spent_minus_rows_usd": float(ledger.spent_usd - recorded),
        "provider_calls": len(asked),
        "provider_usd": float(billed),
        "provider_minus_rows_usd": float(billed - recorded),
        "provider_overspend_usd": float(max(Decimal(0), billed - ledger.limit_usd)),
        "refused": refusals(calls),
        "failed": sum(call.status is None and not call.left for call in calls),
        "disconnects": sum(call.left and call.number in reached for call in calls),
        "upstream_errors": sum(
            call.status == UPSTREAM_ERROR and call.number in failing for call in calls
        ),
    }


def refusals(calls: Iterable[Call]) -> dict[int, int]:
    """How many calls the gateway itself refused, by status."""
    statuses = [call.status for call in calls if call.status is not None and not call.answered]
    return dict(sorted(Counter(statuses).items()))


def added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Figures of two agents together."""
    return {
        key: dict(Counter(value) + Counter(other[key]))
        if isinstance(value, dict)
        else value + other[key]
        for key, value in one.items()
    }
