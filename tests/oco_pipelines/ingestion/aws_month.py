"""A month of AWS with every type of line, made by us; `aws_forms` writes it as AWS would.

Seeded: the same seed gives the same month. Commitments are generated from what was bought, so that
what must come out is known without the code under test.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

Line = dict[str, str]
MONTH = datetime(2026, 9, 1, tzinfo=UTC)
RESERVATION = "arn:aws:ec2:eu-west-1:000000000012:reserved-instances/0a1b2c3d"
PLAN = "arn:aws:savingsplans::000000000012:savingsplan/9f8e7d6c"
# The file's own spelling in the legacy CSV, and the one of Athena and CUR 2.0.
_SPELLINGS = """
    identity/LineItemId identity_line_item_id
    bill/PayerAccountId bill_payer_account_id
    bill/BillingEntity bill_billing_entity
    bill/BillType bill_bill_type
    bill/InvoiceId bill_invoice_id
    bill/InvoicingEntity bill_invoicing_entity
    bill/BillingPeriodStartDate bill_billing_period_start_date
    bill/BillingPeriodEndDate bill_billing_period_end_date
    lineItem/UsageAccountId line_item_usage_account_id
    lineItem/LineItemType line_item_line_item_type
    lineItem/UsageStartDate line_item_usage_start_date
    lineItem/UsageEndDate line_item_usage_end_date
    lineItem/ProductCode line_item_product_code
    lineItem/UsageType line_item_usage_type
    lineItem/ResourceId line_item_resource_id
    lineItem/UsageAmount line_item_usage_amount
    lineItem/CurrencyCode line_item_currency_code
    lineItem/UnblendedCost line_item_unblended_cost
    lineItem/UnblendedRate line_item_unblended_rate
    lineItem/NetUnblendedCost line_item_net_unblended_cost
    lineItem/BlendedCost line_item_blended_cost
    lineItem/LegalEntity line_item_legal_entity
    lineItem/LineItemDescription line_item_line_item_description
    lineItem/AvailabilityZone line_item_availability_zone
    product/ProductName product_product_name
    product/productFamily product_product_family
    product/instanceType product_instance_type
    product/regionCode product_region_code
    product/location product_location
    product/sku product_sku
    pricing/unit pricing_unit
    pricing/RateCode pricing_rate_code
    pricing/publicOnDemandCost pricing_public_on_demand_cost
    pricing/publicOnDemandRate pricing_public_on_demand_rate
    reservation/ReservationARN reservation_reservation_a_r_n
    reservation/EffectiveCost reservation_effective_cost
    reservation/UnusedRecurringFee reservation_unused_recurring_fee
    reservation/UnusedAmortizedUpfrontFeeForBillingPeriod
        reservation_unused_amortized_upfront_fee_for_billing_period
    savingsPlan/SavingsPlanARN savings_plan_savings_plan_a_r_n
    savingsPlan/SavingsPlanEffectiveCost savings_plan_savings_plan_effective_cost
    savingsPlan/TotalCommitmentToDate savings_plan_total_commitment_to_date
    savingsPlan/UsedCommitment savings_plan_used_commitment
    splitLineItem/ParentResourceId split_line_item_parent_resource_id
    splitLineItem/SplitCost split_line_item_split_cost
    splitLineItem/UnusedCost split_line_item_unused_cost
