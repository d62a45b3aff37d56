"""Reads and writes governance policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from oco_pipelines.policy.policy import Policy
from oco_warehouse.database import Connection, Warehouse, lock
from oco_warehouse.errors import NotFoundError

ACTOR: Final = "oco policies"
_WRITE: Final = """
    INSERT INTO oco.governance_policies AS known
        (name, description, policy_type, rules, severity, owner, actions, enabled)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (name) DO UPDATE SET
        description = excluded.description, policy_type = excluded.policy_type,
        rules = excluded.rules, severity = excluded.severity, owner = excluded.owner,
        actions = excluded.actions, enabled = excluded.enabled, version = known.version + 1
    WHERE (known.description, known.policy_type, known.rules, known.severity, known.owner,
           known.actions, known.enabled)
        IS DISTINCT FROM (excluded.description, excluded.policy_type, excluded.rules,
                          excluded.severity, excluded.owner, excluded.actions, excluded.enabled)
    RETURNING id, xmax = 0 AS is_new
"""
_AUDIT: Final = """
    INSERT INTO oco.audit_log (actor, action, entity_type, entity_id, details)
    VALUES (%s, %s, 'governance_policy', %s, %s)
"""
_READ: Final = """
    SELECT id, name, description, policy_type, rules, severity, owner, actions, enabled, version,
           last_evaluated_at, last_error, last_found,
           (SELECT count(*) FROM oco.policy_violations AS violation
            WHERE violation.policy_id = policy.id AND resolved_at IS NULL) AS open
    FROM oco.governance_policies AS policy
    ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A row of `oco.governance_policies` as an evaluation needs it; `rules` were not read yet."""

    id: UUID
    name: str
    description: str
    severity: str
    owner: str | None
    rules: Any
    enabled: bool
    version: int


def read_policies(warehouse: Warehouse) -> list[StoredPolicy]:
    """Every policy, by name."""
    rows = warehouse.query("""
        SELECT id, name, description, severity, owner, rules, enabled, version
        FROM oco.governance_policies ORDER BY name
    """)
    return [StoredPolicy(**row) for row in rows]


def list_policies(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Every policy with how its last evaluation ended and how many open violations it has."""
    return warehouse.query(_READ)


def find_policy(warehouse: Warehouse, name: str) -> dict[str, Any]:
    """One policy by its name.

    Raises:
        NotFoundError: when there is none.
    """
    for row in list_policies(warehouse):
        if row["name"] == name:
            return row
    raise NotFoundError(f"there is no policy {name!r}: `oco policies list` shows them")


def seed_policies(warehouse: Warehouse, policies: Sequence[Policy]) -> int:
    """Write the shipped policies when there is none at all; returns how many were written."""
    with warehouse.transaction() as connection:
        lock(connection, "governance_policies")
        if connection.execute("SELECT 1 FROM oco.governance_policies LIMIT 1").fetchone():
            return 0
        for policy in policies:
            _write(connection, policy)
    return len(policies)


def write_policies(warehouse: Warehouse, policies: Sequence[Policy]) -> tuple[int, int]:
    """Write policies, known by name, in one transaction: (how many are new, how many changed)."""
    added = changed = 0
    with warehouse.transaction() as connection:
        lock(connection, "governance_policies")
        for policy in policies:
            row = _write(connection, policy)
            if row is None:
                continue
            added, changed = added + row["is_new"], changed + (not row["is_new"])
            action = "governance_policy.create" if row["is_new"] else "governance_policy.update"
            details = {"name": policy.name, "enabled": policy.enabled, "rules": policy.rules}
            connection.execute(_AUDIT, [ACTOR, action, str(row["id"]), Jsonb(details)])
    return added, changed


def _write(connection: Connection, policy: Policy) -> dict[str, Any] | None:
    return connection.execute(
        _WRITE,
        [
            policy.name,
            policy.description,
            policy.policy_type,
            Jsonb(policy.rules),
            policy.severity,
            policy.owner,
            Jsonb(policy.actions),
            policy.enabled,
        ],
    ).fetchone()
