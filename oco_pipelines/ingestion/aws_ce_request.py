"""What Cost Explorer is asked, and for which days. Pure.

GetCostAndUsage groups by two dimensions at most. Usage is asked for by service and usage type, all
else by service and record type, so that taxes, credits and fees are known for what they are. The
filters of the two are each other's opposite: every dollar is in one answer and in one only.

Source: AWS Cost Explorer API reference, GetCostAndUsage.
"""

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

USAGE_TYPES: Final = ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage")
METRICS: Final = ("UnblendedCost", "AmortizedCost", "UsageQuantity")
NET_METRICS: Final = ("NetUnblendedCost", "NetAmortizedCost")

Part = Literal["usage", "rest"]


@dataclass(frozen=True, slots=True)
class Query:
    """One question, whose answer comes in pages.

    Attributes:
        part: whether it is about usage or about the rest.
        linked: the linked account that it is about; None for all of the payer's.
        request: what is sent.
    """

    part: Part
    linked: str | None
    request: Mapping[str, Any]


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
    of_usage = {"Dimensions": {"Key": "RECORD_TYPE", "Values": list(USAGE_TYPES)}}
    parts: tuple[tuple[Part, dict[str, Any], str], ...] = (
        ("usage", of_usage, "USAGE_TYPE"),
        ("rest", {"Not": of_usage}, "RECORD_TYPE"),
    )
    for linked in linked_accounts or (None,):
        for part, condition, dimension in parts:
            where = condition
            if linked is not None:
                only = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [linked]}}
                where = {"And": [only, condition]}
            yield Query(
                part,
                linked,
                {
                    "TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()},
                    "Granularity": "DAILY",
                    "Metrics": [*METRICS, *(NET_METRICS if net else ())],
                    "GroupBy": [
                        {"Type": "DIMENSION", "Key": "SERVICE"},
                        {"Type": "DIMENSION", "Key": dimension},
                    ],
                    "Filter": where,
                },
            )


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
