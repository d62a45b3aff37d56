"""A month of an invented company on Azure, written as each agreement's export would have it.

One list of charges is the truth; each variant spells its columns, dates and units in its own way
and leaves out what it cannot say. The same seed gives the same month.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal

import polars as pl

Dataset = Literal["actual", "amortized"]
VARIANTS: Final = ("EA", "EA 2023", "MCA", "CSP", "German", "usage only", "EA usage details")
# These have usage only: neither purchases nor what is derived from commitments.
USAGE_ONLY: Final = ("usage only", "German", "EA usage details")
ENROLMENT: Final = "8600001"
SUBSCRIPTION: Final = "00000000-aaaa-4bbb-8ccc-00000000000{}"
RESERVATION: Final = "/providers/Microsoft.Capacity/reservationOrders/o-1/reservations/r-1"
PLAN: Final = "/providers/Microsoft.BillingBenefits/savingsPlanOrders/o-2/savingsPlans/p-1"


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge, with what it costs in either file; None where a file does not have it."""

    day: date
    kind: str
    actual: Decimal | None
    amortized: Decimal | None
    values: dict[str, str] = field(default_factory=dict)


def month(seed: int, charges: int = 40) -> list[Charge]:
    """Charges of September 2026 of every type, among them negative and very small ones."""
    dice = random.Random(seed)
    usage = [_usage(dice, number) for number in range(charges)]
    day = date(2026, 9, 1)
    bought = {"pricing_model": "Reservation", "benefit_id": RESERVATION, "benefit_name": "VMs"}
    plan = {"pricing_model": "SavingsPlan", "benefit_id": PLAN, "benefit_name": "Compute plan"}
    other = [
        Charge(day, "Purchase", Decimal(1200), None, {**bought, **_priced("1", "1200")}),
        Charge(day, "Purchase", Decimal("72.000001"), None, {**plan, **_priced("1", "72.000001")}),
        Charge(day, "Refund", Decimal("-99.5"), None, {**bought, **_priced("-1", "99.5")}),
        Charge(day, "UnusedReservation", None, Decimal("3.125"), bought),
        Charge(day, "UnusedSavingsPlan", None, Decimal("1.2E-05"), plan),
        Charge(day, "Tax", Decimal("19.01"), Decimal("19.01"), {"product": "VAT"}),
        Charge(day, "RoundingAdjustment", Decimal("-0.004"), Decimal("-0.004"), {}),
        Charge(day, "Adjustment", Decimal(-7), Decimal(-7), {"product": "Goodwill"}),
        Charge(day, "CarbonLevy", Decimal("0.33"), Decimal("0.33"), {"product": "Levy"}),
        Charge(
            day,
            "Purchase",
            Decimal(25),
            Decimal(25),
            {
                "publisher_type": "Marketplace",
                "publisher": "Contoso Scanners",
                "product": "Scanner",
                **_priced("1", "0"),
            },
        ),
    ]
    everything = [*usage, *other]
    dice.shuffle(everything)
    return everything


def total(charges: list[Charge], dataset: Dataset) -> Decimal:
    """What a file of these charges adds up to."""
    costs = [getattr(charge, dataset) for charge in charges]
    return sum((cost for cost in costs if cost is not None), Decimal(0))


def usage_only(charges: list[Charge]) -> list[Charge]:
    """The charges that even the variants without a column for the type of charge have."""
    return [
        charge for charge in charges if charge.kind == "Usage" and "benefit_id" not in charge.values
    ]


def write(charges: list[Charge], variant: str, dataset: Dataset) -> bytes:
    """The charges as a CSV file of the variant."""
    written = [
        _written(charge, variant, cost)
        for charge in charges
        if (cost := getattr(charge, dataset)) is not None
    ]
    headers = HEADERS[variant]
    data = {header: [row.get(name, "") for row in written] for name, header in headers.items()}
    bom = b"\xef\xbb\xbf" if variant in {"EA", "MCA"} else b""
    return bom + pl.DataFrame(data).write_csv().encode()


