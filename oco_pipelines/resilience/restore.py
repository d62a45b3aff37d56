"""Executing a recovery plan: exactly one Restore, followed to its end and checked in the target.

Plan: approved → executing → completed | partially_failed | failed. A plan that was left executing
by a crash is taken up again, under the same name.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from oco_pipelines.kubernetes_lists import Json
from oco_pipelines.resilience import naming, plans
from oco_pipelines.resilience.evidence import (
    ResourceList,
    backup_contents,
    cluster_contents,
    restore_outcomes,
)
from oco_pipelines.resilience.kubernetes_gateway import RESTORES, KubernetesGateway
from oco_pipelines.resilience.phases import Phase, has_ended
from oco_pipelines.resilience.preview import NAMESPACE, expected_objects, faults_of
from oco_pipelines.resilience.previewing import (
    DOWNLOAD_SECONDS,
    await_recovery_point,
    refuse_protected,
    takes_volumes,
    targets_of,
)
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, NotFoundError
from oco_warehouse.recovery_rules import RecoveryRequest

# Looks at the target; returns what it checked and what is wrong there, a line each.
Verify = Callable[[], tuple[dict[str, Any], list[str]]]
# Claims become Bound, and lists become current, a little after a restore says that it is done.
SETTLE_SECONDS: Final = 30.0


def plan_restore(
    warehouse: Warehouse,
    backup_id: str,
    target_cluster: str,
    namespace_mapping: dict[str, str],
    *,
    purpose: str,
    requested_by: str,
) -> str:
    """Write a pending plan that restores the mapped namespaces; returns its id.

    Raises:
        NotFoundError: when there is no such backup.
        InvalidInputError: when the plan is refused.
    """
    request = RecoveryRequest(
        backup_id, target_cluster, tuple(namespace_mapping), namespace_mapping
    )
    return plans.make_plan(warehouse, request, purpose=purpose, requested_by=requested_by)


def execute_plan(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    plan_id: str,
    *,
    verify: Verify | None = None,
    wait_seconds: float = 60.0,
    pause_seconds: float = 1.0,
    settle_seconds: float = SETTLE_SECONDS,
) -> str:
    """Execute one plan; returns its status, `executing` when the wait was too short.

    Raises:
        NotFoundError: when there is no such plan.
        ConflictError: when it is not approved, has ended already, or its Restore's name is
            somebody else's.
        InvalidInputError: when it must not be executed; the plan has failed then.
        UpstreamUnavailable: when its backup cannot be restored there yet; nothing was begun.
        UpstreamError: when the cluster refuses or does not answer; the plan stays executing.
    """
    found = plans.read_plan(warehouse, plan_id)
    if found["status"] == "approved":
        await_recovery_point(
            warehouse, gateway, found, wait_seconds=wait_seconds, pause_seconds=pause_seconds
        )
        refuse_protected(warehouse, gateway, found)
    plan = plans.begin(warehouse, plan_id, naming.restore_name(plan_id))
    if not _make_sure_of_the_restore(warehouse, gateway, plan):
        gone = f"restore {plan['restore_name']!r} was deleted before it was seen to end"
        return plans.end(warehouse, plan_id, "failed", gone, {"faults": [gone]})
    end = time.monotonic() + wait_seconds
    while True:
        try:
            body = gateway.get_velero(plan["target_cluster"], RESTORES, plan["restore_name"])
        except NotFoundError:
            gone = f"restore {plan['restore_name']!r} was deleted before it was seen to end"
            return plans.end(warehouse, plan_id, "failed", gone, {"faults": [gone]})
        status = body.get("status") or {}
        _note(warehouse, plan_id, status)
        if has_ended(status.get("phase") or ""):
            return _end(warehouse, gateway, plan, status, verify, settle_seconds)
        if time.monotonic() + pause_seconds > end:
            return "executing"
        time.sleep(pause_seconds)


def build_restore(plan: dict[str, Any]) -> Json:
    """The Restore object of a plan. Pure.

    Cluster-wide resources stay out where namespaces of one cluster are mapped: they clash there.
    """
    spec: Json = {
        "backupName": plan["backup_name"],
        "includedNamespaces": plan["namespaces"],
        "existingResourcePolicy": plan["existing_resource_policy"],
    }
    if plan["namespace_mapping"]:
        spec["namespaceMapping"] = plan["namespace_mapping"]
    if not takes_volumes(plan):
        spec["includeClusterResources"] = False
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Restore",
        "metadata": {
            "name": plan["restore_name"],
            "labels": {naming.MANAGED_BY: naming.OWNER, naming.PLAN_LABEL: str(plan["id"])},
        },
        "spec": spec,
    }


def _make_sure_of_the_restore(
    warehouse: Warehouse, gateway: KubernetesGateway, plan: dict[str, Any]
) -> bool:
    """Create the plan's Restore, or find the one that is there; False when it was there and went.

    Once it was seen it is never made again: it may have been deleted after it had done its work.
    """
    cluster, name = plan["target_cluster"], plan["restore_name"]
    if plan["restore_uid"] is not None:
        try:
            return _is_ours(gateway.get_velero(cluster, RESTORES, name), plan)
        except NotFoundError:
            return False
    try:
        body = gateway.create_velero(cluster, RESTORES, build_restore(plan))
    except ConflictError:
        body = gateway.get_velero(cluster, RESTORES, name)
        _is_ours(body, plan)
    plans.note_restore(warehouse, str(plan["id"]), body["metadata"]["uid"])
    return True


def _is_ours(body: Json, plan: dict[str, Any]) -> bool:
    labels = body["metadata"].get("labels") or {}
    if labels.get(naming.PLAN_LABEL) != str(plan["id"]):
        raise ConflictError(
            f"cluster {plan['target_cluster']!r} has a restore {plan['restore_name']!r} that is "
            "not of this plan; delete it"
        )
    return True


def _note(warehouse: Warehouse, plan_id: str, status: Json) -> None:
    progress = status.get("progress") or {}
    warehouse.execute(
        """
        UPDATE oco.recovery_plans SET restore_phase = %s, items_total = %s, items_restored = %s,
            errors = %s, warnings = %s WHERE id::text = %s AND status = 'executing'
        """,
        [
            status.get("phase") or Phase.NEW.value,
            progress.get("totalItems"),
            progress.get("itemsRestored"),
            int(status.get("errors") or 0),
            int(status.get("warnings") or 0),
            plan_id,
        ],
    )


def _end(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    plan: dict[str, Any],
    status: Json,
    verify: Verify | None,
    settle_seconds: float,
) -> str:
    phase = status["phase"]
    checked: dict[str, Any] = {"namespaces": list(targets_of(plan).values())}
    faults: list[str] = []
    brought = 0
    if phase in {Phase.COMPLETED, Phase.PARTIALLY_FAILED}:
        # Velero's word alone is not enough: it says Completed when it skipped everything.
        outcomes = restore_outcomes(
            gateway, plan["target_cluster"], plan["restore_name"], DOWNLOAD_SECONDS
        )
        brought = _brought(outcomes["created"]) + _brought(outcomes["updated"])
        checked["outcomes"] = {
            outcome: sum(map(len, kinds.values())) for outcome, kinds in outcomes.items()
        }
        if not brought:
            faults.append("nothing was restored: everything existed already")
        expected, missing = _missing(gateway, plan, settle_seconds)
        checked["expected_objects"] = expected
        faults += missing
        if verify is not None:
            more, wrong = verify()
            checked |= more
            faults += wrong
    if phase != Phase.COMPLETED:
        said = status.get("failureReason") or "; ".join(status.get("validationErrors") or [])
        faults.insert(0, f"the restore ended {phase} {said}".strip())
    outcome = _outcome(plan["purpose"], brought, faults)
    reason = "; ".join(faults) or None
    return plans.end(warehouse, str(plan["id"]), outcome, reason, {**checked, "faults": faults})


def _outcome(purpose: str, brought: int, faults: list[str]) -> str:
    if not faults:
        return "completed"
    # A drill that is not wholly good proves nothing.
    return "failed" if purpose == "drill" or not brought else "partially_failed"


def _brought(outcome: ResourceList) -> int:
    """Objects in an outcome; a namespace alone is nothing that was brought back."""
    return sum(len(names) for kind, names in outcome.items() if kind != NAMESPACE)


def _missing(
    gateway: KubernetesGateway, plan: dict[str, Any], settle_seconds: float
) -> tuple[int, list[str]]:
    """(number of objects that must be there, what is wrong with them after a while)."""
    cluster, targets = plan["target_cluster"], targets_of(plan)
    contents = backup_contents(gateway, cluster, plan["backup_name"], DOWNLOAD_SECONDS)
    expected = expected_objects(contents, targets, cluster_wide=takes_volumes(plan))
    end = time.monotonic() + settle_seconds
    while True:
        there = cluster_contents(gateway, cluster, expected, targets.values())
        faults = faults_of(expected, there)
        pause = min(2.0, settle_seconds / 4)
        if not faults or time.monotonic() + pause > end:
            return sum(map(len, expected.values())), faults
        time.sleep(pause)
