"""Whether a model switch was made: by the calls that moved, not by what was spent.

Spend on models follows traffic, so a cheaper month says nothing. Measured is which part of the
model's daily calls is gone and has come to the other model, over two whole weeks before the
decision and the newest whole week; the saving is that part of what was claimed.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from oco_pipelines.llm.insights.model_switch import RULE
from oco_pipelines.optimizer.measuring import Measured, decide, settle
from oco_pipelines.optimizer.outcomes import decided_on, moved_savings, week_is_after
from oco_pipelines.optimizer.store import LOCK, life_of
from oco_warehouse.database import Connection, Warehouse, lock

_WEEK: Final = timedelta(days=7)
_BEFORE: Final = timedelta(days=14)
_ASK: Final = """
    SELECT id, provider, resource_id, evidence, estimated_monthly_savings, savings_alone, status,
           life, opened_at, seen_since, missed_since, status_reason, dismissed_until, accepted_at,
           realised_at, resolved_at
    FROM oco.optimization_recommendations
    WHERE recommendation_type = %s
      AND (status IN ('accepted', 'realised')
           OR status IN ('open', 'regressed') AND missed_since IS NOT NULL
           OR status = 'expired' AND realised_at IS NULL AND resolved_at >= %s)
    FOR UPDATE
"""
# A dated snapshot is known under its family's name.
_CALLS: Final = r"""
    SELECT count(*) AS calls
    FROM oco.api_requests
    WHERE "timestamp" >= %(first)s AND "timestamp" < %(end)s AND status_code < 400
      AND provider = %(provider)s
      AND (model = %(model)s
           OR regexp_replace(model, '-(\d{4}-\d{2}-\d{2}|\d{8})$', '') = %(model)s)
"""


def measure_switches(warehouse: Warehouse, now: datetime) -> Measured:
    """Measure what was done about model switches, and decide their claims."""
    asked = 0
    with warehouse.transaction() as connection:
        lock(connection, LOCK)
        for row in connection.execute(_ASK, [RULE, now - timedelta(days=21)]).fetchall():
            decided = decided_on(life_of(row))
            if decided is not None and week_is_after(decided, now.date()):
                settle(connection, row, _realised(connection, row, decided, now.date()), now)
                asked += 1
        known = decide(connection, [RULE], now)
    return Measured(asked, known)


def _realised(
    connection: Connection, row: Mapping[str, Any], decided: date, today: date
) -> Decimal:
    old = (row["provider"], row["resource_id"])
    new = (row["evidence"]["to_provider"], row["evidence"]["to_model"])
    before, after = (decided - _BEFORE, decided), (today - _WEEK, today)

    def a_day(model: tuple[str, str], days: tuple[date, date]) -> Decimal:
        values = {"provider": model[0], "model": model[1], "first": days[0], "end": days[1]}
        found = connection.execute(_CALLS, values).fetchone()
        return Decimal(found["calls"] if found else 0) / (days[1] - days[0]).days

    return moved_savings(
        row["savings_alone"] or row["estimated_monthly_savings"],
        a_day(old, before),
        a_day(old, after),
        a_day(new, after) - a_day(new, before),
    )
