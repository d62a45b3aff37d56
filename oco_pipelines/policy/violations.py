"""The life of violations: one open row for each policy and resource, until it is mended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from oco_pipelines.policy.policy_store import StoredPolicy
from oco_warehouse.database import Connection, copy_rows
from oco_warehouse.last_seen import UNSEEN, unseen_since
from oco_warehouse.policy_engine.judging import Hit
from oco_warehouse.policy_engine.subjects import Subject
from oco_warehouse.policy_rules import Rules, grammar
from oco_warehouse.policy_rules.filters import looks_at_tags

# Hits wait here until all policies were judged: a policy that fails midway tells nothing.
# A subject is written once, however many policies it breaks.
_SUBJECTS: Final = "oco_policy_subjects"
_SUBJECT_COLUMNS: Final = (
    *("number", "provider", "account_id", "resource_id", "name", "owner", "facts"),
)
_HITS: Final = "oco_policy_hits"
_HIT_COLUMNS: Final = ("policy_id", "number", "figures")
_FLUSHED_AT: Final = 20_000
_MAKE: Final = """
    CREATE TEMPORARY TABLE oco_policy_subjects (
        number integer NOT NULL, provider text NOT NULL, account_id text NOT NULL,
        resource_id text NOT NULL, name text NOT NULL, owner text, facts jsonb NOT NULL
    );
    CREATE TEMPORARY TABLE oco_policy_hits (
        policy_id uuid NOT NULL, number integer NOT NULL, figures jsonb NOT NULL
    )
"""
_FINISH: Final = """
    CREATE INDEX ON oco_policy_hits (policy_id);
    CREATE UNIQUE INDEX ON oco_policy_subjects (number);
    ANALYZE oco_policy_hits;
    ANALYZE oco_policy_subjects
"""
_KNOWN: Final = """
    SELECT version, last_evaluated_at FROM oco.governance_policies WHERE id = %s FOR UPDATE
"""
_MERGE: Final = """
    WITH hit AS MATERIALIZED (
        SELECT provider, account_id, resource_id, name, owner, facts || figures AS evidence
        FROM oco_policy_hits JOIN oco_policy_subjects USING (number)
        WHERE policy_id = %(policy)s
    ),
    earlier AS MATERIALIZED (
        -- Only what the newest says: a person may have ended what an older one had.
        SELECT provider, account_id, resource_id, exempt_until, exempt_reason
        FROM (
            SELECT DISTINCT ON (provider, account_id, resource_id)
                provider, account_id, resource_id, exempt_until, exempt_reason
            FROM oco.policy_violations
            WHERE policy_id = %(policy)s AND resolved_at IS NOT NULL
            ORDER BY provider, account_id, resource_id, detected_at DESC
        ) AS newest
        WHERE exempt_until > now()
    ),
    resolved AS (
        UPDATE oco.policy_violations AS violation SET resolved_at = now()
        WHERE violation.policy_id = %(policy)s AND violation.resolved_at IS NULL
          AND NOT violation.id = ANY (%(unjudged)s)
          AND NOT EXISTS (
              SELECT 1 FROM hit
              WHERE hit.resource_id = violation.resource_id
                AND hit.provider = violation.provider AND hit.account_id = violation.account_id
          )
        RETURNING 1
    ),
    merged AS (
        INSERT INTO oco.policy_violations AS known (
            policy_id, provider, account_id, resource_id, description, severity, evidence, owner,
            exempt_until, exempt_reason
        )
        SELECT
            %(policy)s, hit.provider, hit.account_id, hit.resource_id,
            hit.name || %(suffix)s, %(severity)s, hit.evidence, coalesce(hit.owner, %(owner)s),
            earlier.exempt_until, earlier.exempt_reason
        FROM hit
        LEFT JOIN earlier USING (provider, account_id, resource_id)
        ON CONFLICT (policy_id, provider, account_id, resource_id) WHERE resolved_at IS NULL
        DO UPDATE SET
            description = excluded.description, severity = excluded.severity,
            evidence = excluded.evidence, owner = coalesce(known.owner, excluded.owner),
            last_seen_at = now()
        RETURNING xmax = 0 AS opened
    )
    SELECT count(*) AS found, count(*) FILTER (WHERE opened) AS opened,
           (SELECT count(*) FROM resolved) AS resolved
    FROM merged
