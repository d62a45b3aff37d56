"""Whether commitments add up: Σ EffectiveCost(Usage) = used + unused = what was paid for them.

Source: the FOCUS specification's correctness of EffectiveCost over a commitment's term.
"""

from typing import Any

from oco_warehouse.database import Warehouse


def broken_commitments(warehouse: Warehouse) -> list[str]:
    """Commitments of which used + unused is not what was paid, with no tolerance.

    Only where a bill lets it hold: every charge states whether it was used, the period is over and
    not estimated, and all that was bought in it recurs. What was paid upfront belongs to the term.
    """
    return [
        f"{row['provider']} {row['commitment_id']} in {row['period']:%Y-%m}: paid "
        f"{row['purchased']}, used {row['used']} + unused {row['unused']} {row['currency']}"
        for row in _commitment_periods(warehouse)
        if row["unstated"] == 0
        and row["purchases"] > 0
        and row["recurs"]
        and row["closed"]
        and row["purchased"] != row["used"] + row["unused"]
    ]


def unstated_commitments(warehouse: Warehouse) -> list[str]:
    """Per provider, why used + unused cannot be held to what was paid, and how often."""
    found: dict[str, dict[str, int]] = {}
    for row in _commitment_periods(warehouse):
        reasons = found.setdefault(row["provider"], {})
        if row["unstated"] != 0:
            reason = "have cost that does not say whether it was used"
        elif row["purchases"] == 0:
            reason = "have no purchase on the bill of the period"
        elif not row["recurs"]:
            reason = "were paid upfront, so that only their term adds up"
        elif not row["closed"]:
            continue
        else:
            reason = ""
        reasons[reason] = reasons.get(reason, 0) + 1
    return [
        f"{provider}: {number} of {sum(reasons.values())} commitment periods {reason}"
        for provider, reasons in sorted(found.items())
        for reason, number in sorted(reasons.items())
        if reason
    ]


def _commitment_periods(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query("""
        WITH last_days AS (
            SELECT provider, max(usage_date) AS day
            FROM intermediate.int_cloud_cost_cells
            WHERE charge_category = 'Usage'
            GROUP BY 1
        )
        SELECT c.provider, commitment_discount_id AS commitment_id, billing_currency AS currency,
               (billing_period_start AT TIME ZONE 'UTC')::date AS period,
               coalesce(sum(billed_cost) FILTER (WHERE charge_category = 'Purchase'), 0)
                   AS purchased,
               coalesce(sum(charge_count) FILTER (WHERE charge_category = 'Purchase'), 0)::bigint
                   AS purchases,
               coalesce(bool_and(charge_frequency = 'Recurring')
                   FILTER (WHERE charge_category = 'Purchase'), false) AS recurs,
               coalesce(sum(effective_cost)
                   FILTER (WHERE commitment_discount_status = 'Used'), 0) AS used,
               coalesce(sum(effective_cost)
                   FILTER (WHERE commitment_discount_status = 'Unused'), 0) AS unused,
               coalesce(sum(effective_cost)
                   FILTER (WHERE commitment_discount_status IS NULL), 0) AS unstated,
               NOT bool_or(is_estimated)
                   AND max((billing_period_end AT TIME ZONE 'UTC')::date) <= max(l.day) + 1
                   AS closed
        FROM intermediate.int_cloud_cost_cells AS c
        LEFT JOIN last_days AS l USING (provider)
        WHERE commitment_discount_id IS NOT NULL
        GROUP BY 1, 2, 3, 4
        ORDER BY 1, 2, 4, 3
    """)
