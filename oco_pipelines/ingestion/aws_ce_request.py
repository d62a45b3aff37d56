"""What Cost Explorer is asked, and for which days. Pure.

GetCostAndUsage groups by two dimensions at most. Usage is asked for by service and usage type, all
else by service and record type, so that taxes, credits and fees are known for what they are. The
filters of the two are each other's opposite: every dollar is in one answer and in one only.

Resources are asked for service by service, by resource and usage type: they only split what usage
was answered, and add nothing to it.

Source: AWS Cost Explorer API reference, GetCostAndUsage and GetCostAndUsageWithResources.
"""

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

USAGE_TYPES: Final = ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage")
METRICS: Final = ("UnblendedCost", "AmortizedCost", "UsageQuantity")
_OF_USAGE: Final = {"Dimensions": {"Key": "RECORD_TYPE", "Values": list(USAGE_TYPES)}}
NET_METRICS: Final = ("NetUnblendedCost", "NetAmortizedCost")

# AWS knows resources of so many days, today included.
RESOURCE_DAYS: Final = 14

Part = Literal["usage", "rest", "resources"]


@dataclass(frozen=True, slots=True)
class Query:
    """One question, whose answer comes in pages.

    Attributes:
        part: whether it is about usage, about the resources of some usage, or about the rest.
        linked: the linked account that it is about; None for all of the payer's.
        request: what is sent.
        service: whose resources it is about.
    """

    part: Part
    linked: str | None
    request: Mapping[str, Any]
    service: str = ""

    @property
    def operation(self) -> str:
        """As AWS, and a policy of its, names it."""
        return "GetCostAndUsage" + ("WithResources" if self.part == "resources" else "")


def make_queries(
    start: date, end: date, linked_accounts: tuple[str, ...], *, net: bool
) -> Iterator[Query]:
    """Every question about some days.

    Args:
        start: first day.
        end: the day after the last: as AWS has it, exclusive.
        linked_accounts: each is asked about by itself; none means the payer as a whole.
        net: whether costs after private discounts are asked for, too.
    """
    parts: tuple[tuple[Part, dict[str, Any], str], ...] = (
        ("usage", _OF_USAGE, "USAGE_TYPE"),
        ("rest", {"Not": _OF_USAGE}, "RECORD_TYPE"),
    )
    for linked in linked_accounts or (None,):
        for part, condition, dimension in parts:
            conditions = [*_only(linked), condition]
            yield Query(
                part,
                linked,
                _request(start, end, conditions, ("SERVICE", dimension), net=net),
            )


def make_resource_queries(
    start: date,
    end: date,
    linked_accounts: tuple[str, ...],
    services: tuple[str, ...],
    *,
    net: bool,
) -> Iterator[Query]:
    """Every question about the resources of some services, on those of the days that AWS knows.

    Args:
        start: first day.
        end: the day after the last, which is today.
        linked_accounts: each is asked about by itself; none means the payer as a whole.
        services: as Cost Explorer names them. AWS answers of one at a time which it is.
        net: whether costs after private discounts are asked for, too.
    """
    start = max(start, end - timedelta(days=RESOURCE_DAYS))
    for linked in linked_accounts or (None,):
        for service in services:
            of_service = {"Dimensions": {"Key": "SERVICE", "Values": [service]}}
            conditions = [*_only(linked), of_service, _OF_USAGE]
            groups = ("RESOURCE_ID", "USAGE_TYPE")
            request = _request(start, end, conditions, groups, net=net)
            yield Query("resources", linked, request, service)


def _only(linked: str | None) -> list[dict[str, Any]]:
    if linked is None:
        return []
    return [{"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [linked]}}]


def _request(
    start: date,
    end: date,
    conditions: list[dict[str, Any]],
    groups: tuple[str, str],
    *,
    net: bool,
) -> dict[str, Any]:
    return {
        "TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()},
        "Granularity": "DAILY",
        "Metrics": [*METRICS, *(NET_METRICS if net else ())],
        "GroupBy": [{"Type": "DIMENSION", "Key": key} for key in groups],
        "Filter": {"And": conditions} if len(conditions) > 1 else conditions[0],
    }


def first_day_to_read(today: date, loaded: Mapping[date, bool], since: date | None) -> date:
    """The first day that has to be read: all from there on are read again, today included.

    Args:
        today: in UTC.
        loaded: {day: whether it was an estimate}, of every day that was loaded.
        since: first day that is wanted; None for the first day of the month before.
    """
    begin = month_start(month_start(today) - timedelta(days=1)) if since is None else since
    estimates = [day for day, estimated in loaded.items() if estimated]
    begin = min([begin, *estimates])
    day = begin
    while day < today and loaded.get(day) is False:
        day += timedelta(days=1)
    return day


def month_start(day: date) -> date:
    """The first day of the month."""
    return day.replace(day=1)


def month_end(day: date) -> date:
    """The day after the last of the month."""
    return month_start(day) + timedelta(days=calendar.monthrange(day.year, day.month)[1])
