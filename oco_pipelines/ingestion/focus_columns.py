"""The columns of FOCUS 1.0 to 1.3, once: their name in a file, in the warehouse, and their kind.

Source: FinOps Open Cost and Usage Specification, column library of versions 1.0 to 1.3.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "amount", "instant", "object"]


@dataclass(frozen=True, slots=True)
class FocusColumn:
    """One column.

    Attributes:
        name: as files spell it.
        column: in `oco.cloud_costs`.
        kind: how its text is read.
        required: whether a file must have it with a value in every row.
    """

    name: str
    column: str
    kind: Kind
    required: bool


def snake_case(name: str) -> str:
    """`ChargePeriodStart` → `charge_period_start`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


# Where the warehouse keeps the original system's name for the same thing.
_RENAMED: Final = {
    "ServiceName": "service",
    "RegionId": "region",
    "ConsumedQuantity": "usage_quantity",
    "ConsumedUnit": "usage_unit",
}
_REQUIRED: Final = """
    BilledCost EffectiveCost ListCost BillingAccountId BillingCurrency BillingPeriodStart
    BillingPeriodEnd ChargePeriodStart ChargePeriodEnd ChargeCategory ServiceCategory ServiceName
    InvoiceIssuerName
"""
_NAMES: Final[dict[Kind, str]] = {
    "text": """
        AvailabilityZone BillingAccountId BillingAccountName BillingAccountType BillingCurrency
        CapacityReservationId CapacityReservationStatus ChargeCategory ChargeClass
        ChargeDescription ChargeFrequency CommitmentDiscountCategory CommitmentDiscountId
        CommitmentDiscountName CommitmentDiscountStatus CommitmentDiscountType
        CommitmentDiscountUnit ConsumedUnit InvoiceId InvoiceIssuerName PricingCategory
        PricingCurrency PricingUnit ProviderName PublisherName RegionId RegionName ResourceId
        ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SkuId SkuMeter
        SkuPriceId SubAccountId SubAccountName SubAccountType AllocatedMethodId
        AllocatedResourceId AllocatedResourceName ServiceProviderName HostProviderName
    """,
    "amount": """
        BilledCost EffectiveCost ListCost ContractedCost ListUnitPrice ContractedUnitPrice
        PricingQuantity ConsumedQuantity CommitmentDiscountQuantity PricingCurrencyListUnitPrice
        PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost
    """,
    "instant": "BillingPeriodStart BillingPeriodEnd ChargePeriodStart ChargePeriodEnd",
    "object": "Tags SkuPriceDetails AllocatedTags AllocatedMethodDetails ContractApplied",
}


def _column(name: str, kind: Kind) -> FocusColumn:
    return FocusColumn(name, _RENAMED.get(name, snake_case(name)), kind, name in _REQUIRED.split())


COLUMNS: Final = {
    name: _column(name, kind) for kind, names in _NAMES.items() for name in names.split()
}
REQUIRED: Final = tuple(column.name for column in COLUMNS.values() if column.required)
# Who provides: the first until 1.2, the second from 1.3 on; a file has at least one of them.
PROVIDER_COLUMNS: Final = ("ProviderName", "ServiceProviderName")
CHARGE_CATEGORIES: Final = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
COSTS: Final = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")


def warehouse_columns() -> list[str]:
    """Names in `oco.cloud_costs` of every FOCUS column, in a fixed order."""
    return [column.column for column in COLUMNS.values()]
