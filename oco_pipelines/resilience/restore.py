"""Executing a recovery plan: exactly one Restore, followed to its end and checked in the target.

Plan: pending or approved → executing → completed | partially_failed | failed. A plan that was left
executing by a crash is taken up again, under the same name.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from oco_pipelines.resilience import naming
from oco_pipelines.resilience.kubernetes_gateway import RESTORES, Json, KubernetesGateway
from oco_pipelines.resilience.phases import Phase, has_ended
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, InvalidInputError, NotFoundError

# Looks at the target; returns what it checked and what is wrong there, a line each.
Verify = Callable[[], tuple[dict[str, Any], list[str]]]


def plan_restore(
    warehouse: Warehouse,
    backup_id: str,
    target_cluster: str,
    namespace_mapping: dict[str, str],
    *,
    purpose: str,
    requested_by: str,
) -> str:
    """Write a pending plan that restores the mapped namespaces; returns its id."""
    with warehouse.transaction() as connection:
        row = connection.execute(
            """
            INSERT INTO oco.recovery_plans
                (backup_id, purpose, target_cluster, namespaces, namespace_mapping, requested_by)
            VALUES (%s, %s, %s, %s, %s, %s) RETURNING id::text
            """,
            [
                backup_id,
                purpose,
                target_cluster,
                list(namespace_mapping),
                Jsonb({home: to for home, to in namespace_mapping.items() if home != to}),
                requested_by,
            ],
        ).fetchone()
    if row is None:
        raise NotFoundError(f"backup record {backup_id!r} does not exist")
    plan: str = row["id"]
    return plan


def execute_plan(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    plan_id: str,
    *,
    verify: Verify | None = None,
    wait_seconds: float = 60.0,
    pause_seconds: float = 1.0,
) -> str:
    """Execute one plan; returns its status, `executing` when the wait was too short.

    Raises:
        NotFoundError: when there is no such plan.
        ConflictError: when it has ended already, or its Restore's name is somebody else's.
        InvalidInputError: when it must not be executed; the plan has failed then.
        UpstreamError: when the cluster refuses or does not answer; the plan stays executing.
    """
    plan = _begin(warehouse, plan_id)
    _create(gateway, plan)
    end = time.monotonic() + wait_seconds
    while True:
        body = gateway.get_velero(plan["target_cluster"], RESTORES, plan["restore_name"])
        status = body.get("status") or {}
        _note(warehouse, plan_id, status)
        if has_ended(status.get("phase") or ""):
            return _end(warehouse, gateway, plan, status, verify)
        if time.monotonic() + pause_seconds > end:
            return "executing"
        time.sleep(pause_seconds)


def build_restore(plan: dict[str, Any]) -> Json:
    """The Restore object of a plan. Pure.

    Cluster-wide resources stay out where namespaces are mapped: in the same cluster they clash.
    """
    spec: Json = {
        "backupName": plan["backup_name"],
        "includedNamespaces": plan["namespaces"],
        "existingResourcePolicy": plan["existing_resource_policy"],
    }
    if plan["namespace_mapping"]:
        spec |= {"namespaceMapping": plan["namespace_mapping"], "includeClusterResources": False}
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Restore",
        "metadata": {
            "name": plan["restore_name"],
            "labels": {naming.MANAGED_BY: naming.OWNER, naming.PLAN_LABEL: str(plan["id"])},
        },
        "spec": spec,
    }


def _begin(warehouse: Warehouse, plan_id: str) -> dict[str, Any]:
    with warehouse.transaction() as connection:
        plan = connection.execute(
            """
            SELECT plan.*, record.backup_name, record.usable, record.usable_reason,
                   coalesce(policy.protected, false) AS protected
            FROM oco.recovery_plans AS plan
            JOIN oco.backup_records AS record ON record.id = plan.backup_id
            LEFT JOIN oco.dr_policies AS policy ON policy.id = record.policy_id
            WHERE plan.id::text = %s FOR UPDATE OF plan
            """,
            [plan_id],
        ).fetchone()
        if plan is None:
            raise NotFoundError(f"recovery plan {plan_id!r} does not exist")
        if plan["status"] not in {"pending", "approved", "executing"}:
            raise ConflictError(f"recovery plan {plan_id} is {plan['status']} already")
        refusal = "" if plan["status"] == "executing" else _refusal(plan)
        plan["restore_name"] = plan["restore_name"] or naming.restore_name(plan_id)
        connection.execute(
            """
            UPDATE oco.recovery_plans SET status = %s, failure_reason = %s,
                restore_name = CASE WHEN %s THEN restore_name ELSE %s END,
                started_at = CASE WHEN %s THEN started_at ELSE coalesce(started_at, now()) END,
                completed_at = CASE WHEN %s THEN now() END
            WHERE id = %s
            """,
            [
                "failed" if refusal else "executing",
                refusal or None,
                bool(refusal),
                plan["restore_name"],
                bool(refusal),
                bool(refusal),
                plan["id"],
            ],
        )
    if refusal:
        raise InvalidInputError(f"recovery plan {plan_id}: {refusal}")
    return plan


def _refusal(plan: dict[str, Any]) -> str:
    if not plan["usable"]:
        return f"backup {plan['backup_name']!r} is not usable: {plan['usable_reason']}"
    mapping = plan["namespace_mapping"]
    targets = {mapping.get(name, name) for name in plan["namespaces"]}
    if plan["protected"] and targets & set(plan["namespaces"]):
        return "its policy is protected: restores into its own namespaces are refused"
    return ""


def _create(gateway: KubernetesGateway, plan: dict[str, Any]) -> None:
    cluster, name = plan["target_cluster"], plan["restore_name"]
    try:
        gateway.create_velero(cluster, RESTORES, build_restore(plan))
    except ConflictError:
        found = gateway.get_velero(cluster, RESTORES, name)
        labels = found["metadata"].get("labels") or {}
        if labels.get(naming.PLAN_LABEL) != str(plan["id"]):
            raise ConflictError(
                f"cluster {cluster!r} has a restore {name!r} that is not of this plan; delete it"
            ) from None


def _note(warehouse: Warehouse, plan_id: str, status: Json) -> None:
    progress = status.get("progress") or {}
    warehouse.execute(
        """
        UPDATE oco.recovery_plans SET restore_phase = %s, items_total = %s, items_restored = %s,
            errors = %s, warnings = %s WHERE id::text = %s
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
) -> str:
    phase = status["phase"]
    # Velero's word alone is not enough: it says Completed when it skipped everything.
    restored = int((status.get("progress") or {}).get("itemsRestored") or 0)
    targets = [plan["namespace_mapping"].get(name, name) for name in plan["namespaces"]]
    missing = [
        name for name in targets if not gateway.namespace_exists(plan["target_cluster"], name)
    ]
    faults = [f"namespace {name!r} is not in the target" for name in missing]
    checked: dict[str, Any] = {"namespaces": targets}
    if not restored:
        faults.append("nothing was restored: everything existed already")
    if verify is not None and phase == Phase.COMPLETED:
        more, wrong = verify()
        checked |= more
        faults += wrong
    if phase == Phase.COMPLETED and not faults:
        outcome, reason = "completed", None
    else:
        outcome = "partially_failed" if phase == Phase.PARTIALLY_FAILED else "failed"
        said = status.get("failureReason") or "; ".join(status.get("validationErrors") or [])
        told = [] if phase == Phase.COMPLETED else [f"the restore ended {phase} {said}".strip()]
        reason = "; ".join([*told, *faults])
    warehouse.execute(
        """
        UPDATE oco.recovery_plans SET status = %s, failure_reason = %s, verification = %s,
            completed_at = %s WHERE id = %s
        """,
        [outcome, reason, Jsonb({**checked, "faults": faults}), datetime.now(UTC), plan["id"]],
    )
    return outcome
