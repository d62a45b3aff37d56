"""A small Google Cloud on loopback: assets, recommendations and time series, in pages."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.loopback import served

PROJECT = "example-shop"
# What is measured at an hour's start: {aligner: value}.
Points = dict[datetime, dict[str, float]]


@dataclass
class Google:
    """What the server knows, and what it saw."""

    assets: list[dict[str, Any]] = field(default_factory=list)
    # By recommender.
    advice: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    # {(type, label, value of a label of the metric): points}
    series: dict[tuple[str, str, str], Points] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    # Types of metrics that the project has no descriptor of.
    never_measured: set[str] = field(default_factory=set)
    requests: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    url: str = ""


@contextmanager
def google() -> Iterator[Google]:
    """The server, on a free port."""
    state = Google()

    class Handler(_Handler):
        google = state

    with served(Handler) as address:
        state.url = address
        yield state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    google: Google

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked, path = parse_qs(url.query), unquote(url.path)
        self.google.requests.append((path, asked))
        if any(part in path for part in self.google.denied):
            self._send(403, {"error": {"code": 403, "status": "PERMISSION_DENIED"}})
        elif path.endswith("/assets"):
            kinds = set(asked["assetTypes"])
            found = [one for one in self.google.assets if one["assetType"] in kinds]
            self._page("assets", found, asked)
        elif path.endswith("/recommendations"):
            self._page("recommendations", self.google.advice.get(path.split("/")[-2], []), asked)
        elif path.endswith("/timeSeries"):
            if any(name in asked["filter"][0] for name in self.google.never_measured):
                self._send(404, {"error": {"code": 404, "status": "NOT_FOUND"}})
            else:
                self._page("timeSeries", list(self._series(asked)), asked)
        else:
            self._send(404, {"error": {"code": 404, "status": "NOT_FOUND"}})

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _series(self, asked: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
        wanted = asked["filter"][0]
        kind = re.search(r'metric\.type = "([^"]+)"', wanted)
        named = re.search(r"one_of\(([^)]*)\)", wanted)
        assert kind is not None
        names = {name.strip('"') for name in named[1].split(",")} if named else None
        first = datetime.fromisoformat(asked["interval.startTime"][0])
        last = datetime.fromisoformat(asked["interval.endTime"][0])
        length = timedelta(seconds=int(asked["aggregation.alignmentPeriod"][0][:-1]))
        aligner = asked["aggregation.perSeriesAligner"][0]
        resource_label = asked["aggregation.groupByFields"][0].rpartition(".")[2]
        metric_labels = [one.rpartition(".")[2] for one in asked["aggregation.groupByFields"][1:]]
        for (its_kind, label, of_metric), points in self.google.series.items():
            if its_kind != kind[1] or (names is not None and label not in names):
                continue
            yield {
                "metric": {"type": its_kind, "labels": dict.fromkeys(metric_labels, of_metric)},
                "resource": {"type": "x", "labels": {resource_label: label}},
                # Newest first, as Google answers.
                "points": [
                    {"interval": {"startTime": f"{at + length:%Y-%m-%dT%H:%M:%SZ}",
                                  "endTime": f"{at + length:%Y-%m-%dT%H:%M:%SZ}"},
                     "value": {"doubleValue": told[aligner]}}
                    for at, told in sorted(points.items(), reverse=True)
                    if aligner in told and first < at + length <= last
                ],
            }  # fmt: skip

    def _page(self, name: str, found: list[dict[str, Any]], asked: dict[str, list[str]]) -> None:
        size = int(asked.get("pageSize", ["1000"])[0])
        first = int(asked.get("pageToken", ["0"])[0] or 0)
        page: dict[str, Any] = {name: found[first : first + size]}
        if first + size < len(found):
            page["nextPageToken"] = str(first + size)
        self._send(200, page)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
