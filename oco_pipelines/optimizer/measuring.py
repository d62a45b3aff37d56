"""Asks the bill what became of recommendations, and keeps outcomes; the rules are in `outcomes`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from oco_pipelines.optimizer.outcomes import (
    PATIENCE,
    Basis,
    decided_on,
    is_realised,
    rated_savings,
    realised_savings,
    verdict,
    week_is_after,
)
from oco_pipelines.optimizer.recommendation import Key
from oco_pipelines.optimizer.sharing import Drop, shared_out
from oco_pipelines.optimizer.store import LOCK, claims_of, life_of, live
from oco_warehouse import recommendation_life
from oco_warehouse.database import Connection, Warehouse, copy_rows, lock
from oco_warehouse.last_seen import UNSEEN, unseen_since
from oco_warehouse.recommendation_life import Life

SPOT: Final = "spot_instance"
COMMITMENT: Final = "commitment"
# How long after its end a recommendation is still looked for on the bill.
_ASKED: Final = PATIENCE + timedelta(days=7)
_LIFE: Final = (
    "id, recommendation_type, status, life, opened_at, seen_since, missed_since, status_reason, "
    "dismissed_until, accepted_at, realised_at, resolved_at"
)
_ASK: Final = f"""
    SELECT {_LIFE}, provider, account_id, resource_id, monthly_cost, claims,
           estimated_monthly_savings, savings_alone, evidence
    FROM oco.optimization_recommendations
    WHERE recommendation_type = ANY (%(rules)s)
      AND (status IN ('accepted', 'realised')
           OR status IN ('open', 'regressed') AND missed_since IS NOT NULL
           OR status = 'expired' AND realised_at IS NULL AND resolved_at >= %(since)s)
    FOR UPDATE
"""  # noqa: S608 - column names are constants
_ENDS: Final = """
    SELECT provider, least(%(today)s::date, max(date) + 1 - %(settling)s::integer) AS end_day
    FROM oco.cloud_costs
    WHERE valid_to IS NULL AND charge_category = 'Usage'
      AND date >= %(today)s::date - 60 AND date < %(today)s::date
    GROUP BY provider
"""
_USAGE: Final = """cost.valid_to IS NULL AND cost.charge_category = 'Usage'
      AND cost.charge_class IS NULL
      AND coalesce(cost.charge_frequency, 'Usage-Based') = 'Usage-Based'
      AND cost.commitment_discount_status IS DISTINCT FROM 'Unused'"""
_WEEKS: Final = f"""
    SELECT asked.provider, asked.account_id, asked.resource_id,
           sum(cost.effective_cost * cost.usd_rate) AS usd
    FROM asked
    JOIN oco.cloud_costs AS cost USING (provider, account_id, resource_id)
    WHERE {_USAGE} AND cost.date >= %(first)s AND cost.date >= asked.end_day - 7
      AND cost.date < asked.end_day
    GROUP BY 1, 2, 3
"""  # noqa: S608 - a constant
_GROUP_WEEK: Final = f"""
    SELECT coalesce(sum(cost.effective_cost * cost.usd_rate), 0) AS usd,
           coalesce(sum(cost.usage_quantity), 0) AS hours
    FROM oco.cloud_costs AS cost
    JOIN oco.resources AS resource USING (provider, account_id, resource_id)
    WHERE {_USAGE} AND cost.provider = %(provider)s AND cost.account_id = %(account)s
      AND resource.facts ->> 'autoscaling_group' = %(group)s
      AND lower(coalesce(cost.usage_unit, cost.pricing_unit)) ~ '^(1 )?(hours?|hrs?|h)$'
      AND cost.date >= %(end)s::date - 7 AND cost.date < %(end)s::date
"""  # noqa: S608 - a constant
# What commitments saved in some days: the list price of what they covered, less what they cost,
# unused parts included.
_BENEFIT: Final = """
    SELECT coalesce(sum(
        CASE WHEN commitment_discount_status = 'Used' THEN list_cost * usd_rate ELSE 0 END
        - effective_cost * usd_rate
    ), 0) AS usd
    FROM oco.cloud_costs
    WHERE valid_to IS NULL AND charge_category = 'Usage' AND charge_class IS NULL
      AND commitment_discount_status IN ('Used', 'Unused')
      AND provider = %(provider)s AND billing_account_id = %(account)s AND service = %(service)s
      AND coalesce(region, 'global') = %(region)s
      AND date >= %(first)s::date AND date < %(end)s::date
