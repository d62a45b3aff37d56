"""Kind inventory of Azure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from oco_pipelines.ingestion.source_kinds import Finding, SourceKind
from oco_pipelines.inventory.collecting import Collected, Say
from oco_warehouse.cloud_accounts.account import INVENTORY, Account
from oco_warehouse.cloud_accounts.azure_inventory import parse_inventory
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from dagster import Definitions


class AzureInventory:
    """Resources of subscriptions, their metrics, and what Advisor recommends."""

    provider = "azure"
    kind = INVENTORY

    def check(self, account: Account) -> list[Finding]:
        """A token, and every subscription."""
        from oco_pipelines.inventory.azure_check import check_inventory

        return check_inventory(account, parse_inventory(account))

    def definitions(self, accounts: Sequence[Account], settings: Settings) -> "Definitions":
        """An asset of each account."""
        from oco_pipelines.inventory.assets import build_accounts

        return build_accounts(accounts, settings, _collect)


def _collect(warehouse: Warehouse, account: Account, say: Say) -> tuple[Collected, dict[str, Any]]:
    from oco_pipelines.inventory.azure_collect import collect

    done = collect(warehouse, account, say=say)
    return done.collected, {
        "requests": done.requests,
        "metric_requests": done.metric_requests,
        "metrics": done.intervals,
        "metrics_changed": done.changed,
        "resources_without_new_metrics": done.left,
        "recommendations_of_advisor": done.advice,
    }


KINDS: Final[tuple[SourceKind, ...]] = (AzureInventory(),)
