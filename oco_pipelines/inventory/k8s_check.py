"""Whether a cluster can be listed; if not, the role to grant."""

from typing import TYPE_CHECKING, Final

from oco_pipelines.ingestion.source_kinds import Finding
from oco_pipelines.inventory.k8s_access import LISTS, Kubernetes
from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_warehouse.cloud_accounts.k8s_inventory import KubernetesInventoryOptions
from oco_warehouse.errors import NotFoundError, OpenCloudOpsError

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.account import Account

CLUSTER_ROLE: Final = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: open-cloud-ops-inventory}
rules:
  - {apiGroups: [""], resources: [namespaces, pods], verbs: [list]}
  - {apiGroups: [apps], resources: [deployments], verbs: [list]}
  - {apiGroups: [metrics.k8s.io], resources: [pods], verbs: [list]}"""
_REMEDY: Final = f"bind this role to the identity of the kubeconfig:\n{CLUSTER_ROLE}"


def check_inventory(account: "Account", options: KubernetesInventoryOptions) -> list[Finding]:
    """Every list that a run reads."""
    try:
        cluster = Kubernetes(account, options)
    except OpenCloudOpsError as error:
        return [Finding("read the kubeconfig", ok=False, detail=str(error))]
    wanted = [name for name in LISTS if options.metrics or name != "metrics"]
    return [_try(cluster, name) for name in wanted]


def _try(cluster: Kubernetes, name: str) -> Finding:
    what = LISTS[name][1]
    try:
        count = sum(1 for _ in cluster.list(name))
    except MissingPermission as denied:
        return Finding(
            what, ok=False, detail=f"{denied.permission} is missing: {denied}", remedy=_REMEDY
        )
    except NotFoundError as error:
        # Without a metrics server requests are listed all the same.
        return Finding(what, ok=name == "metrics", detail=str(error))
    except OpenCloudOpsError as error:
        return Finding(what, ok=False, detail=str(error))
    return Finding(what, ok=True, detail=f"{count} are there")
