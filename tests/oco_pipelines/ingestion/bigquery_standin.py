"""A stand-in of BigQuery's REST API on loopback that Google's own library talks to.

It knows tables, jobs.insert, jobs.get and jobs.getQueryResults, and evaluates the two queries that
we send and no other. As a table with `require_partition_filter` does, it refuses a query that does
not go by `_PARTITIONTIME`. Rows lie in partitions by day; costs are FLOAT64, so that they are the
floats that BigQuery has. `faults` makes requests fail the way that networks and quotas do.
"""

import json
import random
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.loopback import served
from tests.oco_pipelines.ingestion.bigquery_rows import projection, schema_of
from tests.oco_pipelines.ingestion.gcp_bill import Line

PROJECT: Final = "billing-admin"
DATASET: Final = "billing"
STANDARD: Final = "gcp_billing_export_v1_01AB23_CD45EF_678901"
DETAILED: Final = "gcp_billing_export_resource_v1_01AB23_CD45EF_678901"
_MEGABYTE: Final = 1024**2
_FILTER: Final = "_PARTITIONTIME >= @first AND _PARTITIONTIME < @after"
_FIGURES: Final = re.compile(
    r"SELECT FORMAT_DATE\('%F', DATE\(_PARTITIONTIME\)\) AS day, "
    r"UNIX_MICROS\(MAX\(export_time\)\) AS newest, COUNT\(\*\) AS row_count "
    r"FROM `(?P<table>[^`]+)`(?: WHERE (?P<filter>.+))? GROUP BY day ORDER BY day"
)
_ROWS: Final = re.compile(
    r"SELECT TO_JSON_STRING\(STRUCT\((?P<fields>.+)\)\) AS line, "
    r"UNIX_MICROS\(export_time\) AS exported FROM `(?P<table>[^`]+)`(?: WHERE (?P<filter>.+))?"
)


@dataclass
class Table:
    """A table of the dataset: rows by the day of their arrival."""

    name: str
    days: dict[date, list[Line]] = field(default_factory=dict)
    kind: str = "TABLE"
    partitioning: dict[str, str] | None = field(default_factory=lambda: {"type": "DAY"})
    touched: datetime = datetime(2026, 9, 21, tzinfo=UTC)

    def fields(self) -> list[dict[str, Any]]:
        return schema_of(self.name)

    def deliver(self, day: date, lines: list[Line]) -> None:
        """Make these the rows of the day; none, and its partition is gone."""
        self.touched += timedelta(milliseconds=1)
        if lines:
            self.days[day] = list(lines)
        else:
            self.days.pop(day, None)


@dataclass
class Job:
    """A query that was evaluated when it was inserted, as BigQuery's snapshot is."""

    names: tuple[str, ...]
    rows: list[list[str]]
    processed: int
    sql: str
    dry: bool = False
    error: dict[str, str] | None = None
    polls: int = 0


