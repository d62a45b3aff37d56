"""The life of a finding in `oco.llm_insights`, and the alert that tells of it.

A finding keeps its row over runs. One that a run does not find any more is resolved; when it comes
back, the same row opens again and is told again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from psycopg.types.json import Jsonb

from oco_pipelines.llm.alerts.message import one_line
from oco_pipelines.llm.alerts.store import raise_alert, resolve_alerts
from oco_pipelines.llm.insights.budget_forecast import KIND as BUDGET_FORECAST
from oco_pipelines.llm.insights.finding import Finding
from oco_pipelines.llm.insights.spend_spike import KIND as SPEND_SPIKE
from oco_pipelines.llm.insights.unpriced_model import KIND as UNPRICED_MODEL
from oco_warehouse.database import Connection, Warehouse, lock

# Kinds that people are told of at once. The others wait for the report: anybody can make up names
# of agents, and a channel must not be flooded with them.
TOLD: Final = frozenset({SPEND_SPIKE, BUDGET_FORECAST, UNPRICED_MODEL})
# Long enough to look back, short enough that made-up names do not fill the warehouse. A budget's
# period is at most a year and a day: its alerts outlive it, so that none is told twice.
KEPT_RESOLVED: Final = timedelta(days=90)
KEPT_ALERTS: Final = timedelta(days=400)
_UPSERT: Final = """
    INSERT INTO oco.llm_insights AS known (
        kind, scope, entity_id, window_start, window_end, title, figures
    )
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT ON CONSTRAINT llm_insights_subject_key DO UPDATE SET
        window_end = excluded.window_end, title = excluded.title, figures = excluded.figures,
        last_seen = now(), resolved_at = NULL,
        opened_at = CASE WHEN known.resolved_at IS NULL THEN known.opened_at ELSE now() END
    RETURNING id, opened_at, opened_at = now() AS opened
"""
_RESOLVE: Final = """
    UPDATE oco.llm_insights SET resolved_at = now()
    WHERE kind = %s AND resolved_at IS NULL AND NOT (id = ANY (%s))
    RETURNING id, opened_at
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run changed in the findings of one kind."""

    found: int
    opened: int
    resolved: int


def keep_findings(warehouse: Warehouse, kind: str, found: Sequence[Finding]) -> Kept:
    """Bring the rows of one kind up to what a run found, and raise alerts, in one transaction.

    Of findings with the same identity the first counts.
    """
    unique = {finding.key: finding for finding in reversed(found)}.values()
    with warehouse.transaction() as connection:
        lock(connection, f"llm_insights:{kind}")
        opened = 0
        kept = []
        for finding in unique:
            row = connection.execute(
                _UPSERT,
                [
                    kind,
                    finding.scope,
                    finding.entity_id,
                    finding.window_start,
                    finding.window_end,
                    one_line(finding.title),
                    Jsonb(dict(finding.figures)),
                ],
            ).fetchone()
            if row is None:
                continue
            kept.append(row["id"])
            if row["opened"]:
                opened += 1
                if kind in TOLD:
                    _tell(connection, finding, _alert_key(row))
        gone = connection.execute(_RESOLVE, [kind, kept]).fetchall()
        resolve_alerts(connection, [_alert_key(row) for row in gone])
    return Kept(len(unique), opened, len(gone))


def forget_old(warehouse: Warehouse) -> int:
    """Delete insights that were resolved long ago, and old alerts with their deliveries.

    Returns:
        How many insights and alerts are gone.
    """
    with warehouse.transaction() as connection:
        insights = connection.execute(
            "DELETE FROM oco.llm_insights WHERE resolved_at < now() - %s", [KEPT_RESOLVED]
        ).rowcount
        alerts = connection.execute(
            "DELETE FROM oco.alerts WHERE created_at < now() - %s", [KEPT_ALERTS]
        ).rowcount
    return insights + alerts


def _tell(connection: Connection, finding: Finding, key: str) -> None:
    raise_alert(
        connection,
        kind=finding.kind,
        dedupe_key=key,
        scope=finding.scope,
        entity_id=finding.entity_id,
        title=finding.title,
        figures=finding.figures,
        period_start=finding.window_start,
    )


def _alert_key(row: dict[str, object]) -> str:
    return f"insight:{row['id']}:{row['opened_at']}"
