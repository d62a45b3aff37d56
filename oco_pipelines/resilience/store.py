"""The SQL of the domain: policies, backup records and verdicts."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from oco_pipelines.resilience.naming import POLICY_LABEL
from oco_pipelines.resilience.phases import ENDED, Kind, Phase, is_known
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.usable import BackupState
from oco_warehouse.database import Connection, Warehouse
from oco_warehouse.errors import NotFoundError

_ENDED: Final = sorted(ENDED)
# A recovery point grows old, and a storage location breaks, with nobody touching a backup.
LOOK_EVERY: Final = timedelta(minutes=5)


def read_policies(warehouse: Warehouse) -> list[DrPolicy]:
    """All DR policies by name."""
    return [_policy(row) for row in warehouse.query("SELECT * FROM oco.dr_policies ORDER BY name")]


def read_policy(warehouse: Warehouse, policy_id: str) -> DrPolicy:
    """One DR policy.

    Raises:
        NotFoundError: when there is none.
    """
    rows = warehouse.query("SELECT * FROM oco.dr_policies WHERE id::text = %s", [policy_id])
    if not rows:
        raise NotFoundError(f"DR policy {policy_id!r} does not exist")
    return _policy(rows[0])


def mark_handled(warehouse: Warehouse, policy_id: str, due_at: datetime) -> None:
    """Remember that a due time was handled; an earlier one never takes it back."""
    warehouse.execute(
        "UPDATE oco.dr_policies SET last_due_at = greatest(last_due_at, %s) WHERE id = %s",
        [due_at, policy_id],
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """A backup that is about to be created."""

    policy: DrPolicy
    name: str
    due_at: datetime | None
    attempt: int
    namespaces: tuple[str, ...]


def plan_backups(
    warehouse: Warehouse, planned: Collection[Planned], triggered_at: datetime
) -> list[str]:
    """Record that backups are about to be created; a second plan for one changes nothing.

    Written before the objects are made, so that a crash in between leaves a trace.

    Returns:
        The name of each: that of the first plan for its due time and attempt, whatever the policy
        is called by now.
    """
    names = []
    with warehouse.transaction() as connection:
        for one in planned:
            connection.execute(
                """
                INSERT INTO oco.backup_records
                    (cluster, backup_name, policy_id, due_at, attempt, phase, namespaces,
                     storage_location, triggered_at, usable_reason)
                VALUES (%s, %s, %s, %s, %s, 'New', %s, %s, %s, 'it has not been created yet')
                ON CONFLICT DO NOTHING
                """,
                [
                    one.policy.cluster,
                    one.name,
                    one.policy.id,
                    one.due_at,
                    one.attempt,
                    list(one.namespaces),
                    one.policy.storage_location,
                    triggered_at,
                ],
            )
            row = connection.execute(
                """
                SELECT backup_name FROM oco.backup_records
                WHERE policy_id = %s AND due_at = %s AND attempt = %s
                """,
                [one.policy.id, one.due_at, one.attempt],
            ).fetchone()
            names.append(row["backup_name"] if row else one.name)
    return names


def last_attempt(warehouse: Warehouse, policy_id: str, due_at: datetime) -> tuple[int, str]:
    """(number, phase) of the last attempt for a due time; (0, "") before the first.

    One that vanished before it ended counts as Failed.
    """
    rows = warehouse.query(
        """
        SELECT attempt, CASE WHEN vanished_at IS NOT NULL AND phase <> ALL(%s) THEN %s
                             ELSE phase END AS phase
        FROM oco.backup_records
        WHERE policy_id = %s AND due_at = %s ORDER BY attempt DESC LIMIT 1
        """,
        [_ENDED, Phase.FAILED.value, policy_id, due_at],
    )
    return (rows[0]["attempt"], rows[0]["phase"]) if rows else (0, "")


@dataclass(frozen=True, slots=True)
class Judged:
    """A backup with why it is no recovery point now, and why not even with its location there."""

    state: BackupState
    problem: str
    unsound: str


def keep_states(
    connection: Connection, cluster: str, judged: Collection[Judged], now: datetime
) -> int:
    """Write what a whole list of a cluster's backups says; returns how many are newly gone.

    Args:
        connection: holds the lock of the cluster's records.
        cluster: kubeconfig context.
        judged: every backup of the cluster.
        now: aware, from before the list was read: what was seen since then is not gone.
    """
    for one in judged:
        _keep_state(connection, one.state, one.problem, now, sound=not one.unsound)
    return connection.execute(
        """
        UPDATE oco.backup_records
        SET vanished_at = %s, usable = false, sound = false,
            usable_reason = 'it is gone from the cluster'
        WHERE cluster = %s AND backup_uid IS NOT NULL AND vanished_at IS NULL
          AND last_seen_at < %s AND backup_uid <> ALL(%s)
        """,
        [now, cluster, now, [one.state.uid for one in judged]],
    ).rowcount


def keep_state(warehouse: Warehouse, state: BackupState, problem: str, now: datetime) -> str:
    """Write what one backup says; returns the id of its record."""
    with warehouse.transaction() as connection:
        return _keep_state(connection, state, problem, now)


def keep_state_in(connection: Connection, state: BackupState, problem: str, now: datetime) -> str:
    """`keep_state` within a transaction of others."""
    return _keep_state(connection, state, problem, now)


def _keep_state(
    connection: Connection,
    state: BackupState,
    problem: str,
    now: datetime,
    *,
    sound: bool = False,
) -> str:
    values: dict[str, Any] = {
        "cluster": state.cluster,
        "name": state.name,
        "uid": state.uid,
        "phase": state.phase,
        "namespaces": list(state.namespaces),
        "storage_location": state.storage_location,
        "items_total": state.items_total,
        "items_backed_up": state.items_backed_up,
        "errors": state.errors,
        "warnings": state.warnings,
        "validation_errors": list(state.validation_errors),
        "failure_reason": state.failure_reason,
        "attempted": state.volume_operations_attempted,
        "completed": state.volume_operations_completed,
        "usable": not problem,
        "problem": problem,
        "sound": sound,
        "phase_known": is_known(Kind.BACKUP, state.phase),
        "created_at": state.created_at,
        "started_at": state.started_at,
        "completed_at": state.completed_at,
        "expires_at": state.expires_at,
        "now": now,
        "policy": state.labels.get(POLICY_LABEL),
    }
    # A copy that synced into another cluster has the policy's label and is none of its points.
    # By UID where we know it; else the row that was planned under the name; else a new row. A name
    # that comes back with another UID is another backup.
    row = connection.execute(
        """
        UPDATE oco.backup_records SET
            backup_uid = %(uid)s, phase = %(phase)s, namespaces = %(namespaces)s,
            storage_location = %(storage_location)s, items_total = %(items_total)s,
            items_backed_up = %(items_backed_up)s, errors = %(errors)s, warnings = %(warnings)s,
            validation_errors = %(validation_errors)s, failure_reason = %(failure_reason)s,
            volume_operations_attempted = %(attempted)s,
            volume_operations_completed = %(completed)s,
            usable = %(usable)s, usable_reason = %(problem)s, created_at = %(created_at)s,
            sound = %(sound)s, phase_known = %(phase_known)s,
            started_at = %(started_at)s, completed_at = %(completed_at)s,
            expires_at = %(expires_at)s, vanished_at = NULL, last_seen_at = %(now)s
        WHERE id = (
            SELECT id FROM oco.backup_records
            WHERE cluster = %(cluster)s
              AND (backup_uid = %(uid)s OR (backup_uid IS NULL AND backup_name = %(name)s))
            ORDER BY backup_uid NULLS LAST LIMIT 1)
        RETURNING id::text
        """,
        values,
    ).fetchone()
    if row is None:
        row = connection.execute(
            """
            INSERT INTO oco.backup_records
                (cluster, backup_name, backup_uid, policy_id, attempt, phase, namespaces,
                 storage_location, items_total, items_backed_up, errors, warnings,
                 validation_errors, failure_reason, volume_operations_attempted,
                 volume_operations_completed, usable, usable_reason, sound, phase_known,
                 created_at, started_at, completed_at, expires_at, last_seen_at)
            SELECT %(cluster)s, %(name)s, %(uid)s,
                   (SELECT id FROM oco.dr_policies
                    WHERE id::text = %(policy)s AND cluster = %(cluster)s),
                   1 + coalesce((SELECT max(attempt) FROM oco.backup_records
                                 WHERE cluster = %(cluster)s AND backup_name = %(name)s), 0),
                   %(phase)s, %(namespaces)s, %(storage_location)s, %(items_total)s,
                   %(items_backed_up)s, %(errors)s, %(warnings)s, %(validation_errors)s,
                   %(failure_reason)s, %(attempted)s, %(completed)s, %(usable)s, %(problem)s,
                   %(sound)s, %(phase_known)s, %(created_at)s, %(started_at)s,
                   %(completed_at)s, %(expires_at)s, %(now)s
            RETURNING id::text
            """,
            values,
        ).fetchone()
    if row is None:
        raise NotFoundError(f"backup {state.name!r} could not be recorded")
    record: str = row["id"]
    return record


def clusters_to_look_at(
    warehouse: Warehouse, clusters: Collection[str]
) -> dict[str, frozenset[str]]:
    """Clusters of policies that it is time to look at, each with its unfinished backups.

    It is while a backup is on its way, and every LOOK_EVERY otherwise; a minute after a look that
    failed. Backups whose phase we do not know are not waited for.

    Args:
        warehouse: where from.
        clusters: the configured ones.
    """
    rows = warehouse.query(
        """
        SELECT ours.cluster,
               coalesce(array_agg(record.id::text) FILTER (WHERE record.id IS NOT NULL), '{}')
                   AS unfinished
        FROM (SELECT DISTINCT cluster FROM oco.dr_policies WHERE cluster = ANY(%s)) AS ours
        LEFT JOIN oco.dr_clusters AS known ON known.cluster = ours.cluster
        LEFT JOIN oco.backup_records AS record
            ON record.cluster = ours.cluster AND record.backup_uid IS NOT NULL
            AND record.vanished_at IS NULL AND record.phase <> ALL(%s) AND record.phase_known
        GROUP BY ours.cluster, known.last_read_at, known.error_at
        HAVING (count(record.id) > 0
                AND coalesce(known.error_at < now() - interval '1 minute', true))
            OR coalesce(greatest(known.last_read_at, known.error_at) < now() - %s, true)
        """,
        [list(clusters), _ENDED, LOOK_EVERY],
    )
    return {row["cluster"]: frozenset(row["unfinished"]) for row in rows}


def judged_lately(warehouse: Warehouse, cluster: str) -> bool:
    """Whether every enabled policy of a cluster was judged within LOOK_EVERY."""
    rows = warehouse.query(
        """
        SELECT 1 FROM oco.dr_policies AS policy
        LEFT JOIN oco.dr_policy_status AS status ON status.policy_id = policy.id
        WHERE policy.cluster = %s AND policy.enabled
          AND coalesce(status.judged_at < now() - %s, true)
        LIMIT 1
        """,
        [cluster, LOOK_EVERY],
    )
    return not rows


def abandoned_plan_ids(
    warehouse: Warehouse, clusters: Collection[str], silent_since: datetime
) -> list[str]:
    """Recovery plans that are executing in one of `clusters` and untouched since then, by age."""
    rows = warehouse.query(
        """
        SELECT id::text FROM oco.recovery_plans
        WHERE status = 'executing' AND updated_at < %s AND target_cluster = ANY(%s)
        ORDER BY started_at, id
        """,
        [silent_since, list(clusters)],
    )
    return [row["id"] for row in rows]


def _policy(row: dict[str, Any]) -> DrPolicy:
    return DrPolicy(
        id=str(row["id"]),
        name=row["name"],
        cluster=row["cluster"],
        namespaces=tuple(row["namespaces"]),
        schedule_cron=row["schedule_cron"],
        time_zone=row["time_zone"],
        retention=row["retention"],
        storage_location=row["storage_location"],
        rpo_target=row["rpo_target"],
        rto_target=row["rto_target"],
        created_at=row["created_at"],
        namespace_selector=row["namespace_selector"],
        label_selector=row["label_selector"],
        snapshot_options=row["snapshot_options"],
        keep_at_least=row["keep_at_least"],
        drill_cron=row["drill_cron"],
        protected=row["protected"],
        enabled=row["enabled"],
        last_due_at=row["last_due_at"],
    )
