"""The SQL of recovery plans: making one, moving it from status to status, writing that down."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

from psycopg.types.json import Jsonb

from oco_warehouse.database import Connection, Warehouse
from oco_warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from oco_warehouse.recovery_rules import (
    Known,
    RecoveryRequest,
    check_request,
    protection_problems,
    record_problems,
    wants_approval,
    wants_cancelling,
    wants_execution,
)

_ACTOR: Final = "pipeline:recovery"


def make_plan(
    warehouse: Warehouse,
    request: RecoveryRequest,
    *,
    purpose: str,
    requested_by: str,
    clusters: Collection[str] = (),
) -> str:
    """Write a pending plan; returns its id.

    Args:
        warehouse: where to.
        request: what is wanted.
        purpose: recovery or drill.
        requested_by: goes into the plan and the audit log.
        clusters: known beside those of the warehouse.

    Raises:
        NotFoundError: when there is no such backup.
        InvalidInputError: when the plan is refused.
    """
    with warehouse.transaction() as connection:
        known = _known(connection, request, clusters)
        check_request(request, known)
        row = connection.execute(
            """
            INSERT INTO oco.recovery_plans (backup_id, purpose, target_cluster, namespaces,
                namespace_mapping, existing_resource_policy, requested_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id::text
            """,
            [
                request.backup_id,
                purpose,
                request.target_cluster,
                list(request.namespaces),
                Jsonb({home: to for home, to in request.targets.items() if home != to}),
                request.existing_resource_policy,
                requested_by,
            ],
        ).fetchone()
        plan: str = row["id"]  # type: ignore[index]
        audit(connection, plan, "requested", requested_by, {"backup": request.backup_id})
    return plan


def read_plan(warehouse: Warehouse, plan_id: str) -> dict[str, Any]:
    """One plan with the backup that it restores.

    Raises:
        NotFoundError: when there is no such plan.
    """
    with warehouse.transaction() as connection:
        return _read(connection, plan_id)


def refusals(connection: Connection, plan: dict[str, Any]) -> list[str]:
    """What speaks against executing a plan now, as far as the warehouse knows.

    Asked again right before the restore: since the plan was made its backup may have expired, or
    its target may have been protected.
    """
    targets = [plan["namespace_mapping"].get(name, name) for name in plan["namespaces"]]
    return [
        *record_problems(
            plan, datetime.now(UTC), elsewhere=plan["target_cluster"] != plan["source_cluster"]
        ),
        *protection_problems(plan["target_cluster"], targets, protected_namespaces(connection)),
    ]


def approve(warehouse: Warehouse, plan_id: str, who: str) -> None:
    """Approve a plan whose preview was made; again changes nothing.

    Raises:
        NotFoundError: when there is no such plan.
        ConflictError: when it has no preview yet or is beyond approval.
        InvalidInputError: when it must not be executed.
    """
    with warehouse.transaction() as connection:
        plan = _read(connection, plan_id, lock=True)
        if not wants_approval(plan):
            return
        against = refusals(connection, plan)
        if against:
            raise InvalidInputError(f"recovery plan {plan_id}: {'; '.join(against)}")
        step(connection, plan_id, "approved", who)


def cancel(warehouse: Warehouse, plan_id: str, who: str) -> None:
    """Cancel a plan that was not executed; again changes nothing.

    Raises:
        NotFoundError: when there is no such plan.
        ConflictError: when it is executing or has ended.
    """
    with warehouse.transaction() as connection:
        plan = _read(connection, plan_id, lock=True)
        if wants_cancelling(plan):
            step(connection, plan_id, "cancelled", who)


def begin(warehouse: Warehouse, plan_id: str, restore_name: str) -> dict[str, Any]:
    """Take an approved plan into execution, or up again; returns it with its restore's name.

    The name is written before the restore is made, so that a crash in between leads to the same
    restore and to no other.

    Raises:
        NotFoundError: when there is no such plan.
        ConflictError: when it is not approved, or has ended.
        InvalidInputError: when it must not be executed any more; the plan has failed then.
    """
    with warehouse.transaction() as connection:
        plan = _read(connection, plan_id, lock=True)
        status = plan["status"]
        if status == "pending":
            raise ConflictError(f"recovery plan {plan_id} is not approved")
        if status not in {"approved", "executing"}:
            raise ConflictError(f"recovery plan {plan_id} is {status} already")
        against = refusals(connection, plan) if status == "approved" else []
        if against:
            step(connection, plan_id, "failed", _ACTOR, {"reason": "; ".join(against)})
        elif status == "approved":
            step(connection, plan_id, "executing", _ACTOR, {"restore": restore_name})
            connection.execute(
                "UPDATE oco.recovery_plans SET restore_name = %s WHERE id::text = %s",
                [restore_name, plan_id],
            )
    if against:
        raise InvalidInputError(f"recovery plan {plan_id}: {'; '.join(against)}")
    return {**plan, "status": "executing", "restore_name": plan["restore_name"] or restore_name}


def refuse(warehouse: Warehouse, plan_id: str, reason: str) -> NoReturn:
    """Fail a plan that nobody has begun to execute.

    Raises:
        InvalidInputError: always.
    """
    with warehouse.transaction() as connection:
        if _read(connection, plan_id, lock=True)["status"] in {"pending", "approved"}:
            step(connection, plan_id, "failed", _ACTOR, {"reason": reason})
    raise InvalidInputError(f"recovery plan {plan_id}: {reason}")


def note_restore(warehouse: Warehouse, plan_id: str, uid: str) -> None:
    """Remember the one restore of a plan.

    Raises:
        ConflictError: when another one was remembered.
    """
    with warehouse.transaction() as connection:
        plan = _read(connection, plan_id, lock=True)
        if plan["restore_uid"] not in {None, uid}:
            raise ConflictError(
                f"recovery plan {plan_id}: restore {plan['restore_name']!r} is not the one that it "
                "made"
            )
        if plan["restore_uid"] is None:
            connection.execute(
                "UPDATE oco.recovery_plans SET restore_uid = %s WHERE id::text = %s",
                [uid, plan_id],
            )
            audit(connection, plan_id, "restore_created", _ACTOR, {"uid": uid})


def keep_waiting(warehouse: Warehouse, plan_id: str, reason: str | None) -> None:
    """Say what the next step of a plan waits for; None when for nothing any more."""
    warehouse.execute(
        "UPDATE oco.recovery_plans SET waiting_for = %s WHERE id::text = %s", [reason, plan_id]
    )


def keep_preview(warehouse: Warehouse, plan_id: str, preview: dict[str, Any]) -> bool:
    """Write a plan's preview; False when there is one already, which stays."""
    with warehouse.transaction() as connection:
        plan = _read(connection, plan_id, lock=True)
        if plan["previewed_at"] is not None or plan["status"] != "pending":
            return False
        connection.execute(
            """
            UPDATE oco.recovery_plans SET preview = %s, previewed_at = now(), waiting_for = NULL
            WHERE id::text = %s
            """,
            [Jsonb(preview), plan_id],
        )
        audit(connection, plan_id, "previewed", _ACTOR, {"counts": preview["counts"]})
    return True


def end(
    warehouse: Warehouse,
    plan_id: str,
    outcome: str,
    reason: str | None,
    verification: dict[str, Any],
) -> str:
    """End an executing plan once; returns how it ended, which another may have said before."""
    with warehouse.transaction() as connection:
        plan = _read(connection, plan_id, lock=True)
        if plan["status"] != "executing":
            return str(plan["status"])
        connection.execute(
            "UPDATE oco.recovery_plans SET verification = %s WHERE id::text = %s",
            [Jsonb(verification), plan_id],
        )
        step(connection, plan_id, outcome, _ACTOR, {"reason": reason} if reason else {})
    return outcome


def request_execution(warehouse: Warehouse, plan_id: str, who: str) -> None:
    """Remember that an approved plan is to be executed; again changes nothing.

    Raises:
        NotFoundError: when there is no such plan.
        ConflictError: when it is not approved, or did not end well.
    """
    with warehouse.transaction() as connection:
        plan = _read(connection, plan_id, lock=True)
        if wants_execution(plan):
            connection.execute(
                "UPDATE oco.recovery_plans SET execution_requested_at = now() WHERE id::text = %s",
                [plan_id],
            )
            audit(connection, plan_id, "execution_requested", who, {})


def waiting_plan_ids(
    warehouse: Warehouse, clusters: Collection[str]
) -> tuple[list[str], list[str]]:
    """(plans without a preview, approved plans that somebody asked to execute), by age."""
    rows = warehouse.query(
        """
        SELECT id::text, status FROM oco.recovery_plans
        WHERE target_cluster = ANY(%s) AND purpose = 'recovery'
          AND ((status = 'pending' AND previewed_at IS NULL)
               OR (status = 'approved' AND execution_requested_at IS NOT NULL))
        ORDER BY created_at, id LIMIT 200
        """,
        [list(clusters)],
    )
    return (
        [row["id"] for row in rows if row["status"] == "pending"],
        [row["id"] for row in rows if row["status"] == "approved"],
    )


def keep_targets(warehouse: Warehouse, clusters: Collection[str]) -> None:
    """Tell the API which clusters there are, and forget those that are configured no more."""
    with warehouse.transaction() as connection:
        connection.execute(
            """
            INSERT INTO oco.recovery_targets AS target (cluster) SELECT unnest(%s::text[])
            ON CONFLICT (cluster) DO UPDATE SET last_seen_at = now()
            WHERE target.last_seen_at < now() - interval '5 minutes'
            """,
            [list(clusters)],
        )
        connection.execute(
            "DELETE FROM oco.recovery_targets WHERE cluster <> ALL(%s)", [list(clusters)]
        )


def step(
    connection: Connection, plan_id: str, wanted: str, who: str, why: dict[str, Any] | None = None
) -> bool:
    """Move a plan to a status, with its entry in the audit log; False when it is there already."""
    row = connection.execute(
        "SELECT oco.step_recovery_plan(%s::uuid, %s, %s, %s) AS moved",
        [plan_id, wanted, who, Jsonb(why or {})],
    ).fetchone()
    return bool(row and row["moved"])


def audit(
    connection: Connection, plan_id: str, action: str, who: str, details: dict[str, Any]
) -> None:
    """Write one entry of the audit log about a plan."""
    connection.execute(
        """
        INSERT INTO oco.audit_log (actor, action, entity_type, entity_id, details)
        VALUES (%s, %s, 'recovery_plan', %s, %s)
        """,
        [who, f"recovery_plan.{action}", plan_id, Jsonb(details)],
    )


def took(plan: dict[str, Any]) -> timedelta | None:
    """From the request for the restore to its verified end; None before that."""
    if plan["status"] != "completed":
        return None
    length: timedelta = plan["completed_at"] - plan["started_at"]
    return length


def _read(connection: Connection, plan_id: str, *, lock: bool = False) -> dict[str, Any]:
    statement = """
        SELECT plan.*, record.cluster AS source_cluster, record.backup_name, record.backup_uid,
               record.usable, record.sound, record.usable_reason, record.vanished_at,
               record.expires_at
        FROM oco.recovery_plans AS plan
        JOIN oco.backup_records AS record ON record.id = plan.backup_id
        WHERE plan.id::text = %s
    """
    row = connection.execute(
        f"{statement} FOR UPDATE OF plan" if lock else statement, [plan_id]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"recovery plan {plan_id!r} does not exist")
    return row


def _known(connection: Connection, request: RecoveryRequest, clusters: Collection[str]) -> Known:
    record = connection.execute(
        "SELECT * FROM oco.backup_records WHERE id::text = %s", [request.backup_id]
    ).fetchone()
    if record is None:
        raise NotFoundError(f"backup record {request.backup_id!r} does not exist")
    rows = connection.execute(
        """
        SELECT cluster FROM oco.recovery_targets
        UNION SELECT cluster FROM oco.dr_policies UNION SELECT cluster FROM oco.backup_records
        """
    ).fetchall()
    return Known(
        record=record,
        protected=protected_namespaces(connection),
        clusters={*clusters, *(row["cluster"] for row in rows)},
        now=datetime.now(UTC),
    )


def protected_namespaces(connection: Connection) -> list[tuple[str, list[str]]]:
    """(cluster, namespaces) that nobody may restore into."""
    rows = connection.execute("SELECT cluster, namespaces FROM oco.protected_namespaces")
    return [(row["cluster"], row["namespaces"]) for row in rows.fetchall()]
