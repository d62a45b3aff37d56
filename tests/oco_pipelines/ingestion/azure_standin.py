"""A small Azure on loopback: the Cost Management Query API as far as its documents describe it.

It holds charges, and answers what is asked of them: type, days, filter, at most two groupings,
pages with `nextLink`. It refuses what Azure refuses. Faults are answered in the order in which a
test has queued them, one a request, before anything else is.
"""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback import served

TOKEN = "a-token-of-the-test"
SUBSCRIPTION = "00000000-aaaa-4bbb-8ccc-000000000001"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"


@dataclass(frozen=True)
class Charge:
    """What both questions say of one charge; None where one of them does not have it."""

    day: date
    actual: str | None
    amortized: str | None
    ChargeType: str = "Usage"
    PricingModel: str = "OnDemand"
    ResourceId: str = f"{SCOPE}/resourcegroups/main/providers/microsoft.compute/virtualmachines/a"
    MeterCategory: str = "Virtual Machines"
    currency: str = "USD"

    @property
    def SubscriptionId(self) -> str:  # noqa: N802 - a dimension of Azure
        parts = self.ResourceId.split("/")
        return parts[2] if len(parts) > 2 else ""

    def amount(self, kind: str) -> Decimal | None:
        text = self.actual if kind == "ActualCost" else self.amortized
        return None if text is None else Decimal(text)


@dataclass
class Fault:
    """An answer that is not the one asked for."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False  # The connection ends in the middle of the answer.
    double: bool = False  # The page is delivered again behind itself.
    lose: bool = False  # Its last row is missing.


@dataclass
class Azure:
    """What the server knows, and what it saw."""

    charges: list[Charge] = field(default_factory=list)
    page_size: int = 1000
    dice: random.Random | None = None  # Shuffles rows and columns.
    faults: list[Fault | None] = field(default_factory=list)
    denied: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    other_host: str = ""


@contextmanager
def azure() -> Iterator[Azure]:
    """The server, on a free port."""
    state = Azure()

    class Handler(_Handler):
        azure = state

    with served(Handler) as address:
        state.url = address
        yield state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    azure: Azure

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.azure.requests.append({"path": url.path, "query": asked, "body": json.loads(body)})
        fault = self.azure.faults.pop(0) if self.azure.faults else None
        if fault is not None and fault.status != 200:
            self._send(fault.status, fault.body, fault.headers)
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._refuse(401, "InvalidAuthenticationToken", "The access token is invalid.")
        elif self.azure.denied:
            self._refuse(403, "AuthorizationFailed", "Der Client verfügt nicht über die Rechte.")
        elif not url.path.endswith("/providers/Microsoft.CostManagement/query"):
            self._refuse(404, "InvalidResourceType", "no such thing")
        elif "api-version" not in asked:
            self._refuse(400, "MissingApiVersionParameter", "api-version is missing")
        else:
            self._answer(json.loads(body), asked, fault or Fault())

    def _answer(self, body: dict[str, Any], asked: dict[str, str], fault: Fault) -> None:
        dataset = body["dataset"]
        grouping = [group["name"] for group in dataset.get("grouping", [])]
        if len(grouping) > 2 or len(dataset["aggregation"]) > 2:
            self._refuse(400, "BadRequest", "Too many groupings")
            return
        if "ResourceId" in grouping and not self.path.lower().startswith("/subscriptions/"):
            self._refuse(400, "BadRequest", "Invalid dataset grouping: 'ResourceId'")
            return
        rows = _rows(self.azure.charges, body, grouping)
        columns = ["Cost", "UsageDate", *grouping, "Currency"]
        order = list(range(len(columns)))
        if self.azure.dice:
            self.azure.dice.shuffle(order)
            # The whole is cut into pages in one order, and a page says its rows in any.
        start, size = int(asked.get("$skiptoken", 0)), self.azure.page_size
        page = rows[start : start + size]
        if self.azure.dice:
            self.azure.dice.shuffle(page)
        if fault.lose:
            page = page[:-1]
        after = start if fault.double else start + size
        link = None
        if after < len(rows):
            host = self.azure.other_host or self.azure.url
            link = f"{host}{urlsplit(self.path).path}?api-version=2025-03-01&$skiptoken={after}"
            if fault.double:
                link += "&again=1"
        listed = ",".join(
            f'{{"name":"{columns[i]}","type":"{"Number" if i < 2 else "String"}"}}' for i in order
        )
        written = ",".join(f"[{','.join(row[i] for i in order)}]" for row in page)
        content = (
            f'{{"id":"x","name":"y","type":"Microsoft.CostManagement/query","properties":'
            f'{{"nextLink":{json.dumps(link)},"columns":[{listed}],"rows":[{written}]}}}}'
        ).encode()
        self._send(200, content, {}, cut=fault.cut)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, json.dumps({"error": {"code": code, "message": message}}).encode(), {})

    def _send(
        self, status: int, content: bytes, headers: dict[str, str], *, cut: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Nothing: what was asked is in `requests`."""


def _rows(charges: list[Charge], body: dict[str, Any], grouping: list[str]) -> list[list[str]]:
    first = date.fromisoformat(body["timePeriod"]["from"][:10])
    last = date.fromisoformat(body["timePeriod"]["to"][:10])
    sums: dict[tuple[str, ...], Decimal] = {}
    for charge in charges:
        amount = charge.amount(body["type"])
        if amount is None or not first <= charge.day <= last:
            continue
        if not _wanted(charge, body["dataset"].get("filter")):
            continue
        marks = (str(getattr(charge, name)) for name in grouping)
        key = (f"{charge.day:%Y%m%d}", *marks, charge.currency)
        sums[key] = sums.get(key, Decimal(0)) + amount
    return [
        [f"{amount}".replace("E+", "E"), day, *map(json.dumps, texts)]
        for (day, *texts), amount in sorted(sums.items())
    ]


def _wanted(charge: Charge, condition: dict[str, Any] | None) -> bool:
    if condition is None:
        return True
    if "and" in condition:
        assert len(condition["and"]) >= 2
        return all(_wanted(charge, part) for part in condition["and"])
    dimension = condition["dimensions"]
    return getattr(charge, dimension["name"]) in dimension["values"]