"""
_WORDS = _SPELLINGS.split()
SPELLINGS = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))
_TAGS: tuple[dict[str, str], ...] = (
    {},
    {"user:env": "prod"},
    {"user:env": 'a "b", {c}', "user:Name": "web"},
)
DEFAULTS: Line = {
    "bill/PayerAccountId": "000000000012",
    "bill/BillingEntity": "AWS",
    "bill/BillType": "Anniversary",
    "bill/InvoicingEntity": "Amazon Web Services EMEA SARL",
    "bill/BillingPeriodStartDate": "2026-09-01T00:00:00Z",
    "bill/BillingPeriodEndDate": "2026-10-01T00:00:00Z",
    "lineItem/UsageAccountId": "000000000013",
    "lineItem/UsageStartDate": "2026-09-10T00:00:00Z",
    "lineItem/UsageEndDate": "2026-09-10T01:00:00Z",
    "lineItem/ProductCode": "AmazonEC2",
    "lineItem/CurrencyCode": "USD",
    "lineItem/LegalEntity": "Amazon Web Services EMEA SARL",
    "product/ProductName": "Amazon Elastic Compute Cloud",
    "product/regionCode": "eu-west-1",
    "product/location": "EU (Ireland)",
}


@dataclass
class Month:
    """Lines in the legacy CSV's spelling, each with its tags under the customer's own keys.

    Attributes:
        bought: what each commitment costs in this month, by its ARN.
    """

    lines: list[Line] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    bought: dict[str, Decimal] = field(default_factory=dict)

    def add(self, line_type: str, cost: Decimal | str, /, **more: Any) -> None:
        """A line; `tags` apart, keywords are columns without their family (`ResourceId=…`)."""
        tags = more.pop("tags", {})
        full = {name.partition("/")[2]: name for name in SPELLINGS}
        values = {full[name]: str(value) for name, value in more.items()}
        self.lines.append(
            DEFAULTS
            | {"lineItem/LineItemType": line_type, "lineItem/UnblendedCost": str(cost)}
            | {"identity/LineItemId": f"line{len(self.lines)}"}
            | values
        )
        self.tags.append(tags)

    def billed(self, currency: str = "USD") -> Decimal:
        """The plain sum of the unblended costs, shares of a machine left out."""
        return sum(
            (
                Decimal(line["lineItem/UnblendedCost"])
                for line in self.lines
                if line["lineItem/CurrencyCode"] == currency
                and "splitLineItem/ParentResourceId" not in line
            ),
            Decimal(0),
        )


def month(seed: int, *, currencies: tuple[str, ...] = ("USD",)) -> Month:
    """A whole month with every type of line."""
    dice, made = random.Random(seed), Month()
    for currency in currencies:
        _usage(made, dice, currency)
    reserve(made, dice)
    plan(made, dice)
    _rest(made)
    return made


def reserve(made: Month, dice: random.Random) -> None:
    """A reservation, partly upfront and partly used; adds to `bought` what the month costs."""
    hours = 720
    upfront, recurring = (Decimal(dice.randint(1, 99999)).scaleb(-6) for _ in range(2))
    used = dice.randint(0, hours)
    made.bought[RESERVATION] = (upfront + recurring) * hours
    arn = {"ReservationARN": RESERVATION}
    made.add("Fee", upfront * hours * 12, BillType="Purchase", InvoiceId="RI-1", **arn)
    made.add(
        "RIFee",
        recurring * hours,
        **arn,
        UnusedRecurringFee=recurring * (hours - used),
        UnusedAmortizedUpfrontFeeForBillingPeriod=upfront * (hours - used),
        UsageAmount=hours,
        UsageStartDate="2026-09-01T00:00:00Z",
        UsageEndDate="2026-09-30T23:59:59Z",
    )
    for part in _parts(dice, used):
        made.add(
            "DiscountedUsage",
            0,
            **arn,
            EffectiveCost=(upfront + recurring) * part,
            publicOnDemandCost=(upfront + recurring) * 2 * part,
            UsageAmount=part,
            unit="Hrs",
            ResourceId="i-00000000000000001",
        )


def plan(made: Month, dice: random.Random) -> None:
    """A savings plan, partly upfront and partly used."""
    hours = 720
    upfront, recurring = (Decimal(dice.randint(1, 99999)).scaleb(-6) for _ in range(2))
    used = dice.randint(0, hours)
    total = (upfront + recurring) * hours
    made.bought[PLAN] = total
    arn = {"SavingsPlanARN": PLAN, "ProductCode": "ComputeSavingsPlans"}
    made.add("SavingsPlanUpfrontFee", upfront * hours * 12, BillType="Purchase", **arn)
    made.add(
        "SavingsPlanRecurringFee",
        recurring * hours,
        **arn,
        TotalCommitmentToDate=total,
        UsedCommitment=(upfront + recurring) * used,
    )
    for part in _parts(dice, used):
        asked = (upfront + recurring) * part * Decimal("1.4")
        covered = {"SavingsPlanARN": PLAN, "ResourceId": "i-00000000000000002"}
        made.add(
            "SavingsPlanCoveredUsage",
            asked,
            **covered,
            SavingsPlanEffectiveCost=(upfront + recurring) * part,
            publicOnDemandCost=asked,
            UsageAmount=part,
            unit="Hrs",
        )
        made.add("SavingsPlanNegation", -asked, **covered, UsageAmount=part)


def _usage(made: Month, dice: random.Random, currency: str) -> None:
    for index in range(40):
        start = MONTH + timedelta(hours=dice.randrange(719))
        quantity = Decimal(dice.randint(1, 10**9)).scaleb(dice.choice((-6, -10)))
        cost = Decimal(dice.randint(0, 10**9)).scaleb(-10)
        made.add(
            "Usage",
            cost,
            CurrencyCode=currency,
            UsageStartDate=f"{start:%Y-%m-%dT%H:%M:%SZ}",
            UsageEndDate=f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
            UsageAmount=quantity,
            UnblendedRate="0.0000001",
            BlendedCost="77",
            publicOnDemandCost=cost * 2,
            publicOnDemandRate="0.0000002",
            unit=dice.choice(("Hrs", "GB-Mo")),
            UsageType=dice.choice(("EU-SpotUsage:m5.large", "EU-BoxUsage:m5.large")),
            LineItemDescription='a "quoted", description\nof two lines',
            ResourceId=f"i-{index:017x}",
            AvailabilityZone="eu-west-1a",
            InvoiceId=dice.choice(("", "EUINEU26-1")),
            RateCode=f"SKU{index}.JRTCKXETXF.6YS6EN2CT7",
            sku=f"SKU{index}",
            tags=dice.choice(_TAGS),
        )


def _rest(made: Month) -> None:
    machine = "i-00000000000000001"
    for kind in ("vCPU", "GB"):
        made.add(
            "Usage",
            "0.25",
            ProductCode="AmazonEKS",
            ResourceId="arn:aws:eks:eu-west-1:000000000013:pod/main/shop/web/1",
            ParentResourceId=machine,
            SplitCost="0.2",
            UnusedCost="0.05",
            UsageType=f"EU-EKS-EC2-{kind}-Hours",
            UsageAmount="1",
            tags={"aws:eks:namespace": "shop"},
        )
    made.add("Usage", "0.04", ProductCode="AmazonECS", SplitCost="0.03", unit="Hrs", UsageAmount=1)
    made.add(
        "Usage",
        "12.5",
        BillingEntity="AWS Marketplace",
        LegalEntity="Example Software GmbH",
        InvoicingEntity="Amazon Web Services EMEA SARL",
        ProductCode="9abcdefghijklmnop",
        ProductName="Example Database",
        UsageAmount="2",
        publicOnDemandCost="0",
    )
    made.add("Fee", "100.00", ProductCode="AWSSupportBusiness", ProductName="AWS Support")
    made.add("Tax", "7.77", UsageEndDate="2026-10-01T00:00:00Z", ProductName="")
    made.add("Credit", "-3.5")
    made.add("Refund", "-1.25", BillType="Refund")
    for discount in ("Edp", "PrivateRate", "Bundled", "Distributor", "RiVolume", ""):
        made.add(f"{discount}Discount", "-0.75")
    made.add("SomethingNew", "0.0000000001", UsageEndDate="2026-09-10T00:00:00Z")


def _parts(dice: random.Random, whole: int) -> list[int]:
    """`whole` cut in up to four pieces; no piece is empty."""
    cuts = sorted({dice.randint(0, whole) for _ in range(3)} | {0, whole})
    return [after - before for before, after in pairwise(cuts)]
