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
    provider: str = "aws",
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
        "VALUES (%(provider)s, %(service)s, %(id)s, %(usd)s, 1, %(region)s, %(account)s, %(tags)s, "
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
            "provider": provider,
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


def metric(warehouse: Warehouse, resource_id: str, name: str, figure: float) -> None:
    """A week of daily intervals of a machine, all alike."""
    warehouse.execute(
        "INSERT INTO oco.resource_metrics (provider, account_id, resource_id, metric, "
        "interval_start, interval_seconds, average, maximum, sample_count, source) "
        "SELECT 'aws', '111', %(id)s, %(name)s, %(day)s::date - n, 86400, %(figure)s, %(figure)s, "
        "24, 'test' FROM generate_series(0, 6) AS n",
        {"id": resource_id, "name": name, "day": LAST, "figure": figure},
    )


def cost_cells(warehouse: Warehouse, *cells: tuple[str, str, str | None, str, int]) -> None:
    """(account, service, team, USD, days ago) as the marts' daily cells have them."""
    warehouse.execute("CREATE SCHEMA IF NOT EXISTS intermediate")
    warehouse.execute(
        "CREATE TABLE IF NOT EXISTS intermediate.int_cloud_cost_cells (usage_date date, "
        "provider text, service text, account_id text, region text, charge_category text, "
        "tags jsonb, team text, effective_cost_usd numeric)"
    )
    charge(warehouse, "1")  # so that a newest day is known
    for account, service, team, usd, days_ago in cells:
        warehouse.execute(
            "INSERT INTO intermediate.int_cloud_cost_cells "
            "VALUES (%s, 'aws', %s, %s, 'eu-west-1', 'Usage', %s, %s, %s)",
            [
                LAST - timedelta(days=days_ago),
                service,
                account,
                Jsonb({} if team is None else {"team": team}),
                team,
                usd,
            ],
        )


def llm_usage(warehouse: Warehouse, *rows: tuple[str, str, str, int, int]) -> None:
    """(agent, provider, model, calls, calls without a price) of the newest day."""
    warehouse.execute("CREATE SCHEMA IF NOT EXISTS marts")
    warehouse.execute(
        "CREATE TABLE IF NOT EXISTS marts.fct_llm_usage_daily (usage_date date, provider text, "
        "model text, org_id text, team_id text, agent_id text, user_id text, requests bigint, "
        "unpriced_requests bigint, cost_usd numeric)"
    )
    for agent, provider, model, calls, unpriced in rows:
        warehouse.execute(
            "INSERT INTO marts.fct_llm_usage_daily "
            "VALUES (%s, %s, %s, 'o', 't', %s, 'u', %s, %s, 1.25)",
            [LAST, provider, model, agent, calls, unpriced],
        )


def dr_policy(warehouse: Warehouse, namespace: str, *, hours_old: float) -> None:
    """A DR policy with an RPO of a day, and a usable recovery point of that age."""
    warehouse.execute(
        "INSERT INTO oco.dr_policies (name, cluster, namespaces, schedule_cron, rpo_target, "
        "rto_target, created_at) VALUES (%(name)s, 'prod', ARRAY[%(name)s], '0 * * * *', '1 day', "
        "'1 hour', now() - interval '9 days')",
        {"name": namespace},
    )
    warehouse.execute(
        "INSERT INTO oco.backup_records (cluster, backup_name, phase, namespaces, usable, "
        "started_at) VALUES ('prod', %(name)s, 'Completed', ARRAY[%(name)s], true, "
        "now() - %(hours)s * interval '1 hour')",
        {"name": namespace, "hours": hours_old},
    )
