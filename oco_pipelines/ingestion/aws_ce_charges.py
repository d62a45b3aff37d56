"""What Cost Explorer answers, as charges in FOCUS' columns. Pure.

Source: AWS Cost Explorer API reference, GetCostAndUsage; FOCUS 1.2.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any, Final

from oco_pipelines.ingestion.aws_ce_request import Query, month_end, month_start
from oco_pipelines.ingestion.aws_cur_rules import LINE_TYPES, UNKNOWN
from oco_warehouse.errors import InvalidInputError

Charge = dict[str, str | None]
# (linked account, service as Cost Explorer names it, usage type)
UsageKey = tuple[str | None, str, str]
AWS: Final = "Amazon Web Services, Inc."
# Cost Explorer's names of services that the bill calls otherwise, and of EC2's two halves.
_SERVICES: Final = {
    "Amazon Elastic Compute Cloud - Compute": "Amazon Elastic Compute Cloud",
    "EC2 - Other": "Amazon Elastic Compute Cloud",
    "AmazonCloudWatch": "Amazon CloudWatch",
    "Amazon Elastic Container Service for Kubernetes": "Amazon Elastic Kubernetes Service",
    "Amazon EC2 Container Registry (ECR)": "Amazon Elastic Container Registry",
}
_EC2: Final = "Amazon Elastic Compute Cloud"
# What else than computing EC2 is, by a word of the usage type.
_EC2_CATEGORIES: Final = {
    "EBS:": "Storage",
    "NatGateway": "Networking",
    "DataTransfer": "Networking",
    "PublicIPv4": "Networking",
    "ElasticIP": "Networking",
    "LoadBalancer": "Networking",
    "LCUUsage": "Networking",
}
# Record types that Cost Explorer has and the Cost and Usage Report calls otherwise.
_RECORD_TYPES: Final = {"Recurring": "RIFee", "Upfront": "Fee", "Support": "Fee"}
_NO_UNIT: Final = frozenset({"", "N/A"})


@dataclass(frozen=True, slots=True)
class Cost:
    """What a group costs, and how much was used where that has a unit."""

    billed: Decimal
    effective: Decimal
    currency: str
    quantity: Decimal | None = None
    unit: str | None = None


@dataclass(slots=True)
class Day:
    """A day of an account as it is answered.

    Attributes:
        charges: {column of FOCUS: text}, of every group.
        usage: those of usage again, by linked account, service as Cost Explorer names it, and
            usage type.
        estimated: whether any part of it is an estimate.
        answers: which queries have told of it, by their position.
    """

    charges: list[Charge] = field(default_factory=list)
    usage: dict[UsageKey, list[Charge]] = field(default_factory=dict)
    estimated: bool = False
    answers: set[int] = field(default_factory=set)


def add_page(
    days: dict[date, Day], number: int, query: Query, page: Mapping[str, Any], account_id: str
) -> None:
    """Take in a page of an answer. A day may go on in the next page.

    Args:
        days: what was taken in so far.
        number: position of the query among all.
        query: what was asked.
        page: the answer, or a part of it.
        account_id: the account that is billed.

    Raises:
        InvalidInputError: when it is not what was asked for.
    """
    for result in page["ResultsByTime"]:
        day = date.fromisoformat(result["TimePeriod"]["Start"])
        entry = days.setdefault(day, Day())
        entry.answers.add(number)
        entry.estimated |= bool(result["Estimated"])
        for group in result.get("Groups", ()):
            charge = to_charge(query, day, group, account_id)
            entry.charges.append(charge)
            if query.part == "usage":
                service, usage_type = group["Keys"]
                entry.usage.setdefault((query.linked, service, usage_type), []).append(charge)


def refuse_missing(days: Mapping[date, Day], start: date, end: date, queries: int) -> None:
    """Refuse an answer that leaves out a day: silence is not a day without cost.

    Raises:
        InvalidInputError: naming the first day that is missing, or that was not asked for.
    """
    day = start
    while day < end:
        if day not in days or len(days[day].answers) != queries:
            raise InvalidInputError(f"Cost Explorer's answer leaves out {day}: nothing is loaded")
        day += timedelta(days=1)
    foreign = [day for day in days if not start <= day < end]
    if foreign:
        raise InvalidInputError(
            f"Cost Explorer's answer has {min(foreign)}, which was not asked for: nothing is loaded"
        )


def to_charge(query: Query, day: date, group: Mapping[str, Any], account_id: str) -> Charge:
    """A group of a day as a charge: {column of FOCUS: text}.

    Raises:
        InvalidInputError: when an amount is missing or in two currencies.
    """
    service, second = group["Keys"]
    cost = read_cost(f"Cost Explorer's answer for {day}, {service}, {second}", group["Metrics"])
    name = bill_name(service)
    line_type = LINE_TYPES["Usage"]
    if query.part == "rest":
        line_type = LINE_TYPES.get(_RECORD_TYPES.get(second, second), UNKNOWN)
        if line_type is UNKNOWN and second.endswith("Discount"):
            line_type = LINE_TYPES["Discount"]
    quantity = cost.quantity if query.part == "usage" else None
    billed = f"{cost.billed:f}"
    return {
        "BilledCost": billed,
        "EffectiveCost": f"{cost.effective:f}",
        "ListCost": billed,
        "ContractedCost": billed,
        "BillingAccountId": account_id,
        "SubAccountId": query.linked,
        "BillingCurrency": cost.currency,
        "BillingPeriodStart": _instant(month_start(day)),
        "BillingPeriodEnd": _instant(month_end(day)),
        "ChargePeriodStart": _instant(day),
        "ChargePeriodEnd": _instant(day + timedelta(days=1)),
        "ChargeCategory": line_type.category,
        "ChargeClass": "Correction" if second == "Refund" and query.part == "rest" else None,
        "ChargeFrequency": line_type.frequency,
        "ChargeDescription": second,
        "ServiceName": name,
        "ServiceCategory": _category(name, second),
        "SkuMeter": second if query.part == "usage" else None,
        "ConsumedQuantity": None if quantity is None else f"{quantity:f}",
        "ConsumedUnit": None if quantity is None else cost.unit,
        # `aws_ce_resources` says it, where it is asked for.
        "ResourceId": None,
        "ProviderName": "AWS",
        "PublisherName": AWS,
        "InvoiceIssuerName": AWS,
    }


def in_one_order(charges: Iterable[Charge]) -> list[Charge]:
    """The same charges in an order that does not depend on how pages were cut."""
    return sorted(charges, key=lambda row: [value or "" for value in row.values()])


def bill_name(service: str) -> str:
    """The bill's name of a service of Cost Explorer."""
    return _SERVICES.get(service, service)