def _usage(dice: random.Random, number: int) -> Charge:
    day = date(2026, 9, 1) + timedelta(days=dice.randrange(30))
    subscription = SUBSCRIPTION.format(dice.randint(1, 3))
    unit, price = dice.choice(
        [("1 Hour", "0.146"), ("10K", "0.0005"), ("1 GB/Month", "0.00018"), ("100 Hours", "12.5")]
    )
    quantity = Decimal(dice.randint(1, 10**8)) / 10 ** dice.randint(0, 8)
    if dice.random() < 0.1:
        quantity = -quantity
    model = dice.choice(["OnDemand", "OnDemand", "OnDemand", "Spot", "Reservation", "SavingsPlan"])
    cost = quantity * Decimal(price)
    actual, amortized = (cost, cost)
    commitment = {}
    if model in {"Reservation", "SavingsPlan"}:
        actual, amortized = Decimal(0), quantity * Decimal("0.061644")
        commitment = {"benefit_id": RESERVATION if model == "Reservation" else PLAN}
    machine = f"vm-{number % 7}"
    return Charge(
        day,
        "Usage",
        actual,
        amortized,
        {
            **commitment,
            **_priced(f"{quantity:f}", price),
            "unit": unit,
            "pricing_model": model,
            "subscription": subscription,
            "subscription_name": "Production",
            "resource_group": "RG-Main",
            "resource": f"/subscriptions/{subscription}/resourceGroups/RG-Main/providers/"
            f"Microsoft.Compute/virtualMachines/{machine}",
            "resource_name": machine,
            "location": dice.choice(["EastUS", "westeurope"]),
            "category": dice.choice(["Virtual Machines", "Storage", "Quantum Teleport"]),
            "subcategory": 'Dv2 "burst" Series',
            "meter": "D2 v2",
            "meter_id": f"14fc9a21-4919-4cb1-b495-{number:012d}",
            "product": "Virtual Machines Dv2 - D2 v2 - US East",
            "consumed_service": "Microsoft.Compute",
            "tags": dice.choice(['"team": "search","cost center": "7,5"', "", '"é": ""']),
        },
    )


def _priced(quantity: str, price: str) -> dict[str, str]:
    return {"quantity": quantity, "unit_price": price, "list_price": price}


def _written(charge: Charge, variant: str, cost: Decimal) -> dict[str, str]:
    values: Mapping[str, str] = {
        "account": ENROLMENT,
        "account_name": "Contoso",
        "currency": "EUR",
        "publisher_type": "Azure",
        "publisher": "Microsoft",
        "frequency": "UsageBased" if charge.kind == "Usage" else "OneTime",
        "unit": "1",
        "invoice_section": "Research",
        "additional_info": '{"VCPUs":2}',
        "credit": "True",
        **charge.values,
    }
    row = dict(values)
    row["kind"] = charge.kind
    row["cost"] = str(cost) if variant != "MCA" else f"{cost:E}"
    iso = variant in USAGE_ONLY
    row["date"] = charge.day.isoformat() if iso else f"{charge.day:%m/%d/%Y}"
    row["start"], row["end"] = "09/01/2026", "09/30/2026"
    if variant == "MCA":
        row["tags"] = "{" + row.get("tags", "") + "}" if row.get("tags") else ""
        row["pricing_currency"], row["rate"] = "EUR", "1"
        row["cost_in_usd"] = "999999"
    if variant == "CSP":
        row["date"], row["start"], row["end"] = (
            charge.day.strftime("%Y%m%d"),
            "2026-09-01T00:00:00Z",
            "2026-09-30",
        )
    return row


