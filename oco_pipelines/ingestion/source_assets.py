"""What the assets of all accounts have in common: names, partitions, pools, metadata, failures.

Does not belong here: what a kind asks of its cloud.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from dagster import AssetKey, DynamicPartitionsDefinition, Failure, RetryRequested

from oco_warehouse.cloud_accounts.account import Account
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
