"""The SQL of `oco.dr_due_times`: who handles a due time, and what became of it.

The server's clock says when a lease ends, so that clocks that differ make no second claim.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from oco_pipelines.resilience.due import Due
from oco_pipelines.resilience.phases import ENDED, Phase
from oco_warehouse.database import Connection, Warehouse

if TYPE_CHECKING:
    from oco_pipelines.resilience.orchestrator import Outcome

# Longer than any evaluation may take.
LEASE: Final = timedelta(seconds=90)
FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(minutes=10)
_ENDED: Final = sorted(ENDED)
_CLAIM: Final = """
    INSERT INTO oco.dr_due_times AS known
        (policy_id, due_at, run_key, lateness, missed, claimed_until)
    SELECT due.policy_id, due.due_at, due.run_key, due.lateness, due.missed, now() + %(lease)s
    FROM unnest(%(policies)s::uuid[], %(times)s::timestamptz[], %(keys)s::text[],
                %(lateness)s::interval[], %(missed)s::integer[])
        AS due (policy_id, due_at, run_key, lateness, missed)
    JOIN oco.dr_policies AS policy ON policy.id = due.policy_id
    ORDER BY due.policy_id, due.due_at
    ON CONFLICT (policy_id, due_at) DO UPDATE SET
        state = 'claimed', tries = known.tries + 1, claimed_until = excluded.claimed_until
    WHERE coalesce(known.claimed_until < now(), true)
      AND coalesce(known.next_try_at <= now(), true)
      AND (known.state IN ('claimed', 'failed') OR excluded.run_key = ANY (%(retaken)s))
    RETURNING policy_id::text, due_at
"""
_SUPERSEDE: Final = """
    UPDATE oco.dr_due_times AS older SET state = 'superseded', claimed_until = NULL
    FROM unnest(%(policies)s::uuid[], %(times)s::timestamptz[]) AS newer (policy_id, due_at)
    WHERE older.policy_id = newer.policy_id AND older.due_at < newer.due_at
      AND older.state IN ('claimed', 'failed')
"""
_SETTLE: Final = """
    UPDATE oco.dr_due_times SET
        state = CASE WHEN %(created)s::timestamptz IS NULL THEN 'failed' ELSE 'created' END,
        created_at = coalesce(%(created)s, created_at), claimed_until = NULL,
        backup_name = coalesce(nullif(%(name)s, ''), backup_name), problem = %(problem)s,
        next_try_at = CASE WHEN %(created)s::timestamptz IS NULL THEN
            now() + greatest(
                %(wait)s, least(%(longest)s, %(first)s * power(2, least(tries, 20) - 1))
            )
        END
    WHERE policy_id = %(policy)s AND due_at = %(due)s AND state <> 'superseded'
"""
_HANDLED: Final = """
    UPDATE oco.dr_policies SET last_due_at = greatest(last_due_at, %s) WHERE id = %s
"""


@dataclass(frozen=True, slots=True)
class LastTry:
    """The last attempt for the last handled due time; one that vanished unfinished is Failed.

    Attributes:
        exists: whether its object was ever seen; else it was planned only.
    """

    attempt: int
    phase: str
    exists: bool
    created_at: datetime


def run_key(policy_id: str, due_at: datetime) -> str:
    """What a due time of a policy is called: it is handled once."""
    return f"{policy_id}:{due_at.astimezone(UTC).isoformat()}"


def claim(
    warehouse: Warehouse, wanted: Collection[tuple[str, Due, bool]]
) -> set[tuple[str, datetime]]:
    """Claim due times for a while; older ones of the same policies are superseded.

    Args:
        warehouse: where to.
        wanted: (policy, due time, whether another attempt is wanted although there is a backup).

    Returns:
        The (policy, due time) that we have now: not those that others have, that wait for their
        next try, or that have their backup.
    """
    if not wanted:
        return set()
    parameters = {
        "lease": LEASE,
        "policies": [policy for policy, _, _ in wanted],
        "times": [due.at for _, due, _ in wanted],
        "keys": [run_key(policy, due.at) for policy, due, _ in wanted],
        "lateness": [due.lateness for _, due, _ in wanted],
        "missed": [due.missed for _, due, _ in wanted],
        "retaken": [run_key(policy, due.at) for policy, due, again in wanted if again],
    }
    with warehouse.transaction() as connection:
        rows = connection.execute(_CLAIM, parameters).fetchall()
        connection.execute(_SUPERSEDE, parameters)
    return {(row["policy_id"], row["due_at"].astimezone(UTC)) for row in rows}


def settle(warehouse: Warehouse, outcomes: "Collection[Outcome]") -> None:
    """Write what became of claimed due times."""
    with warehouse.transaction() as connection:
        settle_in(connection, outcomes)


def settle_in(connection: Connection, outcomes: "Collection[Outcome]") -> None:
    """`settle` within a transaction of others; those that have a backup are handled."""
    for outcome in outcomes:
        policy, due = outcome.wanted.policy.id, outcome.wanted.due.at
        connection.execute(
            _SETTLE,
            {
                "created": outcome.created_at,
                "name": outcome.name,
                "problem": outcome.problem,
                "wait": timedelta(seconds=outcome.retry_after or 0),
                "longest": LONGEST_PAUSE,
                "first": FIRST_PAUSE,
                "policy": policy,
                "due": due,
            },
        )
        if outcome.created_at is not None:
            connection.execute(_HANDLED, [due, policy])


def last_tries(warehouse: Warehouse) -> dict[str, LastTry]:
    """The last attempt for the last handled due time of each policy."""
    rows = warehouse.query(
        """
        SELECT DISTINCT ON (record.policy_id) record.policy_id::text, record.attempt,
               CASE WHEN record.vanished_at IS NOT NULL AND record.phase <> ALL(%s) THEN %s
                    ELSE record.phase END AS phase,
               record.backup_uid IS NOT NULL AS made,
               coalesce(record.created_at, record.triggered_at, record.first_seen_at) AS created_at
        FROM oco.backup_records AS record
        JOIN oco.dr_policies AS policy
            ON policy.id = record.policy_id AND policy.last_due_at = record.due_at
        ORDER BY record.policy_id, record.attempt DESC
        """,
        [_ENDED, Phase.FAILED.value],
    )
    return {
        row["policy_id"]: LastTry(row["attempt"], row["phase"], row["made"], row["created_at"])
        for row in rows
    }