_MODERN: Final = {
    "account": "BillingAccountId",
    "account_name": "BillingAccountName",
    "start": "BillingPeriodStartDate",
    "end": "BillingPeriodEndDate",
    "subscription": "SubscriptionId",
    "subscription_name": "SubscriptionName",
    "date": "Date",
    "product": "ProductName",
    "meter_id": "MeterId",
    "category": "MeterCategory",
    "subcategory": "MeterSubCategory",
    "meter": "MeterName",
    "quantity": "Quantity",
    "cost": "CostInBillingCurrency",
    "unit_price": "UnitPrice",
    "list_price": "PayGPrice",
    "currency": "BillingCurrencyCode",
    "location": "ResourceLocation",
    "consumed_service": "ConsumedService",
    "resource": "ResourceId",
    "resource_name": "ResourceName",
    "resource_group": "ResourceGroup",
    "tags": "Tags",
    "additional_info": "AdditionalInfo",
    "invoice_section": "InvoiceSectionName",
    "unit": "UnitOfMeasure",
    "benefit_id": "benefitId",
    "benefit_name": "benefitName",
    "pricing_model": "PricingModel",
    "kind": "ChargeType",
    "frequency": "Frequency",
    "publisher_type": "PublisherType",
    "publisher": "PublisherName",
    "credit": "IsAzureCreditEligible",
}
_MCA: Final = {
    **{name: header[0].lower() + header[1:] for name, header in _MODERN.items()},
    "account": "billingProfileId",
    "account_name": "billingProfileName",
    "currency": "billingCurrency",
    "list_price": "PayGPrice",
    "resource_group": "resourceGroupName",
    "pricing_currency": "pricingCurrency",
    "rate": "exchangeRatePricingToBilling",
    "cost_in_usd": "costInUsd",
}
_USAGE_ONLY: Final = {
    "subscription": "SubscriptionGuid",
    "resource_group": "ResourceGroup",
    "location": "ResourceLocation",
    "date": "UsageDateTime",
    "category": "MeterCategory",
    "subcategory": "MeterSubcategory",
    "meter_id": "MeterId",
    "meter": "MeterName",
    "quantity": "UsageQuantity",
    "cost": "PreTaxCost",
    "consumed_service": "ConsumedService",
    "resource": "InstanceId",
    "tags": "Tags",
    "additional_info": "AdditionalInfo",
    "currency": "Currency",
    "unit": "UnitOfMeasure",
}
HEADERS: Final[dict[str, dict[str, str]]] = {
    "EA": _MODERN,
    "EA 2023": {
        **_MODERN,
        "cost": "Cost",
        "product": "Product",
        "currency": "BillingCurrency",
        "invoice_section": "InvoiceSection",
    },
    "MCA": _MCA,
    "CSP": {**_MCA, "invoice": "invoiceId", "customer": "customerTenantId"},
    "usage only": _USAGE_ONLY,
    "German": {
        **_USAGE_ONLY,
        "subscription": "Abonnement-GUID (SubscriptionGuid)",
        "resource_group": "Ressourcengruppe (ResourceGroup)",
        "location": "Ressourcenstandort (ResourceLocation)",
        "date": "UsageDateTime (UsageDateTime)",
        "category": "Kategorie der Verbrauchseinheit (MeterCategory)",
        "meter_id": "ID der Verbrauchseinheit (MeterId)",
        "meter": "Name der Verbrauchseinheit (MeterName)",
        "cost": "PreTaxCost (PreTaxCost)",
        "unit": "Maßeinheit (UnitOfMeasure)",
    },
    "EA usage details": {
        "subscription": "Subscription GUID",
        "date": "Date",
        "product": "Product",
        "meter_id": "Meter ID",
        "category": "Meter Category",
        "subcategory": "Meter Sub-Category",
        "meter": "Meter Name",
        "quantity": "Consumed Quantity",
        "cost": "ExtendedCost",
        "location": "Resource Location",
        "consumed_service": "Consumed Service",
        "resource": "Instance ID",
        "tags": "Tags",
        "additional_info": "AdditionalInfo",
        "unit": "Unit Of Measure",
        "resource_group": "Resource Group",
    },
}
