"""What each type of line of an AWS Cost and Usage Report is in FOCUS: one table, stated once.

`docs/costs.md` says the same in sentences. How the amounts are read is in `aws_cur_costs`.
"""

from dataclasses import dataclass
from typing import Final, Literal

Commitment = Literal["reservation", "savings_plan"]


@dataclass(frozen=True, slots=True)
class LineType:
    """FOCUS' words for a type of line.

    Attributes:
        category: ChargeCategory.
        frequency: ChargeFrequency.
        pricing: PricingCategory; None where no price was applied.
        commitment: what kind of commitment the line belongs to.
        status: CommitmentDiscountStatus.
        consumes: whether the amount of the line is usage, and counts as such.
    """

    category: str
    frequency: str
    pricing: str | None = None
    commitment: Commitment | None = None
    status: str | None = None
    consumes: bool = False


_GRANTED: Final = LineType("Credit", "One-Time")
# A recurring fee is one line that says two things: what was billed, and what of it stayed unused.
# It stays one row: BilledCost says the first, EffectiveCost and the status Unused the second.
LINE_TYPES: Final = {
    "Usage": LineType("Usage", "Usage-Based", "Standard", consumes=True),
    "DiscountedUsage": LineType(
        "Usage", "Usage-Based", "Committed", "reservation", "Used", consumes=True
    ),
    "SavingsPlanCoveredUsage": LineType(
        "Usage", "Usage-Based", "Committed", "savings_plan", "Used", consumes=True
    ),
    # Takes back what the covered usage was listed at: the same category, so that the usage of a
    # plan sums to nothing in BilledCost, as it does in AWS' own FOCUS export.
    "SavingsPlanNegation": LineType("Usage", "Usage-Based", "Committed", "savings_plan", "Used"),
    "SavingsPlanRecurringFee": LineType(
        "Purchase", "Recurring", "Committed", "savings_plan", "Unused"
    ),
    "SavingsPlanUpfrontFee": LineType("Purchase", "One-Time", "Committed", "savings_plan"),
    "RIFee": LineType("Purchase", "Recurring", "Committed", "reservation", "Unused"),
    # An upfront fee where it names a reservation; support, a domain, Marketplace where not.
    "Fee": LineType("Purchase", "One-Time", "Standard", "reservation"),
    "Tax": LineType("Tax", "One-Time"),
    "Credit": _GRANTED,
    "Refund": LineType("Adjustment", "One-Time"),
    "EdpDiscount": _GRANTED,
    "PrivateRateDiscount": _GRANTED,
    "BundledDiscount": _GRANTED,
    "DistributorDiscount": _GRANTED,
    "RiVolumeDiscount": _GRANTED,
    "Discount": _GRANTED,
}
# A type that AWS adds tomorrow: kept, its cost counted as billed and as effective.
UNKNOWN: Final = LineType("Adjustment", "One-Time")
DISCOUNTS: Final = tuple(name for name in LINE_TYPES if name.endswith("Discount"))
FEES: Final = tuple(name for name in LINE_TYPES if name.endswith("Fee"))
# With these a report has net costs, and there the other lines have the discount taken off.
PRIVATE_DISCOUNTS: Final = ("EdpDiscount", "PrivateRateDiscount")
# Types whose EffectiveCost is in columns of their own: with a half of them, or without, it would be
# wrong, so a file that has such a line needs all of them.
NEEDED: Final = {
    "DiscountedUsage": ("reservation_effective_cost",),
    "RIFee": (
        "reservation_unused_recurring_fee",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
    ),
    "SavingsPlanCoveredUsage": ("savings_plan_savings_plan_effective_cost",),
    "SavingsPlanRecurringFee": (
        "savings_plan_total_commitment_to_date",
        "savings_plan_used_commitment",
    ),
}
