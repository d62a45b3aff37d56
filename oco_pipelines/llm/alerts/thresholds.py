"""Budgets that crossed a threshold or refuse calls, each threshold and each refusing once a period.

What a budget has spent moves in the ledger's transaction; here its crossings are found and
remembered in one transaction of their own, under the rows' locks in the ledger's order.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from oco_pipelines.llm.alerts.store import raise_alert
from oco_warehouse.database import Connection, Warehouse
from oco_warehouse.money import exact_product, format_usd

KIND: Final = "budget_threshold"
REFUSING: Final = "budget_refusing"
_MOST_AT_ONCE: Final = 500
# A period that ended lately still tells: its last rows arrive after it.
_CROSSED: Final = """
    SELECT id, scope, entity_id, name, limit_usd, spent_usd, period, enforcement, time_zone,
           period_start, period_end, thresholds, thresholds_fired
    FROM oco.budgets
    WHERE enabled AND spent_usd > 0 AND period_end > now() - interval '1 day'
      AND EXISTS (
          SELECT 1 FROM unnest(thresholds) AS share
          WHERE spent_usd >= share * limit_usd AND NOT share = ANY (thresholds_fired)
      )
    ORDER BY id
    LIMIT %s
    FOR UPDATE
"""
_FIRE: Final = """
    UPDATE oco.budgets SET thresholds_fired = thresholds_fired || %s::numeric[] WHERE id = %s
"""


# The period before one that began lately. Its last rows may have come together with the first ones
# of the next, as after an outage over midnight: then nobody saw what it had spent in the end.
_ENDED: Final = """
    WITH ended AS (
        SELECT id, scope, entity_id, name, limit_usd, period, enforcement, thresholds,
               period_start AS period_end,
               CASE WHEN period = 'rolling' THEN period_start - rolling_interval
                    ELSE (period_start AT TIME ZONE time_zone - CASE period
                        WHEN 'day' THEN interval '1 day'
                        WHEN 'week' THEN interval '7 days'
                        WHEN 'month' THEN interval '1 month'
                        WHEN 'quarter' THEN interval '3 months'
                        ELSE interval '1 year'
                    END) AT TIME ZONE time_zone
               END AS period_start
        FROM oco.budgets
        WHERE enabled AND created_at < period_start AND period_start > %s - interval '3 hours'
    )
    SELECT ended.*, (
        SELECT coalesce(sum(request.cost_usd), 0)
        FROM oco.api_requests AS request
        WHERE request."timestamp" >= ended.period_start
          AND request."timestamp" < ended.period_end
          AND ended.entity_id = CASE ended.scope
              WHEN 'agent' THEN request.agent_id
              WHEN 'team' THEN request.team_id
              WHEN 'user' THEN request.user_id
              WHEN 'org' THEN request.org_id
              ELSE request.tags ->> substr(ended.scope, length('tag:') + 1)
          END
    ) AS spent_usd
    FROM ended
    ORDER BY id
    LIMIT %s
"""


# The gateway writes the period: the row's own one is older when nothing was spent in this one yet.
# No period is longer than a year, and what was told is remembered for longer.
_REFUSING: Final = """
    WITH refusing AS (
        SELECT id, scope, entity_id, name, limit_usd, period, enforcement,
               refused_period AS period_start,
               CASE WHEN period_start = refused_period THEN period_end END AS period_end,
               CASE WHEN period_start = refused_period THEN spent_usd ELSE 0 END AS spent_usd,
               'budget:' || id || ':refusing:' || extract(epoch FROM refused_period) AS dedupe_key
        FROM oco.budgets
        WHERE enabled AND enforcement = 'hard' AND refused_period > now() - interval '367 days'
    )
    SELECT refusing.* FROM refusing
    WHERE NOT EXISTS (SELECT 1 FROM oco.alerts WHERE alerts.dedupe_key = refusing.dedupe_key)
    ORDER BY id
    LIMIT %s
