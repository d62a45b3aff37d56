"""Holds anomalies against the charges that they speak of."""

from typing import Final

from oco_warehouse.database import Warehouse

# Only what the last run found: older episodes say what was believed in their time.
_DIFFERING: Final = """
    SELECT anomaly.provider, anomaly.service, anomaly.account_id, anomaly.first_day,
           anomaly.observed_usd, coalesce(sum(charge.effective_cost_usd), 0) AS charged_usd
    FROM oco.cost_anomalies AS anomaly
    LEFT JOIN intermediate.int_cloud_cost_cells AS charge
        ON charge.is_metered
        AND charge.usage_date BETWEEN anomaly.first_day AND anomaly.last_day
        AND anomaly.provider IN (charge.provider, 'all')
        AND anomaly.service IN (charge.service, 'all')
        AND anomaly.account_id IN (charge.account_id, 'all')
    WHERE anomaly.status <> 'withdrawn'
      AND anomaly.last_seen = (SELECT max(last_seen) FROM oco.cost_anomalies)
    GROUP BY anomaly.id
    HAVING coalesce(sum(charge.effective_cost_usd), 0) <> anomaly.observed_usd
    ORDER BY anomaly.first_day, anomaly.id
"""


def differing_anomalies(warehouse: Warehouse) -> list[str]:
    """One line for each episode that does not add up to its charges; none when all do."""
    return [
        f"{row['provider']} {row['service']} {row['account_id']} from {row['first_day']}: "
        f"{row['observed_usd']:f} is told, {row['charged_usd']:f} is charged"
        for row in warehouse.query(_DIFFERING)
    ]
