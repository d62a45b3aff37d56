"""What the assets of all accounts have in common: names, partitions, pools, metadata, failures.

Does not belong here: what a kind asks of its cloud.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    DynamicPartitionsDefinition,
    Failure,
    RetryRequested,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
)

from oco_pipelines.ingestion.accounts import Account
from oco_warehouse.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    UpstreamError,
)

if TYPE_CHECKING:
    from oco_pipelines.ingestion.cost_batch import LoadResult

# Accounts are not part of the first start's one pass over all assets: their sensors begin at once.
GROUP: Final = "sources"
# One tick asks for so many runs at most; the next tick goes on from there.
MAX_REQUESTS: Final = 100
_RETRIES: Final = 3
_RETRY_SECONDS: Final = 60


def asset_key(account: Account) -> AssetKey:
    """As in aws_data_export/aws_main."""
    return AssetKey([source_name(account), account.slug])


def source_name(account: Account) -> str:
    """Source in `oco.cloud_costs` of every account of a kind: aws_data_export."""
    return f"{account.provider}_{account.kind}"


def pool(account: Account) -> str:
    """Concurrency pool of an account: its limit is 1 where none is set, see dagster.yaml."""
    return f"account_{account.slug}"


def partitions(account: Account) -> DynamicPartitionsDefinition:
    """Partitions of an account: `partition_key` of what it has costs of."""
    return DynamicPartitionsDefinition(name=f"account_{account.slug}")


def partition_key(account: Account, part: str) -> str:
    """`aws-main|2026-09`; also the source_partition in the warehouse."""
    return f"{account.name}|{part}"


def part_of(key: str) -> str:
    """`2026-09` of `aws-main|2026-09`."""
    return key.partition("|")[2]


@contextmanager
def failures_told() -> Iterator[None]:
    """Our errors as Dagster's: tried again where that helps, else failed at once with one line."""
    try:
        yield
    except UpstreamError as error:
        raise RetryRequested(_RETRIES, seconds_to_wait=_RETRY_SECONDS) from error
    except (InvalidInputError, ConfigurationError, ConflictError, NotFoundError) as error:
        raise Failure(description=str(error), allow_retries=False) from error


def load_metadata(results: "Sequence[LoadResult]", **more: Any) -> dict[str, Any]:
    """Metadata of a run from what its loads did, one a partition of the warehouse."""
    from oco_pipelines.ingestion.cost_totals import Totals, add_totals, totals_json

    total: Totals = {}
    for result in results:
        total = add_totals(total, result.totals_loaded)
    days = [day for result in results if result.window for day in result.window]
    return {
        "rows": sum(result.accepted for result in results),
        "rejected": sum(result.rejected for result in results),
        "inserted": sum(result.inserted for result in results),
        "closed": sum(result.closed for result in results),
        "status": ", ".join(sorted({result.status for result in results})) or "nothing",
        "total": totals_json(total),
        "window": f"{min(days)} to {max(days)}" if days else "nothing",
        **more,
    }


def last_metadata(instance: DagsterInstance, account: Account, key: str) -> Mapping[str, Any]:
    """Metadata values of a partition's newest materialisation; empty when there is none."""
    found = instance.fetch_materializations(
        AssetRecordsFilter(asset_key=asset_key(account), asset_partitions=[key]), limit=1
    ).records
    event = found[0].asset_materialization if found else None
    return {} if event is None else {name: value.value for name, value in event.metadata.items()}


def ask_for_changed(
    context: SensorEvaluationContext, account: Account, marks: Mapping[str, str]
) -> SensorResult:
    """Ask for each version of a partition once, unless it is loaded already.

    Args:
        context: of a sensor; its cursor keeps what was asked for.
        account: whose partitions.
        marks: {partition key: a text that changes with what the cloud has of it}.
    """
    known: dict[str, str] = json.loads(context.cursor or "{}")
    changed = [key for key, mark in marks.items() if known.get(key) != mark][:MAX_REQUESTS]
    requests = [
        RunRequest(run_key=f"{key}:{marks[key]}", partition_key=key)
        for key in changed
        if last_metadata(context.instance, account, key).get("mark") != marks[key]
    ]
    kept = {key: mark for key, mark in known.items() if key in marks}
    return SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[partitions(account).build_add_request(changed)],
        cursor=json.dumps({**kept, **{key: marks[key] for key in changed}}),
    )
