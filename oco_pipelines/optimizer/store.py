"""The life of a recommendation in `oco.optimization_recommendations`.

A recommendation keeps its row over runs. What people decided stays: an accepted one stays accepted,
a dismissed one stays dismissed until its time is over. One that is not found any more expires, and
opens again when it comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg.types.json import Jsonb

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_warehouse.database import Warehouse, lock

_UPSERT: Final = """
    INSERT INTO oco.optimization_recommendations AS known (
        provider, account_id, resource_id, resource_type, recommendation_type,
        title, description, estimated_monthly_savings, confidence, evidence
    )
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (provider, account_id, resource_id, recommendation_type) DO UPDATE SET
        resource_type = excluded.resource_type, title = excluded.title,
        description = excluded.description,
        estimated_monthly_savings = excluded.estimated_monthly_savings,
        confidence = excluded.confidence, evidence = excluded.evidence, last_seen_at = now(),
        status = CASE
            WHEN known.status = 'expired' THEN 'open'
            WHEN known.status = 'dismissed' AND known.dismissed_until <= now() THEN 'open'
            WHEN known.status = 'realised' THEN 'regressed'
            ELSE known.status
        END,
        resolved_at = CASE
            WHEN known.status IN ('expired', 'realised') THEN NULL
            WHEN known.status = 'dismissed' AND known.dismissed_until <= now() THEN NULL
            ELSE known.resolved_at
        END,
        status_reason = CASE
            WHEN known.status = 'expired' THEN NULL
            WHEN known.status = 'dismissed' AND known.dismissed_until <= now() THEN NULL
            ELSE known.status_reason
        END
    RETURNING id
"""
_EXPIRE: Final = """
    UPDATE oco.optimization_recommendations
    SET status = 'expired', resolved_at = now(), status_reason = 'not found any more'
    WHERE recommendation_type = %s AND status = 'open' AND NOT (id = ANY (%s))
"""


@dataclass(frozen=True, slots=True)
class Written:
    """How many recommendations a run found, and how many it let expire."""

    found: int
    expired: int


def write_recommendations(
    warehouse: Warehouse, rule: str, found: Sequence[Recommendation]
) -> Written:
    """Bring the rows of one rule up to what a run found, in one transaction."""
    with warehouse.transaction() as connection:
        lock(connection, f"optimizer:{rule}")
        kept = []
        for recommendation in found:
            resource = recommendation.resource
            row = connection.execute(
                _UPSERT,
                [
                    *resource.key,
                    resource.resource_type,
                    rule,
                    recommendation.title,
                    recommendation.description,
                    recommendation.estimated_monthly_savings,
                    recommendation.confidence,
                    Jsonb(dict(recommendation.evidence)),
                ],
            ).fetchone()
            if row is not None:
                kept.append(row["id"])
        expired = connection.execute(_EXPIRE, [rule, kept]).rowcount
    return Written(len(found), expired)
