"""Days of an account from AWS Cost Explorer into the warehouse, each day whole.

Cost Explorer restates days until it no longer calls them estimated, and groups vanish meanwhile.
So every day that is read replaces what was believed of it.

Where resources are wanted, they split a day's usage and never change its sums. AWS knows them for
14 days: on older days, and while it does not answer about them, those that are believed stay.
"""

import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from oco_pipelines.ingestion.aws_access import Requests, make_client
from oco_pipelines.ingestion.aws_ce_charges import Day, add_page, in_one_order, refuse_missing
from oco_pipelines.ingestion.aws_ce_pages import Say, Sleep, read_pages
from oco_pipelines.ingestion.aws_ce_request import (
    first_day_to_read,
    make_queries,
    make_resource_queries,
)
from oco_pipelines.ingestion.aws_ce_resources import (
    Answers,
    add_resource_page,
    known_shares,
    split_over_resources,
)
from oco_pipelines.ingestion.source_assets import part_of, partition_key, source_name
from oco_pipelines.ingestion.source_overlap import refuse_other_sources
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_ce_options import (
    RESOURCES_REMEDY,
    CostExplorerOptions,
    parse_cost_explorer,
)
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from oco_pipelines.ingestion.cost_batch import LoadResult


@dataclass(slots=True)
class DaysLoad:
    """What a run read and did.

    Attributes:
        results: of each day.
        first: first day that was read.
        end: the day after the last.
        estimated: how many of the days are estimates.
        paid: requests that were answered, each of which AWS bills.
        paid_resources: those of them that were about resources.
        without_resources: why resources of a service were not answered; empty when all were.
        requests: those that were sent.
    """

    first: date
    end: date
    results: "list[LoadResult]" = field(default_factory=list)
    estimated: int = 0
    paid: int = 0
    paid_resources: int = 0
    without_resources: list[str] = field(default_factory=list)
    requests: Requests = field(default_factory=Requests)


def load_days(
    warehouse: Warehouse,
    account: Account,
    *,
    start: date | None = None,
    run_id: str | None = None,
    now: datetime | None = None,
    say: Say = lambda _: None,
    sleep: Sleep = time.sleep,
) -> DaysLoad:
    """Replace every day that is not final yet, today included, by what Cost Explorer says now.

    All answers are read before the first day is loaded, each day in a transaction of its own.

    Args:
        warehouse: migrated.
        account: of kind cost_explorer.
        start: first day to read, final or not; None for the first that is not.
        run_id: Dagster's run, if any.
        now: instead of the clock.
        say: told of every wait.
        sleep: instead of `time.sleep`.

    Raises:
        InvalidInputError: when AWS answers what was not asked; nothing is changed.
        ConflictError: when costs of these days came from another source; nothing is asked.
        OpenCloudOpsError: as `aws_failures` and `cost_load.load` raise.
    """
    options = parse_cost_explorer(account)
    today = (now or datetime.now(UTC)).date()
    first = start or first_day_to_read(today, _loaded_days(warehouse, account), options.since)
    done = DaysLoad(first, today + timedelta(days=1))
    if first > today:
        raise InvalidInputError(f"account {account.name}: {first} lies in the future")
    refuse_other_sources(
        warehouse,
        partition_key(account, first.isoformat()),
        source_name(account),
        account.provider,
        options.linked_accounts or [options.access.account_id],
        first,
        done.end,
    )
    days = _read(account, options, done, say, sleep)
    if options.resources:
        answers = _read_resources(account, options, done, say, sleep)
        known = _known_resources(warehouse, account, days)
        for day, entry in days.items():
            entry.charges = split_over_resources(
                entry, options.resources, answers.get(day, {}), known.get(day, {})
            )
    for day, entry in sorted(days.items()):
        done.results.append(_load_day(warehouse, account, day, entry, run_id))
        done.estimated += entry.estimated
    return done


