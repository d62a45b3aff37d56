"""What this process holds: every request that was admitted and is not yet a row in PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from oco_proxy.budget.limits import Claim
from oco_proxy.budget.rates import RateClaim


@dataclass(slots=True)
class Hold:
    """An amount that several budgets keep back for one request, and its place in rate limits.

    Attributes:
        amount_nano: the worst case while the request lasts, then what it cost.
        rates: rate limits that count it until it has ended.
        tokens: what it is expected to use of a minute's tokens.
        settled: the request has ended and its record is in the spool.
    """

    request_id: str
    claims: list[Claim]
    amount_nano: int
    rates: list[RateClaim] = field(default_factory=list)
    tokens: int = 0
    settled: bool = False


class Holds:
    """Holds by request. Bounded by the requests in flight and the ledger's backlog."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def __len__(self) -> int:
        return len(self._holds)

    def __iter__(self) -> Iterator[Hold]:
        return iter(list(self._holds.values()))

    def add(self, hold: Hold) -> None:
        """Take a hold into the book."""
        self._holds[hold.request_id] = hold

    def get(self, request_id: str) -> Hold | None:
        """The hold of a request, if it has one."""
        return self._holds.get(request_id)

    def remove(self, request_id: str) -> Hold | None:
        """Forget a hold and return it."""
        return self._holds.pop(request_id, None)

    def held(self, claim: Claim) -> int:
        """Nano-dollars that one period of one budget keeps back."""
        return sum(
            hold.amount_nano
            for hold in self._holds.values()
            for own in hold.claims
            if own.budget.id == claim.budget.id and own.period.start == claim.period.start
        )
