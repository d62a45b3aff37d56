"""A small Azure on loopback: Resource Graph, Monitor's metrics and Advisor, as far as we ask them.

It holds rows and series, answers in pages, and refuses what a test says it refuses.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.loopback import served

TOKEN = "a-token-of-the-test"
SUBSCRIPTION = "00000000-aaaa-4bbb-8ccc-000000000001"


@dataclass
class Azure:
    """What the server knows, and what it saw."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    # {(resource in small letters, metric): {hour: {aggregation: value}}}
    series: dict[tuple[str, str], dict[datetime, dict[str, float]]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)  # Names of metrics that it refuses.
    advice: list[dict[str, Any]] = field(default_factory=list)
    visible: set[str] = field(default_factory=lambda: {SUBSCRIPTION})
    denied: set[str] = field(default_factory=set)  # Parts of paths.
    failing: set[str] = field(default_factory=set)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""


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
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused(body):
            return
        rows = self._selected(body)
        first = int(body["options"].get("$skipToken") or 0)
        after = first + body["options"]["$top"]
        page = {"totalRecords": len(rows), "count": len(rows[first:after]), "resultTruncated":
                "false", "data": rows[first:after]}  # fmt: skip
        if after < len(rows):
            page["$skipToken"] = str(after)
        self._send(200, page)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self._refused(asked):
            return
        path = unquote(url.path)
        if path.endswith("/providers/Microsoft.Insights/metrics"):
            self._metrics(path.removesuffix("/providers/Microsoft.Insights/metrics"), asked)
        elif path.endswith("/providers/Microsoft.Advisor/recommendations"):
            page = int(asked.get("page", 0))
            answer: dict[str, Any] = {"value": self.azure.advice[page : page + 1]}
            if page + 1 < len(self.azure.advice):
                answer["nextLink"] = f"{self.azure.url}{url.path}?api-version=1&page={page + 1}"
            self._send(200, answer)
        else:
            self._send(404, {"error": {"code": "NotFound", "message": path}})

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _selected(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        asked = {one.lower() for one in body["subscriptions"]} & self.azure.visible
        if "ResourceContainers" in body["query"]:
            return [{"id": f"/subscriptions/{one}", "subscriptionId": one} for one in sorted(asked)]
        kinds = set(re.findall(r"'([^']+)'", body["query"]))
        rows = [
            row for row in self.azure.rows
            if row["type"].lower() in kinds and row["subscriptionId"].lower() in asked
        ]  # fmt: skip
        if "summarize" in body["query"]:
            return [{"resources": len(rows)}]
        return sorted(rows, key=lambda row: row["id"])

    def _metrics(self, resource: str, asked: dict[str, str]) -> None:
        first, last = (datetime.fromisoformat(one) for one in asked["timespan"].split("/"))
        values = []
        names = asked["metricnames"].split(",")
        if self.azure.unknown & set(names):
            self._send(400, {"error": {"code": "BadRequest", "message":
                "Failed to find metric configuration"}})  # fmt: skip
            return
        for name in names:
            points = self.azure.series.get((resource.lower(), name))
            if points is None:
                continue
            data = [
                {"timeStamp": f"{at:%Y-%m-%dT%H:%M:%SZ}", **told}
                for at, told in sorted(points.items())
                if first <= at < last
            ]
            values.append(
                {"id": name, "type": "Microsoft.Insights/metrics", "unit": "Count",
                 "name": {"value": name, "localizedValue": name},
                 "timeseries": [{"metadatavalues": [], "data": data}]}
            )  # fmt: skip
        self._send(200, {"cost": 0, "timespan": asked["timespan"], "value": values})

    def _refused(self, asked: dict[str, Any]) -> bool:
        self.azure.requests.append((self.path, asked))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._send(401, {"error": {"code": "InvalidAuthenticationToken", "message": "no"}})
        elif any(part in self.path for part in self.azure.denied):
            self._send(403, {"error": {"code": "AuthorizationFailed", "message": "no"}})
        elif any(part in self.path for part in self.azure.failing):
            self._send(400, {"error": {"code": "BadRequest", "message": "no"}})
        else:
            return False
        return True

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
