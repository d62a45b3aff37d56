"""Making the preview of a recovery plan, once its backup can be restored in the target."""

import time
from typing import Any, Final

from oco_pipelines.resilience import plans, store
from oco_pipelines.resilience.backup import read_backup
from oco_pipelines.resilience.evidence import backup_contents, cluster_contents
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, LOCATIONS, KubernetesGateway
from oco_pipelines.resilience.phases import Phase
from oco_pipelines.resilience.preview import NAMESPACE, build_preview, expected_objects
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import NotFoundError, UpstreamUnavailable
from oco_warehouse.recovery_rules import protection_problems

DOWNLOAD_SECONDS: Final = 60.0


def preview_plan(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    plan_id: str,
    *,
    wait_seconds: float = 60.0,
    pause_seconds: float = 1.0,
) -> dict[str, Any]:
    """Fill in a plan's preview, once; returns it.

    Raises:
        NotFoundError: when there is no such plan.
        InvalidInputError: when the plan can never be executed; it has failed then.
        UpstreamUnavailable: when its backup cannot be restored there yet; the plan says why.
        UpstreamError: when a cluster refuses or does not answer.
    """
    plan = plans.read_plan(warehouse, plan_id)
    if plan["previewed_at"] is not None or plan["status"] != "pending":
        found: dict[str, Any] = plan["preview"]
        return found
    await_recovery_point(
        warehouse, gateway, plan, wait_seconds=wait_seconds, pause_seconds=pause_seconds
    )
    refuse_protected(warehouse, gateway, plan)
    cluster, targets = plan["target_cluster"], targets_of(plan)
    contents = backup_contents(gateway, cluster, plan["backup_name"], DOWNLOAD_SECONDS)
    expected = expected_objects(contents, targets, cluster_wide=takes_volumes(plan))
    if not any(kind != NAMESPACE for kind in expected):
        reason = f"backup {plan['backup_name']!r} holds nothing of {', '.join(targets)}"
        plans.refuse(warehouse, plan_id, reason)
    preview = build_preview(
        expected,
        cluster_contents(gateway, cluster, expected, targets.values()),
        targets,
        same_cluster=cluster == plan["source_cluster"],
        overwrite=plan["existing_resource_policy"] == "update",
    )
    plans.keep_preview(warehouse, plan_id, preview)
    return preview


def refuse_protected(
    warehouse: Warehouse, gateway: KubernetesGateway, plan: dict[str, Any]
) -> None:
    """Refuse a plan into a namespace that a protected policy's selector finds in the target now.

    The warehouse knows what such a selector found when it was last judged; namespaces get labels
    after that, and what a disabled policy finds is not judged.

    Raises:
        InvalidInputError: when it is protected; the plan has failed then.
        UpstreamError: when the target does not answer.
    """
    cluster = plan["target_cluster"]
    policies = [
        policy
        for policy in store.read_policies(warehouse)
        if policy.protected and policy.cluster == cluster and policy.namespace_selector is not None
    ]
    if not policies:
        return
    present = gateway.namespace_labels(cluster)
    found = [(cluster, policy.namespaces_in(present)) for policy in policies]
    against = list(protection_problems(cluster, targets_of(plan).values(), found))
    if against:
        plans.refuse(warehouse, str(plan["id"]), "; ".join(against))


def await_recovery_point(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    plan: dict[str, Any],
    *,
    wait_seconds: float,
    pause_seconds: float,
) -> None:
    """Wait until a plan's backup has synced into the target and its location is Available.

    Raises:
        UpstreamUnavailable: when it is not so in time; the plan says what it waits for.
        UpstreamError: when the cluster refuses or does not answer.
    """
    end = time.monotonic() + wait_seconds
    plan_id = str(plan["id"])
    while True:
        reason = why_not_ready(gateway, plan)
        if reason != plan.get("waiting_for"):
            plans.keep_waiting(warehouse, plan_id, reason)
            plan["waiting_for"] = reason
        if reason is None:
            return
        if time.monotonic() + pause_seconds > end:
            raise UpstreamUnavailable(f"recovery plan {plan_id} waits: {reason}")
        time.sleep(pause_seconds)


def why_not_ready(gateway: KubernetesGateway, plan: dict[str, Any]) -> str | None:
    """What keeps a plan's backup from being restored in its target now; None when nothing does."""
    cluster, name = plan["target_cluster"], plan["backup_name"]
    try:
        state = read_backup(cluster, gateway.get_velero(cluster, BACKUPS, name))
    except NotFoundError:
        return f"backup {name!r} has not synced into cluster {cluster!r}"
    if cluster == plan["source_cluster"] and state.uid != plan["backup_uid"]:
        return f"backup {name!r} in cluster {cluster!r} is another one of the same name"
    if state.phase != Phase.COMPLETED:
        return f"backup {name!r} is {state.phase} in cluster {cluster!r}"
    location = state.storage_location or "default"
    try:
        body = gateway.get_velero(cluster, LOCATIONS, location)
    except NotFoundError:
        return f"cluster {cluster!r} has no storage location {location!r}"
    if (body.get("status") or {}).get("phase") != "Available":
        return f"storage location {location!r} of cluster {cluster!r} is not Available"
    return None


def targets_of(plan: dict[str, Any]) -> dict[str, str]:
    """{namespace in the backup: namespace in the target} of a plan, for every namespace."""
    return {name: plan["namespace_mapping"].get(name, name) for name in plan["namespaces"]}


def takes_volumes(plan: dict[str, Any]) -> bool:
    """Whether volumes come along: not where namespaces of one cluster are mapped.

    There they would clash with the first ones. In another cluster a claim of a volume snapshot gets
    its volume only when that comes along.
    """
    return not plan["namespace_mapping"] or plan["target_cluster"] != plan["source_cluster"]