"""
_PENDING: Final = f"""
    SELECT claim.recommendation_id, claim.life AS number, claim.opened_at AS claimed_at,
           {", ".join(f"known.{name.strip()}" for name in _LIFE.split(","))},
           known.realised_monthly_savings,
           resource.resource_id IS NOT NULL AND {UNSEEN} AS unseen
    FROM oco.recommendation_outcomes AS claim
    JOIN oco.optimization_recommendations AS known ON known.id = claim.recommendation_id
    LEFT JOIN oco.resources AS resource
        ON resource.provider = known.provider AND resource.account_id = known.account_id
        AND resource.resource_id = known.resource_id
    WHERE claim.observed_at IS NULL AND claim.recommendation_type = ANY (%(rules)s)
"""  # noqa: S608 - column names are constants
_KEEP: Final = """
    UPDATE oco.recommendation_outcomes SET
        basis = %(basis)s, hit = %(hit)s, realised_monthly_savings = %(realised)s,
        observed_at = %(now)s
    WHERE recommendation_id = %(id)s AND life = %(life)s
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """How many recommendations the bill was asked for, and how many claims are now decided."""

    asked: int
    decided: int


def measure(
    warehouse: Warehouse, rules: Sequence[str], settling_days: int, now: datetime
) -> Measured:
    """Measure what was done about recommendations for cloud resources, and decide claims."""
    with warehouse.transaction() as connection:
        lock(connection, LOCK)
        rows = connection.execute(_ASK, {"rules": list(rules), "since": now - _ASKED}).fetchall()
        ends = {
            row["provider"]: row["end_day"]
            for row in connection.execute(
                _ENDS, {"today": now.date(), "settling": settling_days}
            ).fetchall()
        }
        ready = [row for row in rows if _is_ready(row, ends)]
        weeks = _weeks(connection, ready, ends)
        alone = [(row, _realised(connection, row, ends[row["provider"]], weeks)) for row in ready]
        for row, realised in _shared(alone, rules):
            settle(connection, row, realised, now)
        decided = decide(connection, rules, now)
    return Measured(len(ready), decided)


def _shared(
    alone: Sequence[tuple[Mapping[str, Any], Decimal]], rules: Sequence[str]
) -> list[tuple[Mapping[str, Any], Decimal]]:
    """The same where several claim one resource: what a person accepted first, then by rank."""
    rank = {name: place for place, name in enumerate(rules)}

    def order(one: tuple[Mapping[str, Any], Decimal]) -> tuple[bool, int, str]:
        row = one[0]
        return row["accepted_at"] is None, rank[row["recommendation_type"]], str(row["id"])

    by_bill = sorted(
        (one for one in alone if one[0]["recommendation_type"] not in {SPOT, COMMITMENT}), key=order
    )
    parts = shared_out([_drop(row, realised) for row, realised in by_bill])
    others = [one for one in alone if one[0]["recommendation_type"] in {SPOT, COMMITMENT}]
    return [*((row, part) for (row, _), part in zip(by_bill, parts, strict=True)), *others]


def _drop(row: Mapping[str, Any], realised: Decimal) -> Drop:
    life = life_of(row)
    decided = decided_on(life)
    if decided is None:
        raise ValueError(f"{row['id']}: nobody has decided on it, so that nothing is measured")
    return Drop(
        realised,
        _claimed(row),
        claims_of(row["claims"]),
        decided,
        None if life.realised_at is None else life.realised_at.date(),
    )


def _claimed(row: Mapping[str, Any]) -> Decimal:
    claimed: Decimal = row["estimated_monthly_savings"] or row["savings_alone"] or Decimal(0)
    return claimed


def settle(
    connection: Connection, row: Mapping[str, Any], realised: Decimal, now: datetime
) -> None:
    """Write what was measured of one recommendation, and what follows from it."""
    before = life_of(row)
    saved = is_realised(realised, _claimed(row))
    after = recommendation_life.measured(before, now, saved=saved)
    connection.execute(
        "UPDATE oco.optimization_recommendations "
        "SET realised_monthly_savings = %s, measured_at = %s WHERE id = %s",
        [realised, now, row["id"]],
    )
    if after != before:
        live(connection, row["id"], after)


