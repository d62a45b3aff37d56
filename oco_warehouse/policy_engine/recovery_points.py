"""Namespaces and the recovery points that cover them."""

from datetime import datetime
from typing import Any, Final

from oco_warehouse.database import Connection
from oco_warehouse.policy_engine.batch import Batch
from oco_warehouse.policy_engine.subjects import Chunk, Subject, owner_of, readable

# Namespaces of the inventory, and those that a DR policy names.
_NAMESPACES: Final = """
    WITH known AS (
        SELECT account_id AS cluster, coalesce(resource_name, resource_id) AS namespace, tags
        FROM oco.resources WHERE resource_type = 'k8s.namespace' AND deleted_at IS NULL
        UNION ALL
        SELECT policy.cluster, named.namespace, '{}'::jsonb
        FROM oco.dr_policies AS policy CROSS JOIN LATERAL unnest(policy.namespaces)
            AS named (namespace)
        WHERE policy.enabled AND named.namespace <> '*'
    ),
    namespaces AS (
        SELECT cluster, namespace, coalesce(jsonb_agg(tags) FILTER (WHERE tags <> '{}') -> 0, '{}')
            AS tags
        FROM known GROUP BY cluster, namespace
    )
    SELECT namespaces.cluster, namespaces.namespace, namespaces.tags,
           coalesce(array_agg(policy.name ORDER BY policy.name)
               FILTER (WHERE policy.id IS NOT NULL), '{}') AS policies,
           min(extract(epoch FROM policy.rpo_target)) AS rpo_seconds,
           min(policy.created_at) AS covered_since,
           (SELECT max(backup.started_at) FROM oco.backup_records AS backup
            WHERE backup.cluster = namespaces.cluster AND backup.usable
              AND (namespaces.namespace = ANY (backup.namespaces)
                   OR '*' = ANY (backup.namespaces) OR backup.namespaces = '{}')) AS newest
    FROM namespaces
    LEFT JOIN oco.dr_policies AS policy
        ON policy.cluster = namespaces.cluster AND policy.enabled
        AND (namespaces.namespace = ANY (policy.namespaces) OR '*' = ANY (policy.namespaces))
    GROUP BY namespaces.cluster, namespaces.namespace, namespaces.tags
    ORDER BY namespaces.cluster, namespaces.namespace
"""


def recovery_points(connection: Connection, now: datetime) -> Chunk:
    """Namespaces: whether a DR policy covers each, and how old its newest recovery point is."""
    with readable(connection, "recovery points"):
        rows = connection.execute(_NAMESPACES).fetchall()
    subjects, documents = [], []
    for row in rows:
        document = _document(row, now)
        documents.append(document)
        facts = {name: document[name] for name in ("dr_policies", "rpo_hours", "age_hours")}
        name = f"{row['cluster']}/{row['namespace']}"
        subjects.append(
            Subject("k8s", row["cluster"], row["namespace"], name, owner_of(row["tags"]), facts)
        )
    return Chunk(subjects, Batch(documents, now))


def _document(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A policy younger than its RPO has not had its chance yet: nothing is breached before that."""
    target = None if row["rpo_seconds"] is None else float(row["rpo_seconds"])
    age = None if row["newest"] is None else max((now - row["newest"]).total_seconds(), 0.0)
    breached = None
    if target is not None:
        waited = (now - row["covered_since"]).total_seconds()
        breached = waited > target if age is None else age > target
    return {
        "cluster": row["cluster"],
        "namespace": row["namespace"],
        "tags": row["tags"],
        "dr_policies": row["policies"],
        "dr_covered": bool(row["policies"]),
        "rpo_breached": breached,
        "rpo_hours": None if target is None else target / 3600,
        "age_hours": None if age is None else round(age / 3600, 2),
    }
