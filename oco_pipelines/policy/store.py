"""Reads policies and billed resources, and keeps violations: opened, seen again, resolved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from oco_pipelines.policy.rules import BilledResource
from oco_pipelines.policy.shipped import SHIPPED
from oco_warehouse.database import Warehouse, lock
from oco_warehouse.money import format_usd

_OPEN: Final = """
    INSERT INTO oco.policy_violations (
        policy_id, resource_id, provider, account_id, description, severity, evidence, owner
    )
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (policy_id, provider, account_id, resource_id) WHERE resolved_at IS NULL
    DO UPDATE SET
        description = excluded.description, severity = excluded.severity,
        evidence = excluded.evidence, owner = coalesce(policy_violations.owner, excluded.owner),
        last_seen_at = now()
    RETURNING id, xmax = 0 AS opened
"""
_RESOLVE: Final = """
    UPDATE oco.policy_violations SET resolved_at = now()
    WHERE policy_id = %s AND resolved_at IS NULL AND NOT (id = ANY (%s))
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """A row of `oco.governance_policies`."""

    id: UUID
    name: str
    description: str
    severity: str
    rules: Any
    enabled: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run changed in the violations of a policy."""

    found: int
    opened: int
    resolved: int


def seed_policies(warehouse: Warehouse) -> int:
    """Write the shipped policies when there is none at all; returns how many were written."""
    with warehouse.transaction() as connection:
        lock(connection, "governance_policies")
        if connection.execute("SELECT 1 FROM oco.governance_policies LIMIT 1").fetchone():
            return 0
        for policy in SHIPPED:
            connection.execute(
                """
                INSERT INTO oco.governance_policies
                    (name, description, policy_type, severity, rules)
                VALUES (%s, %s, %s, %s, %s)
                """,
                [
                    policy.name,
                    policy.description,
                    policy.policy_type,
                    policy.severity,
                    Jsonb(dict(policy.rules)),
                ],
            )
    return len(SHIPPED)


def read_policies(warehouse: Warehouse) -> list[Policy]:
    """Every policy, by name."""
    rows = warehouse.query("""
        SELECT id, name, description, severity, rules, enabled
        FROM oco.governance_policies
        ORDER BY name
    """)
    return [Policy(**row) for row in rows]


def newest_cost_day(warehouse: Warehouse) -> date | None:
    """Last day on which a cloud charged for use; windows end with it."""
    rows = warehouse.query("""
        SELECT max(x_usage_date) AS day
        FROM marts.focus_cost_and_usage
        WHERE x_source <> 'llm' AND charge_category = 'Usage'
    """)
    day: date | None = rows[0]["day"]
    return day


def read_billed_resources(warehouse: Warehouse, last_day: date, days: int) -> list[BilledResource]:
    """Resources charged for in a window of days that ends with `last_day`, and their cost.

    Tags, region and service are those of the newest charge.
    """
    rows = warehouse.query(
        """
        SELECT
            x_provider AS provider, x_account_id AS account_id, resource_id,
            sum(x_effective_cost_usd) AS cost_usd,
            (array_agg(tags ORDER BY charge_period_start DESC))[1] AS tags,
            (array_agg(region_id ORDER BY charge_period_start DESC))[1] AS region,
            (array_agg(service_name ORDER BY charge_period_start DESC))[1] AS service,
            (array_agg(resource_type ORDER BY charge_period_start DESC))[1] AS resource_type,
            (array_agg(resource_name ORDER BY charge_period_start DESC))[1] AS resource_name
        FROM marts.focus_cost_and_usage
        WHERE x_source <> 'llm' AND charge_category = 'Usage' AND resource_id IS NOT NULL
          AND x_usage_date > %(last)s::date - %(days)s::integer AND x_usage_date <= %(last)s
        GROUP BY x_provider, x_account_id, resource_id
        ORDER BY x_provider, x_account_id, resource_id
        """,
        {"last": last_day, "days": days},
    )
    return [BilledResource(row, row.pop("cost_usd")) for row in rows]


def keep_violations(
    warehouse: Warehouse, policy: Policy, broken_by: Sequence[BilledResource], days: int
) -> Kept:
    """Open what is new, touch what is still so, resolve what was mended; in one transaction."""
    with warehouse.transaction() as connection:
        lock(connection, f"policy:{policy.id}")
        kept: list[UUID] = []
        opened = 0
        for resource in broken_by:
            facts = resource.attributes
            evidence = {
                "cost_usd": str(resource.cost_usd),
                "days": days,
                "tags": facts["tags"],
                "service": facts["service"],
                "region": facts["region"],
            }
            row = connection.execute(
                _OPEN,
                [
                    policy.id,
                    facts["resource_id"],
                    facts["provider"],
                    facts["account_id"],
                    _describe(policy, resource, days),
                    policy.severity,
                    Jsonb(evidence),
                    (facts["tags"] or {}).get("owner"),
                ],
            ).fetchone()
            if row is not None:
                kept.append(row["id"])
                opened += bool(row["opened"])
        resolved = connection.execute(_RESOLVE, [policy.id, kept]).rowcount
    return Kept(len(kept), opened, resolved)


def _describe(policy: Policy, resource: BilledResource, days: int) -> str:
    name = resource.attributes["resource_name"] or resource.attributes["resource_id"]
    cost = format_usd(resource.cost_usd)
    return f"{name} breaks {policy.name} ({cost} in {days} days): {policy.description}"
