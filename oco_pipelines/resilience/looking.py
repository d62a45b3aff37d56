"""Looking at clusters in time, without a run: one would wait behind all others under load."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from oco_pipelines.resilience import store, velero_store
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.namespaces import judge_namespaces
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.tracker import Tracked, track
from oco_pipelines.resilience.verdicts import judge_policy
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import OpenCloudOpsError

MOST_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a cluster found.

    Attributes:
        tracked: None when it could not be read; `problem` says why then.
        unfinished: backups that were on their way before.
        ended: whether one of these has ended.
        verdicts: of its enabled policies, by name; empty while nothing has changed.
    """

    cluster: str
    tracked: Tracked | None
    problem: str = ""
    unfinished: int = 0
    ended: bool = False
    verdicts: dict[str, str] = field(default_factory=dict)


def look_around(
    warehouse: Warehouse, gateway: KubernetesGateway, clusters: Collection[str]
) -> list[Look]:
    """Look once at each cluster where a backup is on its way, or that was not read for a while.

    Args:
        warehouse: keeps what is seen.
        gateway: reaches the clusters; one that does not answer delays no other.
        clusters: those that can be reached.
    """
    due = store.clusters_to_look_at(warehouse, clusters)
    if not due:
        return []
    policies = store.read_policies(warehouse)
    with ThreadPoolExecutor(min(len(due), MOST_AT_ONCE)) as pool:
        found = pool.map(
            lambda item: _look(warehouse, gateway, item[0], policies, item[1]), sorted(due.items())
        )
        return list(found)


def judge_cluster(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: str,
    policies: Collection[DrPolicy],
    *,
    changes_only: bool = False,
) -> dict[str, str]:
    """Judge the enabled policies of a cluster and its namespaces; returns the policies' verdicts.

    Raises:
        UpstreamError: when its namespaces cannot be read; its policies are judged all the same.
    """
    ours = [policy for policy in policies if policy.enabled and policy.cluster == cluster]
    verdicts = {
        policy.name: judge_policy(
            warehouse, gateway, policy, changes_only=changes_only
        ).verdict.value
        for policy in ours
    }
    judge_namespaces(warehouse, gateway, cluster, ours, velero_store.server_time(warehouse))
    return verdicts


def as_metadata(look: Look) -> dict[str, Any]:
    """What people read of a look in Dagster."""
    told = {} if look.tracked is None else asdict(look.tracked)
    return {"cluster": look.cluster, **told, **look.verdicts}


def _look(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: str,
    policies: list[DrPolicy],
    unfinished: frozenset[str],
) -> Look:
    tracked = None
    try:
        tracked = track(warehouse, gateway, cluster, policies)
        still = store.clusters_to_look_at(warehouse, [cluster]).get(cluster, frozenset())
        ended = not unfinished <= still
        # While nothing has ended there is nothing new to judge, the passing of time aside.
        if not ended and store.judged_lately(warehouse, cluster):
            return Look(cluster, tracked, unfinished=len(unfinished))
        verdicts = judge_cluster(warehouse, gateway, cluster, policies, changes_only=not ended)
    except OpenCloudOpsError as error:
        if tracked is None:
            velero_store.cluster_failed(warehouse, cluster, str(error))
        return Look(cluster, tracked, str(error), len(unfinished))
    return Look(cluster, tracked, unfinished=len(unfinished), ended=ended, verdicts=verdicts)