def read_cost(where: str, metrics: Mapping[str, Any]) -> Cost:
    """What a group costs: after private discounts, where both metrics are answered.

    Raises:
        InvalidInputError: when an amount is missing or in two currencies.
    """
    is_net = "NetUnblendedCost" in metrics and "NetAmortizedCost" in metrics
    billed, currency = _amount(where, metrics, "NetUnblendedCost" if is_net else "UnblendedCost")
    effective, other = _amount(where, metrics, "NetAmortizedCost" if is_net else "AmortizedCost")
    if currency != other:
        raise InvalidInputError(f"{where}: has costs in {currency} and in {other}")
    if "UsageQuantity" not in metrics:
        return Cost(billed, effective, currency)
    quantity, unit = _amount(where, metrics, "UsageQuantity")
    if unit in _NO_UNIT:
        return Cost(billed, effective, currency)
    return Cost(billed, effective, currency, quantity, unit)


def _amount(where: str, metrics: Mapping[str, Any], name: str) -> tuple[Decimal, str]:
    try:
        amount, unit = Decimal(metrics[name]["Amount"]), str(metrics[name]["Unit"])
    except (KeyError, TypeError, InvalidOperation):
        raise InvalidInputError(f"{where}: has no {name}") from None
    if not amount.is_finite():
        raise InvalidInputError(f"{where}: has no {name}")
    return amount, unit


def _category(service: str, usage_type: str) -> str:
    if service == _EC2:
        for word, category in _EC2_CATEGORIES.items():
            if word in usage_type:
                return category
    return _categories().get(service, "Other")


@cache
def _categories() -> dict[str, str]:
    """{name of a service: FOCUS service category}."""
    text = files(__package__).joinpath("aws_services.csv").read_text(encoding="utf-8")
    return {row["name"]: row["category"] for row in csv.DictReader(text.splitlines())}


def _instant(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
