"""Reads a billing export through Google's own BigQuery library; knows no warehouse and no Dagster.

What is transient is tried again by the library's own Retry, each time with a line in the log and
never longer than its deadline. Everything else becomes one line (`bigquery_errors`). Rows come page
by page over REST as texts. Does not belong here: what rows mean, when they are read.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import requests
from google.api_core.retry import Retry
from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud import bigquery
from google.cloud.bigquery.schema import SchemaField

from oco_pipelines.ingestion.bigquery_errors import one_line, told
from oco_pipelines.ingestion.bigquery_retry import Patience, is_transient
from oco_pipelines.ingestion.bigquery_table import figures_query, rows_query
from oco_warehouse.cloud_accounts.bigquery_address import ExportTable
from oco_warehouse.errors import InvalidInputError, UpstreamUnavailable

_log = logging.getLogger(__name__)
# Google's limit is 20 MB an answer; a row has some kilobytes.
PAGE_ROWS: Final = 10_000
_REQUEST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, order=True)
class Figures:
    """What tells one state of a day's partition from another.

    Attributes:
        day: DATE(_PARTITIONTIME), the day on which Google exported the rows, UTC.
        newest: greatest export_time, microseconds since 1970.
        rows: how many rows.
    """

    day: date
    newest: int
    rows: int


@dataclass(frozen=True, slots=True)
class TableState:
    """What the table's own description says; asking for it costs nothing.

    Attributes:
        columns: names, fields of structs by their path.
        rows: of the whole table, those that wait in the streaming buffer left out.
        modified: when it was changed last.
        location: of its dataset.
        expires_after: days after which BigQuery drops a partition by itself, or None.
    """

    columns: tuple[str, ...]
    rows: int
    modified: datetime
    location: str
    expires_after: int | None


@dataclass(slots=True)
class Spent:
    """What reading has cost so far: bytes that were billed, answers that came, throttled too."""

    bytes_billed: int = 0
    requests: int = 0


@dataclass(slots=True)
class ExportClient:
    """One billing export.

    Attributes:
        table: which.
        client: Google's client, of the project that pays for the queries.
        location: where queries run; the dataset's when None.
        maximum_bytes_billed: a query that would read more is refused by BigQuery, and costs none.
        patience: for what is transient.
        spent: counts.
    """

    table: ExportTable
    client: bigquery.Client
    location: str | None
    maximum_bytes_billed: int
    patience: Patience = field(default_factory=Patience)
    spent: Spent = field(default_factory=Spent)
    _state: TableState | None = None

    def state(self) -> TableState:
        """The table as it is now.

        Raises:
            InvalidInputError: when it is no table that is partitioned by day of its arrival.
            OpenCloudOpsError: as `bigquery_errors` tells.
        """
        with one_line(str(self.table)):
            found = self.client.get_table(
                str(self.table), retry=self.retry(), timeout=_REQUEST_SECONDS
            )
        partitioning = found.time_partitioning
        if found.table_type != "TABLE":
            raise InvalidInputError(f"{self.table}: is a {found.table_type}, not an export's table")
        if partitioning is None or partitioning.type_ != "DAY" or partitioning.field is not None:
            raise InvalidInputError(
                f"{self.table}: is not partitioned by ingestion day as Google's export is; "
                "name the table that Google writes, not a copy of it"
            )
        expires = partitioning.expiration_ms
        self._state = TableState(
            columns=tuple(_paths(found.schema)),
            rows=found.num_rows or 0,
            modified=found.modified,
            location=found.location or "US",
            expires_after=None if expires is None else int(expires) // 86_400_000,
        )
        return self._state

    def figures(self, first: date, after: date) -> list[Figures]:
        """One for each day from `first` until before `after` that has rows, by day.

        Raises:
            OpenCloudOpsError: as `bigquery_errors` tells.
        """
        rows = self._query(figures_query(self.table), first, after)
        return [Figures(date.fromisoformat(day), newest or 0, count) for day, newest, count in rows]

    def rows(self, day: date) -> Iterator[tuple[str, int]]:
        """JSON and export_time in microseconds of every row of a day, in no order.

        Raises:
            UpstreamUnavailable: when fewer or more rows come than BigQuery has announced.
            OpenCloudOpsError: as `bigquery_errors` tells.
        """
        state = self._state or self.state()
        query = rows_query(self.table, state.columns)
        for line, exported in self._query(query, day, day + timedelta(days=1)):
            yield line, exported or 0

    def bytes_of(self, first: date, after: date) -> int:
        """What asking for `figures` would read, by a dry run; runs nothing and costs nothing.

        Raises:
            OpenCloudOpsError: as `bigquery_errors` tells.
        """
        with one_line(str(self.table)):
            job = self._begin(figures_query(self.table), first, after, dry=True)
        return int(job.total_bytes_processed or 0)

    def _query(self, sql: str, first: date, after: date) -> Iterator[tuple[Any, ...]]:
        with one_line(str(self.table)):
            job = self._begin(sql, first, after)
            found = job.result(
                page_size=PAGE_ROWS,
                retry=self.retry(),
                job_retry=None,
                timeout=self.patience.deadline,
            )
            self.spent.bytes_billed += int(job.total_bytes_billed or 0)
            came = 0
            for page in found.pages:
                for row in page:
                    came += 1
                    yield row.values()
        if came != found.total_rows:
            raise UpstreamUnavailable(
                f"{self.table}: {came} rows came where BigQuery announced {found.total_rows}"
            )

    def _begin(self, sql: str, first: date, after: date, *, dry: bool = False) -> Any:
        config = bigquery.QueryJobConfig(
            query_parameters=[
                bigquery.ScalarQueryParameter("first", "TIMESTAMP", _midnight(first)),
                bigquery.ScalarQueryParameter("after", "TIMESTAMP", _midnight(after)),
            ],
            use_legacy_sql=False,
            use_query_cache=False,
            labels={"application": "open-cloud-ops"},
        )
        if dry:
            config.dry_run = True
        else:
            config.maximum_bytes_billed = self.maximum_bytes_billed
        return self.client.query(
            sql,
            job_config=config,
            location=self.location or (self._state.location if self._state else None),
            retry=self.retry(),
            job_retry=None,
            timeout=_REQUEST_SECONDS,
        )

    def retry(self) -> Retry:
        """The library's own way of trying again, as patient as we are."""
        return Retry(
            predicate=is_transient,
            initial=self.patience.first,
            maximum=self.patience.longest,
            timeout=self.patience.deadline,
            on_error=self._tell,
        )

    def _tell(self, error: Exception) -> None:
        _log.warning("%s: trying again: %s", self.table, told(error))