"""


def fire_thresholds(warehouse: Warehouse) -> int:
    """Raise an alert for each threshold that was crossed; returns how many are new."""
    raised = 0
    with warehouse.transaction() as connection:
        for budget in connection.execute(_CROSSED, [_MOST_AT_ONCE]).fetchall():
            shares = crossed(
                budget["spent_usd"],
                budget["limit_usd"],
                budget["thresholds"],
                budget["thresholds_fired"],
            )
            raised += _raise(connection, budget, shares)
            connection.execute(_FIRE, [shares, budget["id"]])
    return raised


def fire_refusing(warehouse: Warehouse) -> int:
    """Raise an alert for each hard budget that began to refuse calls; returns how many are new."""
    with warehouse.transaction() as connection:
        return sum(
            raise_alert(
                connection,
                kind=REFUSING,
                dedupe_key=budget["dedupe_key"],
                scope=budget["scope"],
                entity_id=budget["entity_id"],
                title=refusing_title(budget),
                figures=_figures(budget),
                period_start=budget["period_start"],
            )
            for budget in connection.execute(_REFUSING, [_MOST_AT_ONCE]).fetchall()
        )


def fire_ended_periods(warehouse: Warehouse, now: datetime) -> int:
    """The same for periods that ended in the last three hours, by their rows.

    What was told while they ran is not told again.

    Args:
        warehouse: the warehouse.
        now: aware.

    Returns:
        How many alerts are new.
    """
    raised = 0
    with warehouse.transaction() as connection:
        for budget in connection.execute(_ENDED, [now, _MOST_AT_ONCE]).fetchall():
            if budget["spent_usd"] > 0:
                shares = crossed(budget["spent_usd"], budget["limit_usd"], budget["thresholds"], [])
                raised += _raise(connection, budget, shares)
    return raised


def _raise(connection: Connection, budget: dict[str, Any], shares: list[Decimal]) -> int:
    start = budget["period_start"]
    return sum(
        raise_alert(
            connection,
            kind=KIND,
            dedupe_key=f"budget:{budget['id']}:{start.isoformat()}:{share.normalize():f}",
            scope=budget["scope"],
            entity_id=budget["entity_id"],
            title=threshold_title(budget, share),
            figures=_figures(budget),
            period_start=start,
            threshold=share,
        )
        for share in shares
    )


def crossed(
    spent: Decimal, limit: Decimal, thresholds: list[Decimal], fired: list[Decimal]
) -> list[Decimal]:
    """Shares of the limit that are reached and did not fire yet, smallest first."""
    return sorted(
        {share for share in thresholds if spent >= exact_product(share, limit)} - set(fired)
    )


def threshold_title(budget: dict[str, Any], share: Decimal) -> str:
    """One line for people: who, which share, of what, and what is spent."""
    return (
        f"{budget['scope']} {budget['entity_id']}: {(share * 100).normalize():f} % of its budget "
        f"for the {_period_name(budget)} is spent ({_spent(budget)})"
    )


def refusing_title(budget: dict[str, Any]) -> str:
    """One line for people: who is refused, by which budget, and what is spent."""
    return (
        f"{budget['scope']} {budget['entity_id']}: its hard budget for the {_period_name(budget)} "
        f"refuses calls that could cost more than is left ({_spent(budget)} is spent)"
    )


def _period_name(budget: dict[str, Any]) -> str:
    return "rolling period" if budget["period"] == "rolling" else str(budget["period"])


def _spent(budget: dict[str, Any]) -> str:
    return f"{format_usd(budget['spent_usd'])} of {format_usd(budget['limit_usd'])}"


def _figures(budget: dict[str, Any]) -> dict[str, str]:
    end = budget["period_end"]
    return {
        "budget_id": budget["id"],
        "budget_name": budget["name"],
        "limit_usd": f"{budget['limit_usd']:f}",
        "spent_usd": f"{budget['spent_usd']:f}",
        "period": budget["period"],
        "period_start": budget["period_start"].isoformat(),
        **({} if end is None else {"period_end": end.isoformat()}),
        "enforcement": budget["enforcement"],
    }
