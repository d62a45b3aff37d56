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
from oco_warehouse.errors import OpenCloudOpsError, UpstreamError

if TYPE_CHECKING:
    from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway

GROUP: Final = "resilience"
NO_CLUSTER: Final = "no cluster is configured (OCO_KUBECONFIG)"
FOLLOW_SECONDS: Final = 20.0


class KubernetesResource(ConfigurableResource):  # type: ignore[type-arg]
    """Reaches the clusters of DR policies.

    Attributes:
        kubeconfig: path of the file; None when no cluster is configured.
    """

    kubeconfig: str | None = None

    def open(self) -> "KubernetesGateway | None":
        """A gateway, or None when no cluster is configured; nothing is contacted yet."""
        from pathlib import Path

        from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway

        return KubernetesGateway(Path(self.kubeconfig)) if self.kubeconfig else None


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
    from oco_pipelines.resilience import store
    from oco_pipelines.resilience.tracker import follow

    started = time.monotonic()
    gateway = kubernetes.open()
    if gateway is None:
        return _nothing(started)
    house = warehouse.open()
    policies, known = store.read_policies(house), gateway.clusters()
    wanted = sorted({policy.cluster for policy in policies})
    rows = usable = unfinished = vanished = 0
    failed, skipped = [], [cluster for cluster in wanted if cluster not in known]
    for cluster in skipped:
        context.log.warning("cluster %r is not a context of OCO_KUBECONFIG", cluster)
    for cluster in wanted:
        if cluster in skipped:
            continue
        try:
            seen = follow(house, gateway, cluster, policies, wait_seconds=FOLLOW_SECONDS)
        except OpenCloudOpsError as error:
            failed.append(str(error))
            continue
        rows, usable = rows + seen.seen, usable + seen.usable
        unfinished, vanished = unfinished + seen.unfinished, vanished + seen.vanished
    if failed:
        raise UpstreamError("; ".join(failed))
    return MaterializeResult(
        metadata={
            "rows": rows,
            "usable": usable,
            "unfinished": unfinished,
            "vanished": vanished,
            "unknown_clusters": skipped,
            "seconds": time.monotonic() - started,
        }
    )


@asset(group_name=GROUP, kinds={"postgres"}, deps=[backup_records])
def backup_compliance(
    warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> MaterializeResult[None]:
    """Whether each policy meets its RPO and RTO, judged from evidence, with the reasons."""
    from collections import Counter

    from oco_pipelines.resilience import store
    from oco_pipelines.resilience.verdicts import judge_policy

    started = time.monotonic()
    gateway = kubernetes.open()
    if gateway is None:
        return _nothing(started)
    house = warehouse.open()
    policies = [policy for policy in store.read_policies(house) if policy.enabled]
    counts = Counter(judge_policy(house, gateway, policy).verdict.value for policy in policies)
    return MaterializeResult(
        metadata={
            "rows": len(policies),
            **dict(counts),
            "seconds": time.monotonic() - started,
        }
    )


def _nothing(started: float) -> MaterializeResult[None]:
    return MaterializeResult(
        metadata={"rows": 0, "note": NO_CLUSTER, "seconds": time.monotonic() - started}
    )
