"""The SQL of restore drills: claimed once for each due time, ended once, cleaned up after."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from oco_pipelines.llm.alerts.store import raise_alert, resolve_alerts
from oco_warehouse.database import Connection, Warehouse


def claim(
    warehouse: Warehouse,
    *,
    policy_id: str,
    cluster: str,
    due_at: datetime | None,
    requested_by: str,
    sentinel: str,
    scratch: Mapping[str, str],
) -> str | None:
    """Begin a drill; None when the one for this due time was begun already."""
    rows = warehouse.query(
        """
        INSERT INTO oco.dr_drills (policy_id, due_at, requested_by, cluster, sentinel,
                                   scratch_namespaces)
        VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (policy_id, due_at) DO NOTHING
        RETURNING id::text
        """,
        [policy_id, due_at, requested_by, cluster, sentinel, Jsonb(dict(scratch))],
    )
    return rows[0]["id"] if rows else None


def note_backup(warehouse: Warehouse, drill_id: str, backup_id: str, took: timedelta) -> None:
    """Remember the backup of a drill and how long it took."""
    warehouse.execute(
        "UPDATE oco.dr_drills SET backup_id = %s, backup_took = %s WHERE id::text = %s",
        [backup_id, took, drill_id],
    )


def note_plan(warehouse: Warehouse, drill_id: str, plan_id: str) -> None:
    """Remember the plan of a drill."""
    warehouse.execute(
        "UPDATE oco.dr_drills SET plan_id = %s WHERE id::text = %s", [plan_id, drill_id]
    )


def end(warehouse: Warehouse, drill_id: str, reason: str, rto: timedelta | None) -> bool:
    """End a running drill: passed without a reason, failed with one; what ended stays as it is.

    Returns:
        Whether it was running.
    """
    with warehouse.transaction() as connection:
        ended = connection.execute(
            """
            UPDATE oco.dr_drills SET status = %s, reason = %s, measured_rto = %s,
                completed_at = now()
            WHERE id::text = %s AND status = 'running' RETURNING policy_id::text, status
            """,
            [
                "failed" if reason else "passed",
                reason,
                None if reason else rto,
                drill_id,
            ],
        ).fetchone()
        if ended is not None:
            _tell(connection, drill_id, ended["policy_id"], reason)
            connection.execute(
                """
                INSERT INTO oco.audit_log (actor, action, entity_type, entity_id, details)
                VALUES ('pipeline:drill', %s, 'dr_policy', %s, %s)
                """,
                [
                    f"drill.{ended['status']}",
                    ended["policy_id"],
                    Jsonb({"drill": drill_id, "reason": reason}),
                ],
            )
    return ended is not None


def _tell(connection: Connection, drill_id: str, policy_id: str, reason: str) -> None:
    """People are told of a drill that failed; the next one that passes resolves it."""
    if reason:
        row = connection.execute(
            "SELECT name, cluster FROM oco.dr_policies WHERE id::text = %s", [policy_id]
        ).fetchone()
        if row is None:
            return
        raise_alert(
            connection,
            kind="drill_failed",
            dedupe_key=f"drill:{drill_id}",
            scope="dr_policy",
            entity_id=row["name"],
            title=f"Restore drill of DR policy {row['name']} failed: {reason}",
            figures={"cluster": row["cluster"], "reason": reason, "drill": drill_id},
        )
        return
    rows = connection.execute(
        """
        SELECT 'drill:' || id AS key FROM oco.dr_drills
        WHERE policy_id::text = %s AND status = 'failed'
        """,
        [policy_id],
    ).fetchall()
    resolve_alerts(connection, [row["key"] for row in rows])


def mark_clean(warehouse: Warehouse, drill_id: str) -> None:
    """Remember that nothing of a drill is left in its cluster."""
    warehouse.execute("UPDATE oco.dr_drills SET cleaned_at = now() WHERE id::text = %s", [drill_id])


def last_due(warehouse: Warehouse, policy_id: str) -> datetime | None:
    """The newest due time that a drill was begun for."""
    rows = warehouse.query(
        "SELECT max(due_at) AS at FROM oco.dr_drills WHERE policy_id = %s", [policy_id]
    )
    at: datetime | None = rows[0]["at"]
    return at


def uncleaned(warehouse: Warehouse, silent_since: datetime) -> list[dict[str, Any]]:
    """Drills that ended or went silent and may have left something in their cluster."""
    return warehouse.query(
        """
        SELECT drill.id::text, drill.cluster, drill.sentinel, drill.scratch_namespaces,
               plan.restore_name
        FROM oco.dr_drills AS drill
        LEFT JOIN oco.recovery_plans AS plan ON plan.id = drill.plan_id
        WHERE drill.cleaned_at IS NULL
          AND coalesce(drill.completed_at, drill.started_at, plan.updated_at) < %s
          AND (plan.id IS NULL OR plan.updated_at < %s)
        ORDER BY drill.started_at
        """,
        [silent_since, silent_since],
    )
