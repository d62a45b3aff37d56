"""A stand-in for Cost Explorer over HTTP: speaks its JSON protocol, pages, throttles, restates.

Source: AWS Cost Explorer API reference, GetCostAndUsage: filters by dimension with And and Not, two
groups, End exclusive, NextPageToken, LimitExceededException with status 400. And of
GetCostAndUsageWithResources: opted in only, of the last 14 days, filtered by service.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback import served

_TARGET = "AWSInsightsIndexService."
_RESOURCE_DAYS = 14
# What STS says of whoever asks: the stand-in is that, too.
_IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    b"<GetCallerIdentityResult><Arn>arn:aws:iam::000000000012:user/costs</Arn>"
    b"<UserId>U</UserId><Account>000000000012</Account></GetCallerIdentityResult>"
    b"</GetCallerIdentityResponse>"
)


@dataclass(frozen=True)
class Charge:
    """What AWS knows of a group of a day."""

    day: date
    service: str
    usage_type: str
    record_type: str
    unblended: Decimal
    amortized: Decimal
    linked: str = "000000000013"
    quantity: Decimal = Decimal(1)
    unit: str = "Hrs"
    # As the answers about resources name it, if they know it.
    resource: str = "NoResourceId"


@dataclass
class CostExplorerServer:
    """What the server answers, and what it was asked.

    Attributes:
        charges: of the payer.
        page_groups: so many groups are on a page.
        estimated_from: the first day that is an estimate.
        throttle: so many of the next requests are refused.
        break_after: the connection is cut at this and every later request, counted from 0.
        discount: what is taken off for the net metrics; None means that there are none.
        repeat_token: whether paging goes round in circles.
        leave_out: a day that is not answered.
        requests: bodies, in order.
        operations: what each of them asked for.
        today: the last of the days of which resources are known.
        refuse_resources: the error that every question about resources gets.
        unanswered_service: the service whose resources are not enabled.
        unknown_to_resources: a day's part of a resource that its answers do not have (yet).
    """

    charges: list[Charge] = field(default_factory=list)
    page_groups: int = 1000
    estimated_from: date = date.max
    throttle: int = 0
    break_after: int | None = None
    discount: Decimal | None = None
    repeat_token: bool = False
    leave_out: date | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    today: date = date(2026, 9, 4)
    refuse_resources: str | None = None
    unanswered_service: str = ""
    unknown_to_resources: Decimal = Decimal(0)
    endpoint: str = ""

    def answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.requests.append(request)
        self.operations.append(operation)
        if self.throttle:
            self.throttle -= 1
            return 400, {"__type": "LimitExceededException", "message": "Rate exceeded"}
        period = request["TimePeriod"]
        start, end = date.fromisoformat(period["Start"]), date.fromisoformat(period["End"])
        if start >= end:
            return 400, {"__type": "ValidationException", "message": "Start date is after end"}
        error = self._refusal(start, request) if operation.endswith("WithResources") else None
        if error:
            return 400, {"__type": error, "message": "not answered"}
        whole = [
            (start + timedelta(days=number), group)
            for number in range((end - start).days)
            for group in self._groups(start + timedelta(days=number), request) or [None]
        ]
        begin = int(request.get("NextPageToken", "page-0").removeprefix("page-"))
        page = whole[begin : begin + self.page_groups]
        results: list[dict[str, Any]] = []
        for day, group in page:
            if day == self.leave_out:
                continue
            if not results or results[-1]["TimePeriod"]["Start"] != day.isoformat():
                results.append(
                    {
                        "TimePeriod": {
                            "Start": day.isoformat(),
                            "End": (day + timedelta(days=1)).isoformat(),
                        },
                        "Total": {},
                        "Groups": [],
                        "Estimated": day >= self.estimated_from,
                    }
                )
            if group is not None:
                results[-1]["Groups"].append(group)
        answer: dict[str, Any] = {"ResultsByTime": results, "DimensionValueAttributes": []}
        if begin + self.page_groups < len(whole):
            following = begin if self.repeat_token else begin + self.page_groups
            answer["NextPageToken"] = f"page-{following}"
        return 200, answer

    def _refusal(self, start: date, request: dict[str, Any]) -> str | None:
        where = json.dumps(request["Filter"])
        unanswered = self.unanswered_service and self.unanswered_service in where
        too_early = start < self.today - timedelta(days=_RESOURCE_DAYS)
        if too_early or "SERVICE" not in where or unanswered:
            return "ValidationException"
        return self.refuse_resources

    def _groups(self, day: date, request: dict[str, Any]) -> list[dict[str, Any]]:
        sums: dict[tuple[str, str], list[Charge]] = {}
        names = {
            "SERVICE": "service",
            "USAGE_TYPE": "usage_type",
            "RECORD_TYPE": "record_type",
            "RESOURCE_ID": "resource",
        }
        if len(request.get("GroupBy", ())) < 2:
            return []
        of_resources = request["GroupBy"][0]["Key"] == "RESOURCE_ID"
        first, second = (names[group["Key"]] for group in request["GroupBy"])
        for charge in self.charges:
            if charge.day == day and _matches(charge, request["Filter"]):
                sums.setdefault((getattr(charge, first), getattr(charge, second)), []).append(
                    charge
                )
        groups = [
            {"Keys": list(keys), "Metrics": self._metrics(charges, request["Metrics"])}
            for keys, charges in sums.items()
        ]
        if of_resources:
            for metrics in (group["Metrics"] for group in groups):
                for name in set(metrics) - {"UsageQuantity"}:
                    less = Decimal(metrics[name]["Amount"]) - self.unknown_to_resources
                    metrics[name]["Amount"] = f"{less:f}"
        return groups

    def _metrics(self, charges: list[Charge], asked: list[str]) -> dict[str, Any]:
        unblended = sum((charge.unblended for charge in charges), Decimal(0))
        amortized = sum((charge.amortized for charge in charges), Decimal(0))
        amounts = {
            "UnblendedCost": (unblended, "USD"),
            "AmortizedCost": (amortized, "USD"),
            "UsageQuantity": (sum((c.quantity for c in charges), Decimal(0)), charges[0].unit),
        }
        if self.discount is not None:
            amounts["NetUnblendedCost"] = (unblended * self.discount, "USD")
            amounts["NetAmortizedCost"] = (amortized * self.discount, "USD")
        return {
            name: {"Amount": f"{amounts[name][0]:f}", "Unit": amounts[name][1]}
            for name in asked
            if name in amounts
        }


def _matches(charge: Charge, where: dict[str, Any]) -> bool:
    if "And" in where:
        return all(_matches(charge, part) for part in where["And"])
    if "Not" in where:
        return not _matches(charge, where["Not"])
    dimension = where["Dimensions"]
    names = {
        "RECORD_TYPE": charge.record_type,
        "LINKED_ACCOUNT": charge.linked,
        "SERVICE": charge.service,
    }
    return names[dimension["Key"]] in dimension["Values"]


@contextmanager
def serve() -> Iterator[CostExplorerServer]:
    """A server on a free port of loopback."""
    state = CostExplorerServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if state.break_after is not None and len(state.requests) >= state.break_after:
                self.close_connection = True
                return
            if "X-Amz-Target" not in self.headers:
                self.send_content(200, _IDENTITY, "text/xml")
                return
            operation = self.headers["X-Amz-Target"].removeprefix(_TARGET)
            assert operation in {"GetCostAndUsage", "GetCostAndUsageWithResources"}
            assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
            status, answer = state.answer(operation, json.loads(body))
            self.send_content(status, json.dumps(answer).encode(), "application/x-amz-json-1.1")

        def send_content(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: tests look at `requests`."""

    with served(Handler) as address:
        state.endpoint = address
        yield state