"""
# Of resources that no listing has seen of late, and of those whose tags are unknown.
_UNJUDGED: Final = f"""
    -- First these, of which there are few or none.
    WITH unjudged AS MATERIALIZED (
        SELECT provider, account_id, resource_id, resource_type, {UNSEEN} AS unseen
        FROM oco.resources AS resource
        WHERE deleted_at IS NULL AND ({UNSEEN} OR facts ->> 'tags_known' = 'false')
    )
    SELECT violation.policy_id, violation.id, resource_type, unseen
    FROM unjudged
    JOIN oco.policy_violations AS violation USING (provider, account_id, resource_id)
    WHERE violation.resolved_at IS NULL AND violation.policy_id = ANY (%(policies)s)
"""  # noqa: S608 - constants
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
    """Hits of some policies in temporary tables of a connection of their own."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._count = 0
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._subjects: list[tuple[object, ...]] = []
        self._hits: list[tuple[object, ...]] = []
        connection.execute(_MAKE)

    def take(self, policy_id: str, hits: Sequence[Hit]) -> None:
        """Add hits of a policy."""
        policy = UUID(policy_id)
        self._hits += (
            (policy, self._number(hit.subject), _json(hit.figures) if hit.figures else "{}")
            for hit in hits
        )
        if len(self._hits) >= _FLUSHED_AT:
            self._flush()

    def finish(self) -> None:
        """No more hits come: from here on each statement of the connection is for itself."""
        self._flush()
        self.connection.execute(_FINISH)
        self.connection.commit()
        self.connection.autocommit = True
        # What a crash of the server takes is found again by the next evaluation.
        self.connection.execute("SET synchronous_commit = off")

    def _number(self, one: Subject) -> int:
        key = (one.provider, one.account_id, one.resource_id)
        number = self._numbers.get(key)
        if number is None:
            self._count += 1
            number = self._numbers[key] = self._count
            self._subjects.append((number, *key, one.name, one.owner, _json(one.facts)))
        return number

    def _flush(self) -> None:
        copy_rows(self.connection, _SUBJECTS, _SUBJECT_COLUMNS, self._subjects)
        copy_rows(self.connection, _HITS, _HIT_COLUMNS, self._hits)
        for waiting in (self._subjects, self._hits, self._numbers):
            waiting.clear()


def _json(value: Mapping[str, object]) -> str:
    return msgspec.json.encode(value).decode()


def unjudged_violations(
    connection: Connection, policies: Mapping[str, Rules], now: datetime
) -> dict[str, list[UUID]]:
    """Open violations, by policy, of resources that the engine does not judge by it.

    Args:
        connection: in the transaction that was judged in, so that it sees the same.
        policies: {id: rules} of those that were judged.
        now: as they were judged.
    """
    about = {key: rules for key, rules in policies.items() if rules.scope == grammar.ANY_RESOURCE}
    found: dict[str, list[UUID]] = {}
    values = {"policies": [UUID(key) for key in about], "unseen_since": unseen_since(now)}
    for row in connection.execute(_UNJUDGED, values).fetchall():
        key = str(row["policy_id"])
        rules = about[key]
        is_about = {row["resource_type"], grammar.ANY_RESOURCE} & set(rules.resources)
        if is_about and (row["unseen"] or looks_at_tags(rules.filters)):
            found.setdefault(key, []).append(row["id"])
    return found


def keep_violations(
    connection: Connection,
    policy: StoredPolicy,
    judged_at: datetime,
    unjudged: Sequence[UUID] = (),
) -> Kept | None:
    """Open what is new, touch what is still so, resolve what was mended; in one transaction.

    Args:
        connection: the one that the hits were staged on, outside a transaction.
        policy: as it was when it was judged.
        judged_at: when the evaluation began.
        unjudged: open ones of resources that were not judged; they stay as they are.

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
            "unjudged": list(unjudged),
        }
        kept = Kept(**(connection.execute(_MERGE, values).fetchone() or {}))
        connection.execute(_TOLD, [judged_at, kept.found, policy.id])
    return kept


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
