"""The SQL of what is followed beside backups, of everything's history, and of when we looked."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from oco_pipelines.resilience.phases import Kind
from oco_pipelines.resilience.velero_objects import VeleroObject
from oco_warehouse.database import Connection, Warehouse

_KEEP: Final = """
    INSERT INTO oco.velero_objects AS known
        (cluster, kind, uid, name, phase, phase_known, detail, created_at, phase_since,
         first_seen_at, last_seen_at)
    VALUES (%(cluster)s, %(kind)s, %(uid)s, %(name)s, %(phase)s, %(phase_known)s, %(detail)s,
            %(created_at)s, %(now)s, %(now)s, %(now)s)
    ON CONFLICT (cluster, kind, uid) DO UPDATE SET
        phase_since = CASE WHEN known.phase = excluded.phase THEN known.phase_since
                           ELSE excluded.phase_since END,
        phase = excluded.phase, phase_known = excluded.phase_known, detail = excluded.detail,
        last_seen_at = excluded.last_seen_at, vanished_at = NULL
"""
_GONE: Final = """
    UPDATE oco.velero_objects SET vanished_at = %(now)s
    WHERE cluster = %(cluster)s AND kind = %(kind)s AND vanished_at IS NULL
      AND last_seen_at < %(now)s AND uid <> ALL(%(uids)s)
"""
# One statement after all are kept: an entry where an object's last one says something else.
_HISTORY: Final = """
    INSERT INTO oco.velero_history (cluster, kind, uid, name, phase, event, at)
    SELECT seen.cluster, seen.kind, seen.uid, seen.name, seen.phase,
           CASE WHEN seen.gone THEN 'vanished' WHEN last.event IS NULL THEN 'seen'
                WHEN last.event = 'vanished' THEN 'returned' ELSE 'changed' END, %(now)s
    FROM (
        SELECT cluster, kind, uid, name, phase, vanished_at IS NOT NULL AS gone
        FROM oco.velero_objects
        UNION ALL
        SELECT cluster, 'Backup', backup_uid, backup_name, phase, vanished_at IS NOT NULL
        FROM oco.backup_records WHERE backup_uid IS NOT NULL
    ) AS seen
    LEFT JOIN LATERAL (
        SELECT phase, event FROM oco.velero_history AS entry
        WHERE entry.cluster = seen.cluster AND entry.kind = seen.kind AND entry.uid = seen.uid
        ORDER BY id DESC LIMIT 1
    ) AS last ON true
    WHERE seen.cluster = %(cluster)s
      AND (last.event IS NULL OR (last.event = 'vanished') <> seen.gone
           OR (NOT seen.gone AND last.phase <> seen.phase))
    ORDER BY seen.kind, seen.name
"""


def server_time(warehouse: Warehouse) -> datetime:
    """The warehouse's clock: several processes with clocks of their own write what they saw."""
    now: datetime = warehouse.query("SELECT clock_timestamp() AS now")[0]["now"]
    return now


def keep_objects(
    connection: Connection,
    cluster: str,
    found: dict[Kind, list[VeleroObject]],
    now: datetime,
) -> None:
    """Write what whole lists of a cluster say; what is in none of them has vanished."""
    for kind, objects in found.items():
        for one in objects:
            values: dict[str, Any] = {
                "cluster": cluster,
                "kind": kind.value,
                "uid": one.uid,
                "name": one.name,
                "phase": one.phase,
                "phase_known": one.phase_known,
                "detail": Jsonb(one.detail),
                "created_at": one.created_at,
                "now": now,
            }
            connection.execute(_KEEP, values)
        uids = [one.uid for one in objects]
        gone = {"cluster": cluster, "kind": kind.value, "uids": uids, "now": now}
        connection.execute(_GONE, gone)


def keep_sizes(connection: Connection, cluster: str, sizes: dict[str, int]) -> None:
    """Write the bytes of backups, by name; what is not known stays as it is."""
    connection.execute(
        """
        UPDATE oco.backup_records AS record SET size_bytes = found.bytes
        FROM unnest(%s::text[], %s::bigint[]) AS found (name, bytes)
        WHERE record.cluster = %s AND record.backup_name = found.name
          AND record.vanished_at IS NULL AND record.size_bytes IS DISTINCT FROM found.bytes
        """,
        [list(sizes), list(sizes.values()), cluster],
    )


def keep_history(connection: Connection, cluster: str, now: datetime) -> None:
    """Write what changed since the last entries."""
    connection.execute(_HISTORY, {"cluster": cluster, "now": now})


def cluster_read(connection: Connection, cluster: str, now: datetime) -> None:
    """Remember that all lists of a cluster were read."""
    connection.execute(
        "INSERT INTO oco.dr_clusters (cluster, last_read_at) VALUES (%s, %s) "
        "ON CONFLICT (cluster) DO UPDATE SET last_read_at = excluded.last_read_at, error = NULL, "
        "error_at = NULL",
        [cluster, now],
    )


def cluster_failed(warehouse: Warehouse, cluster: str, error: str) -> None:
    """Remember why a cluster could not be read."""
    warehouse.execute(
        "INSERT INTO oco.dr_clusters (cluster, error, error_at) VALUES (%s, %s, now()) "
        "ON CONFLICT (cluster) DO UPDATE SET error = excluded.error, error_at = now()",
        [cluster, error],
    )


def forget_clusters(warehouse: Warehouse, kept: Collection[str]) -> None:
    """Drop what is said of clusters that no policy names any more."""
    warehouse.execute("DELETE FROM oco.dr_clusters WHERE cluster <> ALL(%s)", [list(kept)])
