"""Resources, charges, calls and namespaces that tests of policies plant."""

from datetime import date, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from oco_warehouse.database import Warehouse

# The newest day that anything is charged for.
LAST: Final = date(2026, 10, 31)
_BATCH: Final = "00000000-0000-0000-0000-000000000001"


def resource(
    warehouse: Warehouse,
    resource_id: str,
    kind: str = "aws.ec2",
    *,
    attributes: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
    facts: dict[str, Any] | None = None,
    account: str = "111",
    region: str = "eu-west-1",
) -> None:
    """One resource of the inventory."""
    warehouse.execute(
        "INSERT INTO oco.resources (provider, account_id, resource_id, resource_type, region, "
        "tags, attributes, facts) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            kind.split(".", maxsplit=1)[0],
            account,
            resource_id,
            kind,
            region,
            Jsonb(tags or {}),
            Jsonb(attributes or {}),
            Jsonb(facts or {}),
        ],
    )


def charge(
    warehouse: Warehouse,
    usd: str,
    *,
    days_ago: int = 0,
    resource_id: str | None = None,
    service: str = "EC2",
    region: str = "eu-west-1",
    account: str = "111",
    tags: dict[str, str] | None = None,
) -> None:
    """One charge of use in USD."""
    day = LAST - timedelta(days=days_ago)
    warehouse.execute(
        "INSERT INTO oco.ingestion_batches (id, source, source_partition, status) "
        "VALUES (%s, 'test', 'p', 'loaded') ON CONFLICT DO NOTHING",
        [_BATCH],
    )
    warehouse.execute("SELECT oco.ensure_partitions('cloud_costs', %(day)s, %(day)s)", {"day": day})
    warehouse.execute(
        "INSERT INTO oco.cloud_costs (provider, service, resource_id, cost_usd, usd_rate, region, "
        "account_id, tags, date, billed_cost, effective_cost, list_cost, billing_currency, "
        "charge_category, charge_period_start, charge_period_end, billing_period_start, "
        "billing_period_end, billing_account_id, source, source_partition, batch_id, row_hash, "
        "occurrence, valid_from) "
        "VALUES ('aws', %(service)s, %(id)s, %(usd)s, 1, %(region)s, %(account)s, %(tags)s, "
        "%(day)s, %(usd)s, %(usd)s, %(usd)s, 'USD', 'Usage', %(day)s, %(day)s::date + 1, "
        "date_trunc('month', %(day)s::date), "
        "date_trunc('month', %(day)s::date) + interval '1 month', 'payer', 'test', 'p', "
        "%(batch)s, sha256(gen_random_uuid()::text::bytea), 1, now())",
        {
            "service": service,
            "id": resource_id,
            "usd": usd,
            "region": region,
            "account": account,
            "tags": Jsonb(tags or {}),
            "day": day,
            "batch": _BATCH,
        },
    )
    warehouse.execute(
        "INSERT INTO oco.cloud_cost_days (date, changed_by) VALUES (%s, gen_random_uuid()) "
        "ON CONFLICT (date) DO NOTHING",
        [day],
    )


def policy(warehouse: Warehouse, name: str, rules: dict[str, Any], **more: Any) -> None:
    """One policy, written without any check."""
    values = {"description": "", "severity": "warning", "owner": None, "enabled": True} | more
    warehouse.execute(
        "INSERT INTO oco.governance_policies (name, policy_type, rules, description, severity, "
        "owner, enabled) VALUES (%s, 'test', %s, %s, %s, %s, %s)",
        [name, Jsonb(rules), *values.values()],
    )


def open_violations(warehouse: Warehouse) -> list[dict[str, Any]]:
    """What is open, with its policy's name."""
    return warehouse.query(
        "SELECT policy.name AS policy, violation.* FROM oco.policy_violations AS violation "
        "JOIN oco.governance_policies AS policy ON policy.id = violation.policy_id "
        "WHERE resolved_at IS NULL ORDER BY policy.name, resource_id"
    )
