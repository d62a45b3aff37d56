"""`dbt build` on a real warehouse: every dollar of the raw tables stands once in the marts."""

import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from oco_pipelines.marts.tag_rules import import_tag_rules
from oco_warehouse.database import Warehouse
from oco_warehouse.money import exact_sum
from tests.databases import Databases
from tests.dbt_in_process import dbt, dbt_process
from tests.oco_pipelines.raw_charges import told

BATCH = """
    INSERT INTO oco.ingestion_batches (source, source_partition, status)
    VALUES ('focus_files', 'a.csv', 'loaded') RETURNING id
"""
CHARGE = """
    INSERT INTO oco.cloud_costs (
        provider, service, resource_id, cost_usd, usd_rate, region, account_id, tags, date,
        billed_cost, effective_cost, list_cost, contracted_cost, billing_currency,
        charge_category, charge_period_start, charge_period_end,
        billing_period_start, billing_period_end, billing_account_id,
        source, source_partition, batch_id, row_hash, occurrence, valid_from, valid_to
    )
    VALUES (
        'aws', 'Amazon EC2', 'i-1', %(billed)s * %(rate)s, %(rate)s, 'eu-west-1', '111', %(tags)s,
        '2026-10-05', %(billed)s, %(effective)s, 0, 0, %(currency)s,
        'Usage', '2026-10-05Z', '2026-10-06Z', '2026-10-01Z', '2026-11-01Z', '1',
        'focus_files', 'a.csv', %(batch)s, sha256(%(hash)s), 1,
        '2026-10-06Z', CASE WHEN %(current)s THEN NULL ELSE '2026-10-07Z'::timestamptz END
    )
"""
CALL = """
    INSERT INTO oco.api_requests (
        id, provider, model, team_id, agent_id, input_tokens, output_tokens, total_tokens,
        cost_usd, input_cost_usd, output_cost_usd, cost_status, status_code, "timestamp"
    )
    VALUES (%s, %s, 'm', 'search', 'bot', 1000, 10, 1010, %s, %s, %s, %s, 200, '2026-10-05 10:30Z')
"""

Build = Callable[..., subprocess.CompletedProcess[str]]
# Unit tests bring their own rows: one build runs them, whatever the warehouse holds.
DATA = ("--exclude-resource-type", "unit_test")


def spend(warehouse: Warehouse) -> Warehouse:
    batch = warehouse.query(BATCH)[0]["id"]
    charges = (
        ("0.123456789012345678901234567890", "0.1", "1", "USD", '{"team": "search"}', True),
        ("-3.5", "-3.5", "1", "USD", "{}", True),
        ("10", "9", "1.0837", "EUR", "{}", True),
        ("1000", "1000", "1", "USD", "{}", False),  # believed once, not any more
    )
    for number, (billed, effective, rate, currency, tags, current) in enumerate(charges):
        warehouse.execute(
            CHARGE,
            {
                "billed": Decimal(billed),
                "effective": Decimal(effective),
                "rate": Decimal(rate),
                "currency": currency,
                "tags": tags,
                "batch": batch,
                "hash": str(number).encode(),
                "current": current,
            },
        )
    told(warehouse)
    for name, provider, parts, status in (
        ("a", "openai", ("0.00000015", "0.0000006"), "exact"),
        ("b", "openai", ("0.1", "0.2"), "estimated"),
        ("c", "gemini", ("1", "2"), "exact"),
        ("d", "openai", None, "unpriced"),
    ):
        into, out = map(Decimal, parts) if parts else (None, None)
        total = None if into is None or out is None else into + out
        warehouse.execute(CALL, [name, provider, total, into, out, status])
    return warehouse


@pytest.fixture
def spent(warehouse: Warehouse) -> Warehouse:
    return spend(warehouse)


@pytest.fixture(scope="module")
def built_url(databases: Databases, template_database: str, dbt_target: Path) -> Iterator[str]:
    """Address of a warehouse that `spend` filled, with all marts and each of their data tests."""
    with databases.fresh("built", template_database) as url:
        spend(Warehouse(url))
        result = dbt(url, dbt_target, "build", *DATA)
        assert result.returncode == 0, result.stdout
        yield url


@pytest.fixture
def built(databases: Databases, built_url: str) -> Iterator[Warehouse]:
    """A copy of it."""
    with databases.fresh("built", urlsplit(built_url).path.removeprefix("/")) as url:
        yield Warehouse(url)


def test_a_build_on_an_empty_warehouse_passes_with_its_unit_tests(dbt_build: Build) -> None:
    result = dbt_build()
    assert result.returncode == 0, result.stdout
    assert re.search(r"[1-9][0-9]* unit tests", result.stdout)
    assert "WARN=0 ERROR=0" in result.stdout