def decide(connection: Connection, rules: Sequence[str], now: datetime) -> int:
    """Keep how claims ended of which that is known now; returns how many."""
    decided = []
    values = {"rules": list(rules), "unseen_since": unseen_since(now)}
    for row in connection.execute(_PENDING, values).fetchall():
        made = verdict(row["number"], row["claimed_at"], life_of(row), now)
        # What no run judges any more is not still true; it waits for a listing.
        if made is not None and not (row["unseen"] and made.basis is Basis.STILL_TRUE):
            measured = row["realised_monthly_savings"] if made.basis is Basis.BILL else None
            decided.append(
                {
                    "id": row["recommendation_id"],
                    "life": row["number"],
                    "basis": made.basis.value,
                    "hit": made.hit,
                    "realised": measured,
                    "now": now,
                }
            )
    with connection.cursor() as cursor:
        cursor.executemany(_KEEP, decided)
    return len(decided)


def _is_ready(row: Mapping[str, Any], ends: Mapping[str, date]) -> bool:
    """Whether a whole settled week lies behind the decision, and there is something to ask for."""
    life: Life = life_of(row)
    decided, end = decided_on(life), ends.get(row["provider"])
    if decided is None or end is None or not row["claims"] or row["monthly_cost"] is None:
        return False
    # A commitment that nobody accepted was not bought for this.
    bought = row["recommendation_type"] != COMMITMENT or life.accepted_at is not None
    return bought and week_is_after(decided, end)


def _weeks(
    connection: Connection, rows: Iterable[Mapping[str, Any]], ends: Mapping[str, date]
) -> dict[Key, Decimal]:
    """What each claimed resource cost in the newest whole week of its provider's bill."""
    connection.execute(
        "CREATE TEMPORARY TABLE asked (provider text, account_id text, resource_id text, "
        "end_day date) ON COMMIT DROP"
    )
    keys = {
        key
        for row in rows
        if row["recommendation_type"] not in {SPOT, COMMITMENT}
        for key in claims_of(row["claims"])
        if key[0] in ends
    }
    if not keys:
        return {}
    copy_rows(
        connection,
        "asked",
        ("provider", "account_id", "resource_id", "end_day"),
        ((*key, ends[key[0]]) for key in sorted(keys)),
    )
    connection.execute("ANALYZE asked")
    first = min(ends.values()) - timedelta(days=7)
    return {
        (row["provider"], row["account_id"], row["resource_id"]): row["usd"]
        for row in connection.execute(_WEEKS, {"first": first}).fetchall()
    }


def _realised(
    connection: Connection, row: Mapping[str, Any], end: date, weeks: Mapping[Key, Decimal]
) -> Decimal:
    kind = row["recommendation_type"]
    if kind == COMMITMENT:
        return _from_commitment(connection, row, end)
    if kind == SPOT:
        group = row["resource_id"].partition("/")[2]
        values = {
            "provider": row["provider"],
            "account": row["account_id"],
            "group": group,
            "end": end,
        }
        week = connection.execute(_GROUP_WEEK, values).fetchone() or {}
        return rated_savings(Decimal(row["evidence"]["rate_usd"]), week["usd"], week["hours"])
    claims = claims_of(row["claims"])
    after = sum((weeks.get(key, Decimal(0)) for key in claims), Decimal(0))
    return realised_savings(row["monthly_cost"], after)


def _from_commitment(connection: Connection, row: Mapping[str, Any], end: date) -> Decimal:
    """What commitments save of a service in a region now, less what they saved before."""
    service, _, region = row["resource_id"].removeprefix("commitment/").rpartition("/")
    of = {
        "provider": row["provider"],
        "account": row["account_id"],
        "service": service,
        "region": region,
    }
    bought = row["accepted_at"].date()

    def benefit(first: date, until: date) -> Decimal:
        found = connection.execute(_BENEFIT, {**of, "first": first, "end": until}).fetchone() or {}
        return Decimal(found["usd"]) / (until - first).days * 30

    before = benefit(bought - timedelta(days=14), bought)
    return (benefit(end - timedelta(days=7), end) - before).quantize(Decimal("0.01"))