@dataclass
class Standin:
    """The server's state, which a test changes as it likes.

    Attributes:
        faults: (kind of request, what happens), taken one by one by requests of that kind: a
            number is an HTTP status, a word the reason of a 403; `cut` breaks the connection in the
            middle of the answer, after the request has done its work.
        page_rows: how many rows an answer has at most.
        polls: how often a query is still running when it is asked for.
        shuffle: orders the rows of each query anew.
        before_rows: called before a query for rows is evaluated.
        scanned: days that queries for rows have read.
        tokens: what requests were signed with.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    dataset_there: bool = True
    faults: deque[tuple[str, int | str]] = field(default_factory=deque)
    denied: set[str] = field(default_factory=set)
    page_rows: int = 1000
    polls: int = 0
    shuffle: random.Random | None = None
    before_rows: Callable[[], None] | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    scanned: list[date] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    url: str = ""

    def table(self, name: str = DETAILED) -> Table:
        return self.tables.setdefault(name, Table(name))


@contextmanager
def serve() -> Iterator[Standin]:
    """A running stand-in."""
    state = Standin()

    class Handler(_Handler):
        standin = state

    with served(Handler) as address:
        state.url = address
        yield state


class ApiError(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


_REASONS: Final = {429: "rateLimitExceeded", 503: "backendError", 500: "internalError"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    standin: Standin

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # A signed request for a token is a form; everything else is JSON.
        self._answer({} if self.path == "/token" else json.loads(content))

    def _answer(self, body: dict[str, Any] | None) -> None:
        address = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        parts = address.path.removeprefix("/bigquery/v2/").split("/")
        kind = _kind(parts, query, body)
        self.standin.requests.append(kind)
        self.standin.tokens.add(self.headers.get("Authorization"))
        fault = self._fault(kind)
        try:
            self._refuse(kind, fault)
            status, found = 200, answer(self.standin, kind, parts, query, body)
        except ApiError as error:
            told = {"reason": error.reason, "message": error.message, "domain": "global"}
            status = error.status
            found = {"error": {"code": status, "message": error.message, "errors": [told]}}
        content = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault == "cut":
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(content)

    def _refuse(self, kind: str, fault: int | str | None) -> None:
        if isinstance(fault, int):
            raise ApiError(fault, _REASONS[fault], "Exceeded rate limits, or a bad day")
        if isinstance(fault, str) and fault != "cut":
            raise ApiError(403, fault, f"Not today: {fault}")
        if kind in self.standin.denied:
            raise ApiError(403, "accessDenied", f"Access Denied: may not {kind}")

    def _fault(self, kind: str) -> int | str | None:
        faults = self.standin.faults
        if faults and faults[0][0] in {kind, "any"}:
            return faults.popleft()[1]
        return None


def _kind(  # noqa: PLR0911 - one for each method
    parts: list[str], query: dict[str, str], body: dict[str, Any] | None
) -> str:
    match parts:
        case ["", "token"]:
            return "get token"
        case ["projects", _, "datasets", _, "tables", _]:
            return "get table"
        case ["projects", _, "datasets", _, "tables"]:
            return "list tables"
        case ["projects", _, "jobs"] if body is not None:
            return "insert job"
        case ["projects", _, "jobs", _]:
            return "get job"
        case ["projects", _, "queries", _]:
            return "next page" if "pageToken" in query else "get results"
    return "unknown"


def answer(
    standin: Standin,
    kind: str,
    parts: list[str],
    query: dict[str, str],
    body: dict[str, Any] | None,
) -> dict[str, Any]:
    """What Google answers to a request."""
    if kind == "get token":
        return {"access_token": "short-lived", "token_type": "Bearer", "expires_in": 3600}
    if kind in {"get table", "list tables"}:
        if not standin.dataset_there or parts[1] != PROJECT or parts[3] != DATASET:
            raise ApiError(404, "notFound", f"Not found: Dataset {parts[1]}:{parts[3]}")
        if kind == "list tables":
            return {"tables": [_summary(name) for name in standin.tables]}
        return _described(standin, parts[5])
    if kind == "insert job":
        assert body is not None
        return _insert(standin, body)
    job_id = parts[-1]
    if job_id not in standin.jobs:
        raise ApiError(404, "notFound", f"Not found: Job {job_id}")
    job = standin.jobs[job_id]
    if kind == "get job":
        return _job(job_id, job)
    if kind in {"get results", "next page"}:
        return _results(standin, job_id, job, query)
    raise ApiError(404, "notFound", "Not found")


def _summary(name: str) -> dict[str, Any]:
    reference = {"projectId": PROJECT, "datasetId": DATASET, "tableId": name}
    return {"id": f"{PROJECT}:{DATASET}.{name}", "tableReference": reference, "type": "TABLE"}


def _described(standin: Standin, name: str) -> dict[str, Any]:
    table = standin.tables.get(name)
    if table is None:
        raise ApiError(404, "notFound", f"Not found: Table {PROJECT}:{DATASET}.{name}")
    found = {
        **_summary(name),
        "type": table.kind,
        "schema": {"fields": table.fields()},
        "numRows": str(sum(map(len, table.days.values()))),
        "lastModifiedTime": str(_micros(table.touched) // 1000),
        "location": "EU",
    }
    if table.partitioning:
        found["timePartitioning"] = table.partitioning
    return found


def _insert(standin: Standin, body: dict[str, Any]) -> dict[str, Any]:
    job_id = body["jobReference"]["jobId"]
    if job_id in standin.jobs:
        raise ApiError(409, "duplicate", f"Already Exists: Job {PROJECT}:EU.{job_id}")
    if body["jobReference"].get("location", "EU") != "EU":
        raise ApiError(404, "notFound", f"Not found: Dataset {PROJECT}:{DATASET} in that location")
    settings = body["configuration"]["query"]
    job = _evaluate(standin, settings)
    job.polls = standin.polls
    if body["configuration"].get("dryRun"):
        job.dry, job.rows = True, []
        return _job(job_id, job)
    limit = int(settings.get("maximumBytesBilled", 2**60))
    if _billed(job) > limit:
        job.error = {
            "reason": "bytesBilledLimitExceeded",
            "message": f"Query exceeded limit for bytes billed: {limit}. {_billed(job)} or higher "
            "required.",
        }
    standin.jobs[job_id] = job
    return _job(job_id, job)


def _evaluate(standin: Standin, settings: dict[str, Any]) -> Job:
    sql = settings["query"]
    standin.queries.append(sql)
    figures, rows = _FIGURES.fullmatch(sql), _ROWS.fullmatch(sql)
    match = figures or rows
    if match is None or settings.get("useLegacySql") is not False:
        raise ApiError(400, "invalidQuery", "the stand-in does not know this query")
    if match["filter"] != _FILTER:
        raise ApiError(
            400,
            "invalidQuery",
            f"Cannot query over table '{match['table']}' without a filter over column(s) "
            "'_PARTITION_LOAD_TIME', '_PARTITIONDATE', '_PARTITIONTIME' that can be used for "
            "partition elimination",
        )
    table = standin.tables.get(match["table"].removeprefix(f"{PROJECT}.{DATASET}."))
    if table is None:
        raise ApiError(404, "notFound", f"Not found: Table {match['table']}")
    first, after = (_parameter(settings, name) for name in ("first", "after"))
    if rows and standin.before_rows:
        standin.before_rows()
    days = {
        day: lines
        for day, lines in sorted(table.days.items())
        if first <= datetime(day.year, day.month, day.day, tzinfo=UTC) < after
    }
    count = sum(map(len, days.values()))
    if figures:
        found = [
            [
                day.isoformat(),
                str(max(_micros(line["export_time"]) for line in lines)),
                str(len(lines)),
            ]
            for day, lines in days.items()
        ]
        return Job(("day", "newest", "row_count"), found, 8 * count, sql)
    assert rows
    standin.scanned += days
    try:
        project = projection(rows["fields"], table.fields())
    except ValueError as error:
        raise ApiError(400, "invalidQuery", str(error)) from None
    found = [
        [project(line), str(_micros(line["export_time"]))]
        for lines in days.values()
        for line in lines
    ]
    if standin.shuffle:
        standin.shuffle.shuffle(found)
    return Job(("line", "exported"), found, 1000 * count, sql)


def _parameter(settings: dict[str, Any], name: str) -> datetime:
    found = {item["name"]: item for item in settings["queryParameters"]}[name]
    assert found["parameterType"] == {"type": "TIMESTAMP"}
    return datetime.fromisoformat(found["parameterValue"]["value"])


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _billed(job: Job) -> int:
    """By the started megabyte, and ten at least."""
    return max(10, -(-job.processed // _MEGABYTE)) * _MEGABYTE


def _job(job_id: str, job: Job) -> dict[str, Any]:
    running = job.polls > 0
    status: dict[str, Any] = {"state": "RUNNING" if running else "DONE"}
    if job.error and not running:
        status |= {"errorResult": job.error, "errors": [job.error]}
    return {
        "id": f"{PROJECT}:EU.{job_id}",
        "jobReference": {"projectId": PROJECT, "jobId": job_id, "location": "EU"},
        "configuration": {"jobType": "QUERY", "query": {"query": job.sql}, "dryRun": job.dry},
        "status": status,
        "statistics": {
            "totalBytesProcessed": str(job.processed),
            "query": {
                "totalBytesProcessed": str(job.processed),
                "totalBytesBilled": str(0 if job.error or job.dry else _billed(job)),
                "statementType": "SELECT",
            },
        },
    }


def _results(standin: Standin, job_id: str, job: Job, query: dict[str, str]) -> dict[str, Any]:
    reference = {"projectId": PROJECT, "jobId": job_id, "location": "EU"}
    if job.polls > 0:
        job.polls -= 1
        return {"jobReference": reference, "jobComplete": False}
    if job.error:
        raise ApiError(400, job.error["reason"], job.error["message"])
    start = int(query.get("pageToken") or query.get("startIndex") or 0)
    size = min(int(query.get("maxResults", standin.page_rows)), standin.page_rows)
    page = job.rows[start : start + size]
    kinds = {"day": "STRING", "line": "STRING"}
    found: dict[str, Any] = {
        "jobReference": reference,
        "jobComplete": True,
        "totalRows": str(len(job.rows)),
        "schema": {
            "fields": [
                {"name": name, "type": kinds.get(name, "INTEGER"), "mode": "NULLABLE"}
                for name in job.names
            ]
        },
        "rows": [{"f": [{"v": value} for value in row]} for row in page],
    }
    if start + len(page) < len(job.rows):
        found["pageToken"] = str(start + len(page))
    return found
