"""Tries everything that reading a billing export needs, and says what is missing and what to do."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from oco_pipelines.ingestion.bigquery_client import ExportClient, TableState
from oco_pipelines.ingestion.bigquery_credentials import member_of
from oco_pipelines.ingestion.bigquery_days import window_of
from oco_pipelines.ingestion.bigquery_errors import AccessDenied, one_line
from oco_pipelines.ingestion.bigquery_table import rows_query
from oco_pipelines.ingestion.source_kinds import Finding
from oco_warehouse.cloud_accounts.bigquery_address import DETAILED, STANDARD, ExportTable
from oco_warehouse.cloud_accounts.bigquery_options import BigQueryOptions
from oco_warehouse.errors import NotFoundError, OpenCloudOpsError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_SHOWN_TABLES: Final = 5
# BigQuery bills ten megabytes of each table that a query reads, at least.
_LEAST_BILLED: Final = 10 * 1024**2
_SILENCE: Final = timedelta(days=2)
_ENABLE: Final = (
    "enable it in the console under Billing, Billing export, BigQuery export; the first rows come "
    "within a day"
)


def findings(
    client: ExportClient, options: BigQueryOptions, credentials: "Credentials", today: date
) -> list[Finding]:
    """What was looked at, in the order in which a run needs it; stops where nothing can follow."""
    return list(_findings(client, options, credentials, today))


def jobs_remedy(project: str, member: str) -> str:
    """How to let somebody run queries in a project."""
    return (
        f"gcloud projects add-iam-policy-binding {project} --member={member} "
        "--role=roles/bigquery.jobUser"
    )


def viewer_remedy(table: ExportTable, member: str) -> str:
    """How to let somebody read a dataset."""
    return (
        f"bq query --use_legacy_sql=false 'GRANT `roles/bigquery.dataViewer` ON SCHEMA "
        f'`{table.project}.{table.dataset}` TO "{member}"\''
    )


def _findings(
    client: ExportClient, options: BigQueryOptions, credentials: "Credentials", today: date
) -> Iterator[Finding]:
    table = options.table
    what = f"read the description of {table}"
    try:
        state = client.state()
        rows_query(table, state.columns)
    except AccessDenied as error:
        yield Finding(what, False, str(error), viewer_remedy(table, member_of(credentials)))
        return
    except NotFoundError as error:
        yield Finding(what, False, str(error), _what_is_there(client))
        return
    except OpenCloudOpsError as error:
        yield Finding(what, False, str(error))
        return
    yield Finding(what, True, f"{state.rows} rows, changed {state.modified:%Y-%m-%d %H:%M} UTC")
    yield from _location(options, state)
    yield from _query(client, options, state, credentials, today)
    yield from _freshness(state)


def _location(options: BigQueryOptions, state: TableState) -> Iterator[Finding]:
    if options.location and options.location.upper() != state.location.upper():
        yield Finding(
            f"location {options.location}",
            False,
            f"the dataset lies in {state.location}",
            f"set location: {state.location}, or leave it out",
        )


def _query(
    client: ExportClient,
    options: BigQueryOptions,
    state: TableState,
    credentials: "Credentials",
    today: date,
) -> Iterator[Finding]:
    """A dry run of the query that looks for changes: nothing is run and nothing is billed."""
    table = options.table
    first, after = window_of(today, options, state.expires_after)
    what = f"query {table} in project {table.project}"
    try:
        size = client.bytes_of(first, after)
    except AccessDenied as error:
        member = member_of(credentials)  # a machine knows its own name only after it has asked
        yield Finding(
            what,
            False,
            str(error),
            f"{jobs_remedy(table.project, member)}\n{viewer_remedy(table, member)}",
        )
        return
    except OpenCloudOpsError as error:
        yield Finding(what, False, str(error))
        return
    billed = max(size, _LEAST_BILLED)
    if billed > options.maximum_bytes_billed:
        yield Finding(
            what,
            False,
            f"looking for changes bills {billed} bytes, maximum_bytes_billed is "
            f"{options.maximum_bytes_billed}",
            f"raise maximum_bytes_billed to at least {billed}, or lower lookback_days",
        )
        return
    yield Finding(what, True, f"looking for changes from {first} on reads {size} bytes")


def _freshness(state: TableState) -> Iterator[Finding]:
    what = "rows of the export"
    if state.rows == 0:
        yield Finding(what, False, "the table is there and has no rows yet", _ENABLE)
    elif datetime.now(UTC) - state.modified > _SILENCE:
        yield Finding(
            what,
            False,
            f"the last ones came {state.modified:%Y-%m-%d %H:%M} UTC; Google writes every day",
            f"see whether the export still goes to this table; else {_ENABLE}",
        )
    else:
        yield Finding(what, True, f"the last ones came {state.modified:%Y-%m-%d %H:%M} UTC")


def _what_is_there(client: ExportClient) -> str:
    """What to do about a table that is not found, by what is in its dataset."""
    table = client.table
    dataset = f"{table.project}.{table.dataset}"
    try:
        with one_line(dataset):
            names = [
                item.table_id
                for item in client.client.list_tables(dataset, retry=client.retry(), timeout=60)
            ]
    except NotFoundError:
        return (
            f"there is no dataset {dataset}: correct project or dataset (bq ls "
            f"--project_id={table.project}); without an export, {_ENABLE}"
        )
    except OpenCloudOpsError as error:
        return f"what is in {dataset} cannot be listed ({error})"
    exports = sorted(name for name in names if name.lower().startswith((STANDARD, DETAILED)))
    if not exports:
        return f"there is no billing export in {dataset}: {_ENABLE}"
    more = len(exports) - _SHOWN_TABLES
    shown = ", ".join(exports[:_SHOWN_TABLES]) + (f" and {more} more" if more > 0 else "")
    return f"name a table of {dataset} that is there: {shown}"