def _read(
    account: Account, options: CostExplorerOptions, done: DaysLoad, say: Say, sleep: Sleep
) -> dict[date, Day]:
    client = make_client(account, options.access, "ce", done.requests)
    queries = list(make_queries(done.first, done.end, options.linked_accounts, net=options.net))
    days: dict[date, Day] = {}
    for number, query in enumerate(queries):
        for page in read_pages(account, client, query, say, sleep):
            done.paid += 1
            add_page(days, number, query, page, options.access.account_id)
    refuse_missing(days, done.first, done.end, len(queries))
    return days


def _read_resources(
    account: Account, options: CostExplorerOptions, done: DaysLoad, say: Say, sleep: Sleep
) -> Answers:
    """What AWS says of resources. Where it refuses to say, so is told, and the sums are loaded."""
    client = make_client(account, options.access, "ce", done.requests)
    whole: Answers = {}
    for query in make_resource_queries(
        done.first, done.end, options.linked_accounts, options.resources, net=options.net
    ):
        # Of a service all of an answer or nothing: half of one would look like resources gone.
        answers: Answers = {}
        try:
            for page in read_pages(account, client, query, say, sleep):
                done.paid += 1
                done.paid_resources += 1
                add_resource_page(answers, query, page)
        except (ConfigurationError, InvalidInputError) as error:
            remedy = (
                f"allow ce:{query.operation}, see `oco sources check`"
                if isinstance(error, ConfigurationError)
                else RESOURCES_REMEDY
            )
            done.without_resources.append(f"{query.service}: {error}")
            say(f"{error} for {query.service}, whose sums are loaded without new ones: {remedy}")
            continue
        for day, shares in answers.items():
            whole.setdefault(day, {}).update(shares)
    return whole


def _known_resources(warehouse: Warehouse, account: Account, days: dict[date, Day]) -> Answers:
    rows = warehouse.query(
        "SELECT date AS day, sub_account_id, service, charge_description AS usage_type, "
        "resource_id, billed_cost, effective_cost, billing_currency, usage_quantity, usage_unit "
        "FROM oco.cloud_costs WHERE source = %s AND source_partition = ANY(%s) "
        "AND valid_to IS NULL AND resource_id IS NOT NULL ORDER BY resource_id",
        [source_name(account), [partition_key(account, day.isoformat()) for day in days]],
    )
    return known_shares(rows)


def _load_day(
    warehouse: Warehouse, account: Account, day: date, entry: Day, run_id: str | None
) -> "LoadResult":
    import polars as pl

    from oco_pipelines.ingestion.cost_batch import Origin
    from oco_pipelines.ingestion.cost_load import load
    from oco_pipelines.ingestion.focus_normalise import normalise
    from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable

    charges = in_one_order(entry.charges)
    tables = []
    if charges:
        frame = pl.DataFrame(charges, schema=dict.fromkeys(charges[0], pl.String))
        tables = [SourceTable(frame.with_row_index(ROW_NUMBER, offset=1), ())]
    return load(
        warehouse,
        map(normalise, tables),
        Origin(
            source_name(account),
            partition_key(account, day.isoformat()),
            hashlib.sha256(json.dumps(charges).encode()).hexdigest(),
            run_id,
            estimated=entry.estimated,
        ),
        may_be_empty=True,
    )


def _loaded_days(warehouse: Warehouse, account: Account) -> dict[date, bool]:
    """{day: whether its newest load was of an estimate}."""
    rows = warehouse.query(
        "SELECT DISTINCT ON (source_partition) source_partition, estimated "
        "FROM oco.ingestion_batches WHERE source = %s AND starts_with(source_partition, %s) "
        "AND status IN ('loaded', 'unchanged') ORDER BY source_partition, finished_at DESC",
        [source_name(account), partition_key(account, "")],
    )
    return {date.fromisoformat(part_of(row["source_partition"])): row["estimated"] for row in rows}
