"""Kind inventory of AWS."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from oco_pipelines.ingestion.source_kinds import Finding, SourceKind
from oco_pipelines.inventory.collecting import Collected, Say
from oco_warehouse.cloud_accounts.account import INVENTORY, Account
from oco_warehouse.cloud_accounts.aws_inventory import parse_inventory
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from dagster import Definitions


class AwsInventory:
    """Resources of an AWS account, and their metrics from CloudWatch."""

    provider = "aws"
    kind = INVENTORY

    def check(self, account: Account) -> list[Finding]:
        """Every kind of resource, and CloudWatch."""
        from oco_pipelines.inventory.aws_check import check_inventory

        return check_inventory(account, parse_inventory(account))

    def definitions(self, accounts: Sequence[Account], settings: Settings) -> "Definitions":
        """An asset of each account."""
        from oco_pipelines.inventory.assets import build_accounts

        return build_accounts(accounts, settings, _collect)


def _collect(warehouse: Warehouse, account: Account, say: Say) -> tuple[Collected, dict[str, Any]]:
    from oco_pipelines.inventory.aws_collect import collect

    done = collect(warehouse, account, say=say)
    metrics = done.metrics
    return done.collected, {
        "regions": list(done.regions),
        "requests": done.requests,
        "metric_requests": metrics.requests,
        "metric_queries": metrics.queries,
        "metrics": metrics.intervals,
        "metrics_changed": metrics.changed,
        "resources_without_new_metrics": metrics.left,
        "cost_usd": f"{metrics.cost_usd:f}",
    }


KINDS: Final[tuple[SourceKind, ...]] = (AwsInventory(),)