def test_every_believed_dollar_stands_once_in_each_mart(built: Warehouse) -> None:
    cloud = exact_sum(map(Decimal, ("0.123456789012345678901234567890", "-3.5", "10.837")))
    llm = Decimal("3.30000075")
    for mart, column, source in (
        ("focus_cost_and_usage", "x_billed_cost_usd", "x_source"),
        ("fct_cost_daily", "billed_cost_usd", "source"),
    ):
        rows = built.query(
            f"SELECT {source} AS source, sum({column}) AS usd FROM marts.{mart} GROUP BY 1"  # type: ignore[arg-type]
        )
        assert {row["source"]: row["usd"] for row in rows} == {"cloud": cloud, "llm": llm}
    (effective,) = built.query(
        "SELECT sum(effective_cost_usd) AS usd FROM marts.fct_cost_daily WHERE source = 'cloud'"
    )
    assert effective["usd"] == Decimal("0.1") - Decimal("3.5") + Decimal("9.7533")
    teams = built.query(
        "SELECT DISTINCT source, team FROM marts.fct_cost_daily ORDER BY source, team"
    )
    assert [(row["source"], row["team"]) for row in teams] == [
        ("cloud", "search"),
        ("cloud", "untagged"),
        ("llm", "search"),
    ]
    usage = built.query(
        "SELECT usage_date, requests, unpriced_requests, estimated_requests, cost_usd "
        "FROM marts.fct_llm_usage_daily WHERE provider = 'openai'"
    )
    assert usage == [
        {
            "usage_date": date(2026, 10, 5),
            "requests": 3,
            "unpriced_requests": 1,
            "estimated_requests": 1,
            "cost_usd": Decimal("0.30000075"),
        }
    ]


def test_only_days_that_changed_are_summed_again(spent: Warehouse, dbt_build: Build) -> None:
    spent.execute("UPDATE oco.cloud_costs SET date = '2026-10-06' WHERE billed_cost = -3.5")
    told(spent)
    daily = ("--select", "+fct_cost_daily", "--exclude-resource-type", "test", "unit_test")
    assert dbt_build(*daily).returncode == 0

    def by_day() -> dict[date, Decimal]:
        rows = spent.query(
            "SELECT usage_date, sum(billed_cost_usd) AS usd FROM marts.fct_cost_daily "
            "WHERE source = 'cloud' GROUP BY 1"
        )
        return {row["usage_date"]: row["usd"] for row in rows}

    first = exact_sum(map(Decimal, ("0.123456789012345678901234567890", "10.837")))
    assert by_day() == {date(2026, 10, 5): first, date(2026, 10, 6): Decimal("-3.5")}
    # One day loses its only charge and says so; the other changes behind everybody's back.
    spent.execute("UPDATE oco.cloud_costs SET valid_to = now() WHERE date = '2026-10-06'")
    spent.execute("UPDATE oco.cloud_costs SET cost_usd = 0 WHERE date = '2026-10-05'")
    spent.execute(
        "UPDATE oco.cloud_cost_days SET changed_by = gen_random_uuid() WHERE date = '2026-10-06'"
    )
    assert dbt_build(*daily).returncode == 0
    assert by_day() == {date(2026, 10, 5): first}
    assert dbt_build(*daily, "--full-refresh").returncode == 0
    assert by_day() == {date(2026, 10, 5): Decimal(0)}


def test_other_rules_for_tags_need_no_reload_and_leave_raw_tags_alone(
    spent: Warehouse, dbt_build: Build, tmp_path: Path
) -> None:
    spent.execute(
        'UPDATE oco.cloud_costs SET tags = \'{"user:Squad": "Search ", "stage": "Live"}\' '
        "WHERE tags ? 'team'"
    )
    told(spent)
    rules = tmp_path / "tags.toml"
    rules.write_text(
        "[keys]\nteam = ['team', 'squad']\nenvironment = ['stage']\n"
        "[values.team]\nsearch = []\n[values.environment]\nprod = ['live']\n"
    )
    import_tag_rules(spent, rules)
    result = dbt_build(*DATA)
    assert result.returncode == 0, result.stdout
    rows = spent.query(
        "SELECT tags, x_team, x_environment FROM marts.focus_cost_and_usage "
        "WHERE x_source = 'cloud' AND x_team IS NOT NULL"
    )
    assert rows == [
        {
            "tags": {"user:Squad": "Search ", "stage": "Live"},
            "x_team": "search",
            "x_environment": "prod",
        }
    ]
    teams = spent.query("SELECT DISTINCT team FROM marts.fct_cost_daily WHERE source = 'cloud'")
    assert {row["team"] for row in teams} == {"search", "untagged"}


def test_calls_that_are_on_a_cloud_bill_are_counted_there_alone(
    spent: Warehouse, dbt_target: Path
) -> None:
    # Other variables need another parse: the executable does it, as for whoever sets them.
    providers = '{"gateway_providers_on_cloud_bill": ["gemini"]}'
    result = dbt_process(spent.url, dbt_target, "build", "--vars", providers)
    assert result.returncode == 0, result.stdout
    (row,) = spent.query(
        "SELECT sum(billed_cost_usd) AS usd FROM marts.fct_cost_daily WHERE source = 'llm'"
    )
    assert row["usd"] == Decimal("0.30000075")
    (usage,) = spent.query("SELECT sum(cost_usd) AS usd FROM marts.fct_llm_usage_daily")
    assert usage["usd"] == Decimal("3.30000075")


def test_a_dollar_that_a_mart_loses_fails_the_build(built: Warehouse, dbt_target: Path) -> None:
    built.execute("UPDATE marts.fct_cost_daily SET billed_cost_usd = billed_cost_usd + 0.01")
    result = dbt(built.url, dbt_target, "build", "--select", "test_type:singular")
    assert result.returncode == 1
    assert "FAIL 1 cloud_spend_is_conserved" in result.stdout


def test_columns_are_described_in_the_database(built: Warehouse) -> None:
    undescribed = built.query("""
        SELECT attrelid::regclass::text || '.' || attname AS name
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'marts'::regnamespace AND relkind = 'r' AND attnum > 0
          AND col_description(attrelid, attnum) IS NULL
    """)
    assert undescribed == []
