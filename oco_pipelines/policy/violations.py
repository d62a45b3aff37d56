"""The life of violations: one open row for each policy and resource, until it is mended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from oco_pipelines.policy.policy_store import StoredPolicy
from oco_warehouse.database import Connection, copy_rows
from oco_warehouse.policy_engine.judging import Hit

# Hits wait here until all policies were judged: a policy that fails midway tells nothing.
_HITS: Final = "oco_policy_hits"
_COLUMNS: Final = (
    *("policy_id", "provider", "account_id", "resource_id", "name", "owner", "evidence"),
)
_FLUSHED_AT: Final = 5000
_MAKE: Final = """
    CREATE TEMPORARY TABLE oco_policy_hits (
        policy_id uuid NOT NULL, provider text NOT NULL, account_id text NOT NULL,
        resource_id text NOT NULL, name text NOT NULL, owner text, evidence jsonb NOT NULL
    )
"""
_INDEX: Final = "CREATE INDEX ON oco_policy_hits (policy_id, resource_id)"
_KNOWN: Final = """
    SELECT version, last_evaluated_at FROM oco.governance_policies WHERE id = %s FOR UPDATE
"""
_MERGE: Final = """
    WITH merged AS (
        INSERT INTO oco.policy_violations AS known (
            policy_id, provider, account_id, resource_id, description, severity, evidence, owner,
            exempt_until, exempt_reason
        )
        SELECT DISTINCT ON (hit.provider, hit.account_id, hit.resource_id)
            %(policy)s, hit.provider, hit.account_id, hit.resource_id,
            hit.name || %(suffix)s, %(severity)s, hit.evidence, coalesce(hit.owner, %(owner)s),
            earlier.exempt_until, earlier.exempt_reason
        FROM oco_policy_hits AS hit
        LEFT JOIN LATERAL (
            SELECT exempt_until, exempt_reason FROM oco.policy_violations AS old
            WHERE old.policy_id = %(policy)s AND old.resource_id = hit.resource_id
              AND old.provider = hit.provider AND old.account_id = hit.account_id
              AND old.exempt_until > now() AND old.resolved_at IS NOT NULL
            ORDER BY old.detected_at DESC LIMIT 1
        ) AS earlier ON true
        WHERE hit.policy_id = %(policy)s
        ON CONFLICT (policy_id, provider, account_id, resource_id) WHERE resolved_at IS NULL
        DO UPDATE SET
            description = excluded.description, severity = excluded.severity,
            evidence = excluded.evidence, owner = coalesce(known.owner, excluded.owner),
            last_seen_at = now()
        RETURNING xmax = 0 AS opened
    )
    SELECT count(*) AS found, count(*) FILTER (WHERE opened) AS opened FROM merged
"""
_RESOLVE: Final = """
    UPDATE oco.policy_violations AS violation SET resolved_at = now()
    WHERE violation.policy_id = %(policy)s AND violation.resolved_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM oco_policy_hits AS hit
          WHERE hit.policy_id = %(policy)s AND hit.resource_id = violation.resource_id
            AND hit.provider = violation.provider AND hit.account_id = violation.account_id
      )
"""
_TOLD: Final = """
    UPDATE oco.governance_policies
    SET last_evaluated_at = %s, last_error = NULL, last_found = %s WHERE id = %s
"""
_FAILED: Final = """
    UPDATE oco.governance_policies SET last_evaluated_at = %(at)s, last_error = %(error)s
    WHERE id = %(id)s AND version = %(version)s
      AND (last_evaluated_at IS NULL OR last_evaluated_at <= %(at)s)
"""
_RESOLVE_DISABLED: Final = """
    UPDATE oco.policy_violations AS violation SET resolved_at = now()
    FROM oco.governance_policies AS policy
    WHERE violation.policy_id = policy.id AND NOT policy.enabled AND violation.resolved_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an evaluation changed in the violations of a policy."""

    found: int
    opened: int
    resolved: int


class Staged:
    """Hits of an evaluation in a temporary table of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: list[tuple[object, ...]] = []
        connection.execute(_MAKE)

    def take(self, policy_id: str, hits: Sequence[Hit]) -> None:
        """Add hits of a policy."""
        self._waiting += (
            (
                UUID(policy_id),
                hit.subject.provider,
                hit.subject.account_id,
                hit.subject.resource_id,
                hit.subject.name,
                hit.subject.owner,
                Jsonb(hit.evidence),
            )
            for hit in hits
        )
        if len(self._waiting) >= _FLUSHED_AT:
            self._flush()

    def finish(self) -> None:
        """No more hits come."""
        self._flush()
        self._connection.execute(_INDEX)
        self._connection.execute("ANALYZE oco_policy_hits")
        self._connection.commit()

    def _flush(self) -> None:
        copy_rows(self._connection, _HITS, _COLUMNS, self._waiting)
        self._waiting.clear()


def keep_violations(
    connection: Connection, policy: StoredPolicy, judged_at: datetime
) -> Kept | None:
    """Open what is new, touch what is still so, resolve what was mended; in one transaction.

    Args:
        connection: the one that the hits were staged on, outside a transaction.
        policy: as it was when it was judged.
        judged_at: when the evaluation began.

    Returns:
        None when it must not tell: the policy was changed or removed meanwhile, or an evaluation
        that began later has told already.
    """
    with connection.transaction():
        known = connection.execute(_KNOWN, [policy.id]).fetchone()
        if known is None or known["version"] != policy.version:
            return None
        if known["last_evaluated_at"] is not None and known["last_evaluated_at"] > judged_at:
            return None
        values = {
            "policy": policy.id,
            "suffix": f" breaks {policy.name}: {policy.description}",
            "severity": policy.severity,
            "owner": policy.owner,
        }
        resolved = connection.execute(_RESOLVE, values).rowcount
        merged = connection.execute(_MERGE, values).fetchone()
        found, opened = (merged["found"], merged["opened"]) if merged else (0, 0)
        connection.execute(_TOLD, [judged_at, found, policy.id])
    return Kept(found, opened, resolved)


def keep_error(
    connection: Connection, policy: StoredPolicy, judged_at: datetime, error: str
) -> None:
    """Say on the policy's row why it could not be judged; its violations stay as they are."""
    with connection.transaction():
        connection.execute(
            _FAILED,
            {"at": judged_at, "error": error, "id": policy.id, "version": policy.version},
        )


def resolve_disabled(connection: Connection) -> int:
    """End the violations of policies that are disabled; returns how many."""
    with connection.transaction():
        return connection.execute(_RESOLVE_DISABLED).rowcount
