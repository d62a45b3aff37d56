"""Kind inventory of Kubernetes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from oco_pipelines.ingestion.source_kinds import Finding, SourceKind
from oco_pipelines.inventory.collecting import Collected, Say
from oco_warehouse.cloud_accounts.account import INVENTORY, Account
from oco_warehouse.cloud_accounts.k8s_inventory import parse_inventory
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from dagster import Definitions


class KubernetesInventory:
    """Namespaces and deployments of a cluster, what they request, and what they use of it."""

    provider = "kubernetes"
    kind = INVENTORY

    def check(self, account: Account) -> list[Finding]:
        """Every list that a run reads."""
        from oco_pipelines.inventory.k8s_check import check_inventory

        return check_inventory(account, parse_inventory(account))

    def definitions(self, accounts: Sequence[Account], settings: Settings) -> "Definitions":
        """An asset of each account."""
        from oco_pipelines.inventory.assets import build_accounts

        return build_accounts(accounts, settings, _collect)


def _collect(warehouse: Warehouse, account: Account, say: Say) -> tuple[Collected, dict[str, Any]]:
    from oco_pipelines.inventory.k8s_collect import collect

    done = collect(warehouse, account, say=say)
    return done.collected, {
        "requests": done.requests,
        "metrics": done.intervals,
        "tells_use": done.has_metrics,
    }


KINDS: Final[tuple[SourceKind, ...]] = (KubernetesInventory(),)
