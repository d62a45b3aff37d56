"""Splits what Cost Explorer says of a day's usage over the resources that it names. Pure.

The sums of a day stay those of GetCostAndUsage, service by service and usage type by usage type:
what the resources do not explain, or explain too much, is one charge without a resource.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from oco_pipelines.ingestion.aws_ce_charges import Charge, Cost, Day, bill_name, read_cost
from oco_pipelines.ingestion.aws_ce_request import Query
from oco_pipelines.ingestion.focus_values import read_amount
from oco_warehouse.money import ZERO, exact_sum

# How AWS names what has no resource.
_NONE: Final = frozenset({"", "NoResourceId"})

# {usage type: {resource: what it costs}}
Shares = dict[str, dict[str, Cost]]
# {day: {(linked account, service): its shares}}; a service under the name that is asked for.
Answers = dict[date, dict[tuple[str | None, str], Shares]]


def add_resource_page(answers: Answers, query: Query, page: Mapping[str, Any]) -> None:
    """Take in a page of an answer about resources. A day may go on in the next page.

    Raises:
        InvalidInputError: when it is not what was asked for.
    """
    for result in page["ResultsByTime"]:
        day = date.fromisoformat(result["TimePeriod"]["Start"])
        shares = answers.setdefault(day, {}).setdefault((query.linked, query.service), {})
        for group in result.get("Groups", ()):
            resource, usage_type = group["Keys"]
            if resource in _NONE:
                continue
            where = f"Cost Explorer's answer for {day}, {query.service}, {resource}, {usage_type}"
            _add(shares, usage_type, resource, read_cost(where, group["Metrics"]))


def known_shares(rows: Iterable[Mapping[str, Any]]) -> Answers:
    """What is believed of resources, as an answer; a service under the name that the bill has.

    Args:
        rows: `day`, `sub_account_id`, `service`, `usage_type`, `resource_id`, the costs, the
            currency and the quantity of charges in the warehouse.
    """
    known: Answers = {}
    for row in rows:
        shares = known.setdefault(row["day"], {}).setdefault(
            (row["sub_account_id"], row["service"]), {}
        )
        cost = Cost(
            row["billed_cost"],
            row["effective_cost"],
            row["billing_currency"],
            row["usage_quantity"],
            row["usage_unit"],
        )
        _add(shares, row["usage_type"], row["resource_id"], cost)
    return known


def split_over_resources(
    day: Day,
    services: tuple[str, ...],
    answered: Mapping[tuple[str | None, str], Shares],
    known: Mapping[tuple[str | None, str], Shares],
) -> list[Charge]:
    """The charges of a day, those of some services by resource.

    Args:
        day: as GetCostAndUsage answers it.
        services: that resources are wanted of.
        answered: what AWS says of resources; it says nothing of days that are too long ago.
        known: what is believed, and stays where nothing is answered. Each is used once.
    """
    left = {key: dict(shares) for key, shares in known.items()}
    whole: set[int] = set()
    parts: list[Charge] = []
    for (linked, service, usage_type), charges in day.usage.items():
        if service not in services:
            continue
        if (linked, service) in answered:
            shares = answered[linked, service].get(usage_type, {})
        else:
            shares = left.get((linked, bill_name(service)), {}).pop(usage_type, {})
        currencies = {charge["BillingCurrency"] for charge in charges}
        # What is in another currency, or in two, splits nothing.
        shares = {name: cost for name, cost in shares.items() if {cost.currency} == currencies}
        if shares:
            whole |= {id(charge) for charge in charges}
            parts += _split(charges, shares)
    return [charge for charge in day.charges if id(charge) not in whole] + parts


def _add(shares: Shares, usage_type: str, resource: str, cost: Cost) -> None:
    of_type = shares.setdefault(usage_type, {})
    before = of_type.get(resource)
    if before is not None:
        quantities = [part for part in (before.quantity, cost.quantity) if part is not None]
        cost = replace(
            cost,
            billed=exact_sum((before.billed, cost.billed)),
            effective=exact_sum((before.effective, cost.effective)),
            quantity=exact_sum(quantities) if quantities else None,
        )
    of_type[resource] = cost


def _split(charges: list[Charge], shares: Mapping[str, Cost]) -> list[Charge]:
    """Charges of one usage type as one for each resource, and one for the rest."""
    pattern = charges[0]
    unit = pattern["ConsumedUnit"]
    parts, quantities = [], []
    for resource, cost in shares.items():
        quantity = cost.quantity if unit is not None and cost.unit == unit else None
        quantities.append(quantity or ZERO)
        parts.append(_part(pattern, resource, cost.billed, cost.effective, quantity))
    billed = _rest(charges, "BilledCost", (cost.billed for cost in shares.values()))
    effective = _rest(charges, "EffectiveCost", (cost.effective for cost in shares.values()))
    used = _rest(charges, "ConsumedQuantity", quantities)
    if billed or effective or used:
        parts.append(_part(pattern, None, billed, effective, None if unit is None else used))
    return parts


def _rest(charges: list[Charge], name: str, explained: Iterable[Decimal]) -> Decimal:
    whole = (Decimal(charge[name] or "0") for charge in charges)
    return exact_sum((*whole, *(amount.copy_negate() for amount in explained)))


def _part(
    pattern: Charge,
    resource: str | None,
    billed: Decimal,
    effective: Decimal,
    quantity: Decimal | None,
) -> Charge:
    """One text for one amount: what is believed and what is answered make the same charge."""
    cost = read_amount(str(billed))
    return {
        **pattern,
        "BilledCost": cost,
        "EffectiveCost": read_amount(str(effective)),
        "ListCost": cost,
        "ContractedCost": cost,
        "ConsumedQuantity": None if quantity is None else read_amount(str(quantity)),
        "ConsumedUnit": None if quantity is None else pattern["ConsumedUnit"],
        "ResourceId": resource,
    }
