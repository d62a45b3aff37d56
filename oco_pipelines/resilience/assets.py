"""Assets dr_policies, backups, backup_records and backup_compliance."""

import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

from dagster import (
    AssetExecutionContext,
    AutomationCondition,
    Config,
    ConfigurableResource,
    MaterializeResult,
    asset,
)

from oco_pipelines.resources import WarehouseResource
from oco_warehouse.errors import ConfigurationError, OpenCloudOpsError, UpstreamError

if TYPE_CHECKING:
    from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway

GROUP: Final = "resilience"
NO_CLUSTER: Final = "no cluster is configured (OCO_KUBECONFIG)"
# A sensor has a minute: what does not answer in time is asked again at one of the next ticks.
HURRIED_SECONDS: Final = 15.0
FOLLOW_SECONDS: Final = 20.0


class KubernetesResource(ConfigurableResource):  # type: ignore[type-arg]
    """Reaches the clusters of DR policies.

    Attributes:
        kubeconfig: path of the file; None when no cluster is configured by one.
        in_cluster: name of the cluster that we run in; empty when it is not one of them.
    """

    kubeconfig: str | None = None
    in_cluster: str = ""

    def open(self, *, hurried: bool = False) -> "KubernetesGateway | None":
        """A gateway, or None when no cluster is configured; nothing is contacted yet."""
        from pathlib import Path

        from oco_pipelines.resilience.kubernetes_calls import Patience
        from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway

        if not self.kubeconfig and not self.in_cluster:
            return None
        return KubernetesGateway(
            Path(self.kubeconfig) if self.kubeconfig else None,
            patience=Patience(read=10.0, deadline=HURRIED_SECONDS) if hurried else Patience(),
            in_cluster=self.in_cluster or None,
        )


class BackupsConfig(Config):
    """Which backup to take; without a policy, one now for each enabled policy.

    Attributes:
        policy_id: a DR policy.
        due_at: the due time that it is taken for, ISO 8601 with offset.
    """

    policy_id: str | None = None
    due_at: str | None = None


