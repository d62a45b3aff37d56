"""What comes out of an admission: why it was refused, and what a budget has spent afterwards."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from oco_proxy.budget.limits import Claim
from oco_proxy.budget.rates import RateClaim
from oco_warehouse.errors import OpenCloudOpsError
from oco_warehouse.money import from_nano


class BudgetExceeded(OpenCloudOpsError):
    """A hard budget has no room for a request's worst case."""

    def __init__(self, claim: Claim, spent_nano: int, held_nano: int, wanted_nano: int) -> None:
        self.budget = claim.budget
        self.period = claim.period
        self.spent_usd = from_nano(spent_nano)
        self.reserved_usd = from_nano(held_nano)
        self.wanted_usd = from_nano(wanted_nano)
        super().__init__(f"the budget of {self.budget.scope} {self.budget.entity_id} is used up")

    @property
    def passes_later(self) -> bool:
        """Whether only calls under way stand in the way: when they end, there may be room."""
        return self.spent_usd + self.wanted_usd <= from_nano(self.budget.limit_nano)


class RateLimited(OpenCloudOpsError):
    """A rate limit has no room for a request now.

    Attributes:
        what: the column of `oco.rate_limits` that is used up.
        most: its limit.
        wait_seconds: until there may be room, if nothing else comes.
    """

    def __init__(self, claim: RateClaim, what: str, wait_seconds: float) -> None:
        self.scope, self.entity_id = claim.limit.scope, claim.entity_id
        self.what, self.wait_seconds = what, wait_seconds
        self.most = int(getattr(claim.limit, what))
        super().__init__(f"the rate limit of {self.scope} {self.entity_id} is used up")


class BudgetUnavailable(OpenCloudOpsError):
    """No store can say whether a hard budget has room."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What one period of one budget has spent, after rows were written."""

    budget_id: str
    period_start: datetime
    period_end: datetime
    spent_usd: Decimal
