"""The SQL of evidence: what the records say about a policy, and the verdicts that rest on it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from oco_pipelines.resilience.compliance import Judgement
from oco_pipelines.resilience.phases import ENDED
from oco_pipelines.resilience.policy import DrPolicy
from oco_warehouse.database import Connection, Warehouse
from oco_warehouse.dr_rules import EVERYTHING

_ENDED: Final = sorted(ENDED)
# Recovery points of a policy that may be restored from, once their location is there.
_POINTS: Final = """
    SELECT record.id::text, record.started_at, record.namespaces, record.usable,
           record.storage_location,
           CASE WHEN location.name IS NULL THEN record.last_seen_at
                WHEN location.phase <> 'Available' THEN location.phase_since END AS down_since
    FROM oco.backup_records AS record
    LEFT JOIN oco.velero_objects AS location
        ON location.cluster = record.cluster AND location.kind = 'BackupStorageLocation'
        AND location.name = record.storage_location AND location.vanished_at IS NULL
    WHERE record.policy_id = %(policy)s AND record.cluster = %(cluster)s AND record.sound
      AND record.vanished_at IS NULL
      AND (record.expires_at IS NULL OR record.expires_at > %(now)s)
    ORDER BY record.started_at DESC
    LIMIT 500
"""
_AROUND: Final = """
    SELECT restored.took AS measured_rto, restored.completed_at AS restored_at,
           coalesce(last.usable_reason, '') AS problem, cluster.last_read_at,
           cluster.error AS cluster_problem, due.problem AS due_problem,
           running.yes IS NOT NULL AS running, location.phase = 'Available' IS TRUE
               AS location_available, coalesce(ended.ended, 0) AS ended_count,
           coalesce(ended.completed, 0) AS completed_count,
           CASE WHEN drill.status = 'failed'
                     AND drill.completed_at > coalesce(restored.completed_at, '-infinity')
                THEN drill.reason ELSE '' END AS drill_problem,
           (SELECT verdict FROM oco.dr_policy_status WHERE policy_id = %(policy)s) AS verdict_before
    FROM (SELECT 1) AS one
    LEFT JOIN LATERAL (
        SELECT plan.completed_at - plan.started_at AS took, plan.completed_at
        FROM oco.recovery_plans AS plan
        JOIN oco.backup_records AS record ON record.id = plan.backup_id
        WHERE record.policy_id = %(policy)s AND plan.status = 'completed'
        ORDER BY plan.completed_at DESC LIMIT 1) AS restored ON true
    LEFT JOIN LATERAL (
        SELECT status, reason, completed_at FROM oco.dr_drills
        WHERE policy_id = %(policy)s AND status <> 'running'
        ORDER BY completed_at DESC LIMIT 1) AS drill ON true
    LEFT JOIN LATERAL (
        SELECT usable_reason FROM oco.backup_records
        WHERE policy_id = %(policy)s AND phase = ANY(%(ended)s) AND vanished_at IS NULL
        ORDER BY coalesce(triggered_at, created_at) DESC LIMIT 1) AS last ON true
    LEFT JOIN LATERAL (
        SELECT true AS yes FROM oco.backup_records
        WHERE policy_id = %(policy)s AND phase <> ALL(%(ended)s) AND phase_known
          AND vanished_at IS NULL
          AND coalesce(created_at, triggered_at) > %(now)s - %(rpo)s::interval
        LIMIT 1) AS running ON true
    LEFT JOIN LATERAL (
        SELECT CASE WHEN state = 'failed' THEN problem ELSE '' END AS problem
        FROM oco.dr_due_times WHERE policy_id = %(policy)s
        ORDER BY due_at DESC LIMIT 1) AS due ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS ended, count(*) FILTER (WHERE phase = 'Completed') AS completed
        FROM (SELECT phase FROM oco.backup_records
              WHERE policy_id = %(policy)s AND phase = ANY(%(ended)s)
              ORDER BY coalesce(triggered_at, created_at) DESC LIMIT 10) AS lately
        ) AS ended ON true
    LEFT JOIN oco.dr_clusters AS cluster ON cluster.cluster = %(cluster)s
    LEFT JOIN LATERAL (
        SELECT phase FROM oco.velero_objects
        WHERE cluster = %(cluster)s AND kind = 'BackupStorageLocation' AND name = %(location)s
          AND vanished_at IS NULL LIMIT 1) AS location ON true
"""


def recovery_points(warehouse: Warehouse, policy: DrPolicy, now: datetime) -> list[dict[str, Any]]:
    """Sound recovery points of a policy, newest first, each with since when its location is down.

    The start counts, not the completion: what changed after it is not in the backup.
    """
    return warehouse.query(_POINTS, {"policy": policy.id, "cluster": policy.cluster, "now": now})


def read_evidence(warehouse: Warehouse, policy: DrPolicy, now: datetime) -> dict[str, Any]:
    """What the records say about a policy.

    Returns:
        newest_id, newest_started_at: of the newest usable recovery point, or None.
        sound_started_at, sound_location, sound_location_down_since: of the newest sound one.
        usable_count: usable recovery points.
        measured_rto, restored_at: of the newest successful restore of one of its backups, or None.
        problem: why the newest backup that ended is unusable; empty when it is usable.
        last_read_at, cluster_problem: when the cluster was read, and why it could not be.
        due_problem: why the newest due time has no backup.
        drill_problem: why the last drill failed; empty when it passed or a restore succeeded since.
        verdict_before: the one that was given last.
        running, location_available, ended_count, completed_count: see `Evidence` and `Facts`.
    """
    values = {
        "policy": policy.id,
        "cluster": policy.cluster,
        "location": policy.storage_location,
        "rpo": policy.rpo_target,
        "now": now,
        "ended": _ENDED,
    }
    [around] = warehouse.query(_AROUND, values)
    wanted = set(policy.namespaces)
    points = [
        point
        for point in recovery_points(warehouse, policy, now)
        if not point["namespaces"]
        or EVERYTHING in point["namespaces"]
        or wanted <= set(point["namespaces"])
    ]
    usable = [point for point in points if point["usable"]]
    newest, sound = next(iter(usable), None), next(iter(points), None)
    return {
        **around,
        "newest_id": newest["id"] if newest else None,
        "newest_started_at": newest["started_at"] if newest else None,
        "sound_started_at": sound["started_at"] if sound else None,
        "sound_location": sound["storage_location"] if sound else None,
        "sound_location_down_since": sound["down_since"] if sound else None,
        "usable_count": len(usable),
    }


def keep_judgement(
    connection: Connection,
    policy_id: str,
    judgement: Judgement,
    newest_id: str | None,
    measured_rto: timedelta | None,
    readiness: Decimal,
    now: datetime,
) -> None:
    """Write one verdict."""
    connection.execute(
        """
        INSERT INTO oco.dr_compliance
            (policy_id, judged_at, verdict, reasons, newest_usable_backup_id,
             recovery_point_age, measured_rto, readiness)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            policy_id,
            now,
            judgement.verdict.value,
            list(judgement.reasons),
            newest_id,
            judgement.recovery_point_age,
            measured_rto,
            readiness,
        ],
    )
