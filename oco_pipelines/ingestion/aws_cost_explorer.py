"""Days of an account from AWS Cost Explorer into the warehouse, each day whole.

Cost Explorer restates days until it no longer calls them estimated, and groups vanish meanwhile.
So every day that is read replaces what was believed of it.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from oco_pipelines.ingestion.accounts import Account
from oco_pipelines.ingestion.aws_access import Requests, aws_failures, make_client
from oco_pipelines.ingestion.aws_ce_charges import Day, add_page, in_one_order, refuse_missing
from oco_pipelines.ingestion.aws_ce_request import Query, first_day_to_read, make_queries
from oco_pipelines.ingestion.aws_options import (
    ACCESS_OPTIONS,
    AwsAccess,
    parse_access,
    refuse_unknown_options,
)
from oco_pipelines.ingestion.source_assets import part_of, partition_key, source_name
from oco_pipelines.ingestion.source_overlap import refuse_other_sources
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, UpstreamError, UpstreamUnavailable

if TYPE_CHECKING:
    from oco_pipelines.ingestion.cost_batch import LoadResult

OPTIONS: Final = (*ACCESS_OPTIONS, "linked_accounts", "net", "since")
PRICE_USD: Final = Decimal("0.01")
# 1, 2, 4 … seconds and at most a minute between them: some four minutes in all.
ATTEMPTS: Final = 9
_LONGEST_WAIT_SECONDS: Final = 60
_MAX_PAGES: Final = 5_000

Say = Callable[[str], object]
Sleep = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class CostExplorerOptions:
    """What is asked.

    Attributes:
        access: how AWS is reached.
        linked_accounts: each is asked about by itself; none means the payer as a whole.
        net: whether costs after private discounts are asked for.
        since: first day that is wanted; None for the first day of the month before.
    """

    access: AwsAccess
    linked_accounts: tuple[str, ...]
    net: bool
    since: date | None


@dataclass(slots=True)
class DaysLoad:
    """What a run read and did.

    Attributes:
        results: of each day.
        first: first day that was read.
        end: the day after the last.
        estimated: how many of the days are estimates.
        paid: requests that were answered, each of which AWS bills.
        requests: those that were sent.
    """

    first: date
    end: date
    results: "list[LoadResult]" = field(default_factory=list)
    estimated: int = 0
    paid: int = 0
    requests: Requests = field(default_factory=Requests)


def parse_cost_explorer(account: Account) -> CostExplorerOptions:
    """The options of an account of kind cost_explorer.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    refuse_unknown_options(account, OPTIONS)
    access = parse_access(account)
    where = f"account {account.name}: options"
    linked = account.options.get("linked_accounts", [])
    if not isinstance(linked, list) or not all(
        isinstance(one, str) and len(one) == 12 and one.isdecimal() for one in linked
    ):
        raise InvalidInputError(f"{where}.linked_accounts must be a list of 12 digits in quotes")
    if len(set(linked)) != len(linked):
        raise InvalidInputError(f"{where}.linked_accounts names an account twice")
    net = account.options.get("net", True)
    if not isinstance(net, bool):
        raise InvalidInputError(f"{where}.net must be true or false")
    given = account.options.get("since")
    since = None
    if given is not None:
        try:
            # YAML reads a day without quotes as a date.
            since = date.fromisoformat(str(given))
        except ValueError:
            raise InvalidInputError(f"{where}.since must be a day, as in 2026-01-01") from None
    return CostExplorerOptions(access, tuple(linked), net, since)


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
        for page in _pages(account, client, query, say, sleep):
            done.paid += 1
            add_page(days, number, query, page, options.access.account_id)
    refuse_missing(days, done.first, done.end, len(queries))
    return days


def _pages(
    account: Account, client: Any, query: Query, say: Say, sleep: Sleep
) -> Iterator[dict[str, Any]]:
    """Every page of an answer: boto3 has no paginator for it."""
    where = f"account {account.name}: ce:GetCostAndUsage"
    request, seen = dict(query.request), set[str]()
    while len(seen) < _MAX_PAGES:
        page = _ask(where, client, request, say, sleep)
        yield page
        token = page.get("NextPageToken")
        if not token:
            return
        if token in seen:
            raise UpstreamUnavailable(f"{where}: the pages of the answer do not end")
        seen.add(token)
        request["NextPageToken"] = token
    raise UpstreamUnavailable(f"{where}: the answer has more than {_MAX_PAGES} pages")


def _ask(
    where: str, client: Any, request: dict[str, Any], say: Say, sleep: Sleep
) -> dict[str, Any]:
    """One page; waits as long as AWS asks to slow down or does not answer, and says so."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with aws_failures(where):
                page: dict[str, Any] = client.get_cost_and_usage(**request)
                return page
        except UpstreamError as error:
            if attempt == ATTEMPTS:
                raise
            wait = min(2 ** (attempt - 1), _LONGEST_WAIT_SECONDS)
            say(f"{error}: attempt {attempt} of {ATTEMPTS}, the next one in {wait} s")
            sleep(wait)
    raise AssertionError("unreachable: the last attempt returns or raises")


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
