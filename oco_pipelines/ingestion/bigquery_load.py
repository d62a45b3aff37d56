"""One day of a billing export from BigQuery into the warehouse: figures → rows → load.

The rows come onto the disk first, so that no lock is held while Google answers, and a download that
breaks has changed nothing. From there they go the way of a file of exported rows (`gcp_file`).
"""

import gzip
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from oco_pipelines.ingestion.bigquery_client import ExportClient, Figures
from oco_pipelines.ingestion.bigquery_days import (
    changed_days,
    days_at_old_rates,
    loaded_days,
    origin_of,
    window_of,
)
from oco_pipelines.ingestion.cost_batch import LoadResult
from oco_pipelines.ingestion.cost_load import load
from oco_pipelines.ingestion.focus_normalise import Normalised, normalise
from oco_pipelines.ingestion.gcp_file import read_gcp
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.bigquery_options import parse_options
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, UpstreamUnavailable

_FAST: Final = 1


def find_changes(
    warehouse: Warehouse,
    client: ExportClient,
    account: Account,
    today: date,
    *,
    and_rates: bool = False,
) -> dict[date, str]:
    """{day: mark of its rows now} of each day that has to be loaded, newest first; one query.

    Args:
        warehouse: the warehouse, migrated.
        client: the export.
        account: whose it is.
        today: the last day of the window, UTC.
        and_rates: whether days count as changed, too, of which an exchange rate was corrected.

    Raises:
        ConflictError: when the whole window has lost its rows, which no restatement does.
        OpenCloudOpsError: as `bigquery_errors` tells.
    """
    first, after = window_of(today, parse_options(account), client.state().expires_after)
    there = client.figures(first, after)
    loaded = loaded_days(warehouse, account)
    held = [day for day, done in loaded.items() if day >= first and done.rows]
    if held and not there:
        raise ConflictError(
            f"{client.table}: has no rows since {first}, and {len(held)} days of it are loaded: "
            "nothing is closed; see whether the export goes to another table now"
        )
    old = days_at_old_rates(warehouse, account) if and_rates else set()
    return changed_days(client.table, there, loaded, first, old)


def load_day(
    warehouse: Warehouse,
    client: ExportClient,
    account: Account,
    day: date,
    run_id: str | None = None,
) -> LoadResult:
    """Make the warehouse believe of a day exactly what the export has of it now.

    A day whose figures are those of the last load is not read again; one without rows is closed.

    Args:
        warehouse: the warehouse, migrated.
        client: the export.
        account: whose it is.
        day: on which Google exported, UTC.
        run_id: Dagster's run.

    Raises:
        UpstreamUnavailable: when the day was changed while it was read; nothing was changed here.
        OpenCloudOpsError: as `bigquery_errors` and `cost_load.load` raise.
    """
    found = client.figures(day, day + timedelta(days=1))
    figures = found[0] if found else None
    origin = origin_of(account, client.table, day, figures, run_id)
    if figures is None:
        return load(warehouse, (), origin, may_be_empty=True)
    with TemporaryDirectory(prefix="oco-bigquery-") as folder:
        path = Path(folder) / "rows.jsonl.gz"

        def rows() -> Iterator[Normalised]:
            download(client, figures, path)
            yield from map(normalise, read_gcp(origin.partition, path))

        return load(warehouse, rows(), origin)


def download(client: ExportClient, figures: Figures, path: Path) -> None:
    """Write the rows of a day as gzipped JSON lines.

    Raises:
        UpstreamUnavailable: when they are not the rows that the figures tell of.
        OpenCloudOpsError: as `bigquery_errors` tells.
    """
    rows, newest = 0, 0
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=_FAST, newline="\n") as file:
        for line, exported in client.rows(figures.day):
            file.write(f"{line}\n")
            rows += 1
            newest = max(newest, exported)
    if (rows, newest) != (figures.rows, figures.newest):
        raise UpstreamUnavailable(
            f"{client.table}: the rows of {figures.day} changed while they were read "
            f"({figures.rows} were there, {rows} came); nothing was changed, the next run reads "
            "them again"
        )
