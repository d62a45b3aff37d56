"""The options of an account of kind inventory of Kubernetes. Pure."""

from dataclasses import dataclass
from typing import Final

from oco_warehouse.cloud_accounts.account import INVENTORY, Account, KindRules, no_money
from oco_warehouse.errors import InvalidInputError

KNOWN: Final = ("cluster", "context", "metrics")


@dataclass(frozen=True, slots=True)
class KubernetesInventoryOptions:
    """What is listed.

    Attributes:
        cluster: what the cluster is called in the warehouse.
        context: of the kubeconfig; None for its current one.
        metrics: whether use is read, where the cluster tells it.
    """

    cluster: str
    context: str | None
    metrics: bool


def parse_inventory(account: Account) -> KubernetesInventoryOptions:
    """The options of an account of kind inventory.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    where, given = f"account {account.name}: options", account.options
    for name in given:
        if name not in KNOWN:
            raise InvalidInputError(f"{where}.{name} is unknown; known are {', '.join(KNOWN)}")
    cluster, context = given.get("cluster"), given.get("context")
    if not isinstance(cluster, str) or not cluster.strip():
        raise InvalidInputError(f"{where}.cluster must be what the cluster is called")
    if context is not None and (not isinstance(context, str) or not context):
        raise InvalidInputError(f"{where}.context must be the name of one in the kubeconfig")
    metrics = given.get("metrics", True)
    if not isinstance(metrics, bool):
        raise InvalidInputError(f"{where}.metrics must be true or false")
    if account.credentials.origin == "environment":
        raise InvalidInputError(
            f"account {account.name}: credentials.from must be file, with the kubeconfig as its "
            "path, or instance_role, for the service account of a pod"
        )
    return KubernetesInventoryOptions(cluster.strip(), context, metrics)


RULES: Final = KindRules("kubernetes", INVENTORY, parse_inventory, no_money)