def open_client(
    table: ExportTable,
    credentials: Credentials,
    *,
    location: str | None,
    maximum_bytes_billed: int,
    api_endpoint: str | None = None,
    patience: Patience | None = None,
) -> ExportClient:
    """A client; no request is made until it is used.

    Args:
        table: which export; queries run in its project.
        credentials: Google's, for BigQuery.
        location: where queries run.
        maximum_bytes_billed: of one query.
        api_endpoint: address of the API where it is not Google's usual one.
        patience: for what is transient.
    """
    session = AuthorizedSession(credentials)
    client = bigquery.Client(
        project=table.project,
        credentials=credentials,
        client_options={"api_endpoint": api_endpoint} if api_endpoint else None,
        _http=session,
    )
    opened = ExportClient(
        table, client, location, maximum_bytes_billed, patience=patience or Patience()
    )

    def count(response: requests.Response, **_: object) -> None:
        del response
        opened.spent.requests += 1

    session.hooks["response"].append(count)
    return opened


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _paths(fields: list[SchemaField], before: str = "") -> Iterator[str]:
    """Names of columns and of what is in structs; an array is a column, whatever is in it."""
    for found in fields:
        path = f"{before}{found.name}"
        if found.field_type in {"RECORD", "STRUCT"} and found.mode != "REPEATED":
            yield from _paths(found.fields, f"{path}.")
        else:
            yield path