@asset(group_name=GROUP, kinds={"postgres"}, automation_condition=AutomationCondition.on_missing())
def dr_policies(
    context: AssetExecutionContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> MaterializeResult[None]:
    """What is backed up, when, and which targets it must meet. People own these rows."""
    from oco_pipelines.resilience.policy import problems
    from oco_pipelines.resilience.store import read_policies

    started = time.monotonic()
    policies = read_policies(warehouse.open())
    gateway = kubernetes.open()
    wrong = [f"{policy.name}: {problem}" for policy in policies for problem in problems(policy)]
    if gateway is not None:
        known = gateway.clusters()
        wrong += [
            f"{policy.name}: cluster {policy.cluster!r} is not a context of OCO_KUBECONFIG"
            for policy in policies
            if policy.cluster not in known
        ]
    for line in wrong:
        context.log.warning("DR policy %s", line)
    return MaterializeResult(
        metadata={
            "rows": len(policies),
            "enabled": sum(policy.enabled for policy in policies),
            "problems": wrong,
            "clusters": NO_CLUSTER if gateway is None else ", ".join(known),
            "seconds": time.monotonic() - started,
        }
    )


@asset(group_name=GROUP, kinds={"kubernetes"}, deps=[dr_policies])
def backups(
    context: AssetExecutionContext,
    config: BackupsConfig,
    warehouse: WarehouseResource,
    kubernetes: KubernetesResource,
) -> MaterializeResult[None]:
    """Velero backups: the one that is due, or, when a person asks, one now for each policy."""
    from oco_pipelines.resilience import store
    from oco_pipelines.resilience.tracker import take_backup

    started = time.monotonic()
    gateway = kubernetes.open()
    if gateway is None:
        return _nothing(started)
    house = warehouse.open()
    known = gateway.clusters()
    due_at = datetime.fromisoformat(config.due_at) if config.due_at else None
    wanted = (
        [store.read_policy(house, config.policy_id)]
        if config.policy_id
        else [policy for policy in store.read_policies(house) if policy.enabled]
    )
    taken, failed, skipped = [], [], []
    for policy in wanted:
        if policy.cluster not in known:
            skipped.append(f"{policy.name}: {policy.cluster!r} is not a context of OCO_KUBECONFIG")
            context.log.warning("DR policy %s", skipped[-1])
            continue
        try:
            backup = take_backup(house, gateway, policy, due_at)
        except OpenCloudOpsError as error:
            # One policy's trouble must not keep the others from their backups.
            failed.append(f"{policy.name}: {error}")
            context.log.error("DR policy %s", failed[-1])  # noqa: TRY400 - the line says it all
        else:
            taken.append(backup.name)
    if failed:
        raise UpstreamError(f"{len(failed)} of {len(wanted)} backups: {'; '.join(failed)}")
    return MaterializeResult(
        metadata={
            "rows": len(taken),
            "backups": taken,
            "skipped": skipped,
            "window": due_at.isoformat() if due_at else "now",
            "seconds": time.monotonic() - started,
        }
    )


@asset(group_name=GROUP, kinds={"kubernetes", "postgres"}, deps=[backups])
def backup_records(
    context: AssetExecutionContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> MaterializeResult[None]:
    """Every backup of the policies' clusters as last seen; kept after Velero forgets it."""
    from collections import Counter
    from dataclasses import asdict

    from oco_pipelines.resilience import store, velero_store
    from oco_pipelines.resilience.tracker import follow

    started = time.monotonic()
    gateway = kubernetes.open()
    if gateway is None:
        return _nothing(started)
    house = warehouse.open()
    policies, known = store.read_policies(house), gateway.clusters()
    wanted = sorted({policy.cluster for policy in policies})
    velero_store.forget_clusters(house, wanted)
    counts: Counter[str] = Counter()
    failed = []
    for cluster in wanted:
        try:
            if cluster not in known:
                raise ConfigurationError(f"{cluster!r} is not a context of OCO_KUBECONFIG")
            seen = follow(house, gateway, cluster, policies, wait_seconds=FOLLOW_SECONDS)
        except OpenCloudOpsError as error:
            # The policies of the other clusters are judged all the same, these as Unknown.
            failed.append(str(error))
            context.log.warning("cluster %s: %s", cluster, error)
            velero_store.cluster_failed(house, cluster, str(error))
            continue
        counts.update(asdict(seen))
    return MaterializeResult(
        metadata={
            "rows": counts.pop("seen", 0),
            **{name: counts[name] for name in ("usable", "unfinished", "vanished")},
            "unknown_phases": counts["unknown"],
            "failed_deletions": counts["failed_deletions"],
            "kept_alive": counts["kept"],
            "policies_not_kept": counts["not_kept"],
            "unread_clusters": failed,
            "seconds": time.monotonic() - started,
        }
    )


@asset(group_name=GROUP, kinds={"postgres"}, deps=[backup_records])
def backup_compliance(
    context: AssetExecutionContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> MaterializeResult[None]:
    """Whether each policy and namespace is protected, judged from evidence, with the reasons."""
    from collections import Counter

    from oco_pipelines.resilience import store, velero_store
    from oco_pipelines.resilience.namespaces import NOT_COVERED, judge_namespaces
    from oco_pipelines.resilience.verdicts import judge_policy

    started = time.monotonic()
    gateway = kubernetes.open()
    if gateway is None:
        return _nothing(started)
    house = warehouse.open()
    policies = [policy for policy in store.read_policies(house) if policy.enabled]
    counts = Counter(judge_policy(house, gateway, policy).verdict.value for policy in policies)
    uncovered: list[str] = []
    for cluster in sorted({policy.cluster for policy in policies} & set(gateway.clusters())):
        ours = [policy for policy in policies if policy.cluster == cluster]
        try:
            now = velero_store.server_time(house)
            verdicts = judge_namespaces(house, gateway, cluster, ours, now)
        except OpenCloudOpsError as error:
            context.log.warning("namespaces of %s are not judged: %s", cluster, error)
            continue
        names = [one.namespace for one in verdicts if one.verdict == NOT_COVERED]
        uncovered += [f"{cluster}/{name}" for name in names]
    return MaterializeResult(
        metadata={
            "rows": len(policies),
            **dict(counts),
            "namespaces_not_covered": uncovered,
            "seconds": time.monotonic() - started,
        }
    )


def _nothing(started: float) -> MaterializeResult[None]:
    return MaterializeResult(
        metadata={"rows": 0, "note": NO_CLUSTER, "seconds": time.monotonic() - started}
    )
