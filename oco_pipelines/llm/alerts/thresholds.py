"""Budgets that crossed a threshold, each threshold once a period.

What a budget has spent moves in the ledger's transaction; here its crossings are found and
remembered in one transaction of their own, under the rows' locks in the ledger's order.
"""

from decimal import Decimal
from typing import Any, Final

from oco_pipelines.llm.alerts.store import raise_alert
from oco_warehouse.database import Warehouse
from oco_warehouse.money import exact_product, format_usd

KIND: Final = "budget_threshold"
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
            for share in shares:
                raised += raise_alert(
                    connection,
                    kind=KIND,
                    dedupe_key=f"budget:{budget['id']}:{budget['period_start'].isoformat()}"
                    f":{share.normalize():f}",
                    scope=budget["scope"],
                    entity_id=budget["entity_id"],
                    title=threshold_title(budget, share),
                    figures=_figures(budget),
                    period_start=budget["period_start"],
                    threshold=share,
                )
            connection.execute(_FIRE, [shares, budget["id"]])
    return raised


def crossed(
    spent: Decimal, limit: Decimal, thresholds: list[Decimal], fired: list[Decimal]
) -> list[Decimal]:
    """Shares of the limit that are reached and did not fire yet, smallest first."""
    return sorted(
        {share for share in thresholds if spent >= exact_product(share, limit)} - set(fired)
    )


def threshold_title(budget: dict[str, Any], share: Decimal) -> str:
    """One line for people: who, which share, of what, and what is spent."""
    period = "rolling period" if budget["period"] == "rolling" else budget["period"]
    return (
        f"{budget['scope']} {budget['entity_id']}: {(share * 100).normalize():f} % of its budget "
        f"for the {period} is spent ({format_usd(budget['spent_usd'])} of "
        f"{format_usd(budget['limit_usd'])})"
    )


def _figures(budget: dict[str, Any]) -> dict[str, str]:
    return {
        "budget_id": budget["id"],
        "budget_name": budget["name"],
        "limit_usd": f"{budget['limit_usd']:f}",
        "spent_usd": f"{budget['spent_usd']:f}",
        "period": budget["period"],
        "period_start": budget["period_start"].isoformat(),
        "period_end": budget["period_end"].isoformat(),
        "enforcement": budget["enforcement"],
    }
