from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from oco_warehouse import migrations
from oco_warehouse.database import Warehouse, ensure_partitions
from oco_warehouse.errors import MigrationError, WarehouseUnreachable

TABLES_OF_THE_DESIGN = {
    "organizations", "teams", "agents", "users", "api_tokens", "model_pricing", "budgets",
    "api_requests", "cloud_costs", "exchange_rates", "ingestion_batches", "resources",
    "resource_metrics", "cost_allocations", "audit_log", "optimization_recommendations",
    "governance_policies", "policy_violations", "dr_policies", "backup_records", "recovery_plans",
}  # fmt: skip

STUB_OF_TIMESCALEDB = """
CREATE TABLE hypertables (name text, time_column text);
CREATE FUNCTION create_hypertable(relation regclass, time_column name,
    chunk_time_interval interval, create_default_indexes boolean) RETURNS void
LANGUAGE sql AS $$ INSERT INTO public.hypertables VALUES (relation::text, time_column) $$;
"""


def test_every_table_that_the_design_names_is_there(warehouse: Warehouse) -> None:
    rows = warehouse.query("SELECT tablename FROM pg_tables WHERE schemaname = 'oco'")
    assert {row["tablename"] for row in rows} >= TABLES_OF_THE_DESIGN


def test_every_table_and_column_says_what_it_means(warehouse: Warehouse) -> None:
    silent = warehouse.query(
        """
        SELECT c.relname, a.attname
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'oco'
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)
        """
    )
    assert silent == []


def test_money_is_never_a_float(warehouse: Warehouse) -> None:
    floats = warehouse.query(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'oco' AND data_type IN ('real', 'double precision')"
    )
    assert floats == []


def test_times_carry_their_zone(warehouse: Warehouse) -> None:
    naive = warehouse.query(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'oco' AND data_type = 'timestamp without time zone'"
    )
    assert naive == []


def test_migrating_twice_changes_nothing(empty_database_url: str) -> None:
    assert migrations.upgrade(empty_database_url)[-1] == migrations.head()
    assert migrations.upgrade(empty_database_url) == []


def test_concurrent_starts_migrate_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrations.upgrade, [empty_database_url] * 4))
    assert sorted(map(bool, applied)) == [False, False, False, True]


def test_a_database_that_is_newer_than_the_code_is_refused(warehouse: Warehouse) -> None:
    warehouse.execute("UPDATE oco.schema_version SET version_num = '9999_from_the_future'")
    with pytest.raises(MigrationError, match="9999_from_the_future"):
        migrations.upgrade(warehouse.url)


def test_an_unreachable_server_is_one_line_without_the_password() -> None:
    with pytest.raises(WarehouseUnreachable) as caught:
        migrations.upgrade("postgresql://user:hunter2@127.0.0.1:1/oco")
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_failing_migration_leaves_nothing_behind(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE SCHEMA oco; CREATE TABLE oco.dr_policies (id int)")
    with pytest.raises(MigrationError, match="dr_policies"):
        migrations.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute("SELECT to_regclass('oco.organizations')").fetchone()
    assert found == (None,)


def test_a_month_made_late_takes_its_rows_from_the_default_partition(warehouse: Warehouse) -> None:
    warehouse.execute(
        'INSERT INTO oco.api_requests (id, provider, status_code, cost_status, "timestamp") '
        "VALUES ('a', 'openai', 200, 'unpriced', '2020-01-31T23:59:59Z')"
    )
    with warehouse.transaction() as connection:
        made = ensure_partitions(connection, "api_requests", date(2020, 1, 15), date(2020, 2, 1))
    where = warehouse.query("SELECT tableoid::regclass::text AS name FROM oco.api_requests")
    assert made == ["api_requests_p2020_01", "api_requests_p2020_02"]
    assert where == [{"name": "oco.api_requests_p2020_01"}]


def test_retention_drops_only_months_that_lie_wholly_before_the_day(warehouse: Warehouse) -> None:
    with warehouse.transaction() as connection:
        ensure_partitions(connection, "cloud_costs", date(2020, 1, 1), date(2020, 3, 1))
    rows = warehouse.query("SELECT oco.drop_partitions_before('cloud_costs', '2020-02-29') AS name")
    assert rows == [{"name": "cloud_costs_p2020_01"}]


def test_where_timescaledb_is_installed_the_time_tables_become_hypertables(
    empty_database_url: str,
) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(STUB_OF_TIMESCALEDB)
    migrations.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        hypertables = connection.execute("SELECT * FROM hypertables ORDER BY name").fetchall()
        kind = connection.execute(
            "SELECT relkind FROM pg_class WHERE oid = 'oco.cloud_costs'::regclass"
        ).fetchone()
    assert hypertables == [("oco.api_requests", "timestamp"), ("oco.cloud_costs", "date")]
    assert kind == ("r",)


@pytest.mark.parametrize("cost, status", [("NULL", "exact"), ("0", "unpriced")])  # noqa: PT006
def test_an_unknown_price_is_null_and_only_that(
    warehouse: Warehouse, cost: str, status: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation), warehouse.transaction() as connection:
        connection.execute(
            "INSERT INTO oco.api_requests (id, provider, status_code, cost_usd, input_cost_usd, "
            'output_cost_usd, cost_status, "timestamp") '
            f"VALUES ('a', 'openai', 200, {cost}, {cost}, {cost}, '{status}', now())".encode()
        )


@contextmanager
def at_revision(url: str, revision: str) -> Iterator[Connection]:
    """A warehouse of an earlier version, to be filled."""
    address = url.replace("postgresql://", "postgresql+psycopg://")
    with create_engine(address, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA oco")
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection


def test_the_days_and_tags_of_charges_that_were_loaded_before_are_known(
    empty_database_url: str,
) -> None:
    with at_revision(empty_database_url, "0013_fast_loads") as connection:
        connection.exec_driver_sql(
            "INSERT INTO oco.cloud_costs (provider, service, account_id, cost_usd, usd_rate, "
            "billed_cost, effective_cost, list_cost, billing_currency, charge_category, date, "
            "charge_period_start, charge_period_end, billing_period_start, billing_period_end, "
            "billing_account_id, source, source_partition, batch_id, row_hash, occurrence, tags) "
            "SELECT 'aws', 'EC2', '1', 1, 1, 1, 1, 1, 'USD', 'Usage', day, day, day + 1, "
            "'2026-09-01', '2026-10-01', '1', 'focus_files', 'a.csv', gen_random_uuid(), "
            "sha256(number::text::bytea), 1, tags::jsonb FROM (VALUES "
            "(1, '2026-09-01'::date, '{\"team\": \"a\"}'), "
            "(2, '2026-09-01', '{\"team\": \"a\"}'), (3, '2026-09-02', '{}')"
            ") AS charge (number, day, tags)"
        )
    migrations.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        days = connection.execute("SELECT date FROM oco.cloud_cost_days ORDER BY 1").fetchall()
        sets = connection.execute("SELECT tags, last_month FROM oco.cloud_tag_sets").fetchall()
    assert days == [(date(2026, 9, 1),), (date(2026, 9, 2),)]
    assert sets == [({"team": "a"}, date(2026, 9, 1))]


def test_prices_that_were_stated_before_stay_and_no_longer_stand_in_the_catalogues_way(
    empty_database_url: str,
) -> None:
    with at_revision(empty_database_url, "0010_media_prices") as connection:
        connection.exec_driver_sql(
            "INSERT INTO oco.model_pricing (provider, model, tool_prices, source, price_version) "
            "VALUES ('openai', 'a', '{\"web_search\": 0.01}', 'override', 'o'), "
            "('openai', 'b', '{}', 'custom', 'c'), ('openai', 'c', '{}', 'genai-prices', 'g')"
        )
    migrations.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(
            "INSERT INTO oco.model_pricing (provider, model, price_version) "
            "SELECT 'openai', model, 'v' FROM unnest(ARRAY['a', 'b']) AS model"
        )
        rows = connection.execute(
            "SELECT model, source, tool_prices::text FROM oco.model_pricing ORDER BY 1, 2"
        ).fetchall()
    assert rows == [
        ("a", "genai-prices", "{}"),
        ("a", "override", '{"web_search": 0.01}'),
        ("b", "genai-prices", "{}"),
        ("b", "override", "{}"),
        ("c", "genai-prices", "{}"),
    ]


def test_what_was_accepted_is_measured_against_what_was_billed(warehouse: Warehouse) -> None:
    rows = [
        # $0.10 an hour: $73.00 in 730 hours, and $72.00 on the bill of 30 days.
        ("rightsize_instance", "accepted", None, "73.00", "33.6", "72.00"),
        # Its bill was read again after half of it was gone.
        ("previous_generation", "realised", "now()", "73.00", "16.8", "72.00"),
        # It runs for half of the time.
        ("off_hours", "accepted", None, "72.00", "16.8", "36.00"),
        ("off_hours", "accepted", "now()", "72.00", "10", "72.00"),
        ("idle_instance", "accepted", None, "73.00", "33.6", "73.00"),
        ("rightsize_instance", "open", None, "73.00", "33.6", "73.00"),
    ]
    for number, (rule, status, missed, cost, billed, _) in enumerate(rows):
        warehouse.execute(
            "INSERT INTO oco.optimization_recommendations (provider, account_id, resource_id, "
            "resource_type, recommendation_type, title, description, estimated_monthly_savings, "
            "confidence, status, missed_since, monthly_cost, evidence) "
            "VALUES ('aws', '1', %s, 'aws.ec2', %s, 't', 'd', 1, 1, %s, %s, %s, "
            "jsonb_build_object('billed_usd', %s::text, 'billed_days', 14))",
            [str(number), rule, status, missed, cost, billed],
        )
    statement = (migrations.FOLDER / "versions/0029_accepted_costs.sql").read_text()
    warehouse.execute(statement)  # type: ignore[arg-type]
    costs = warehouse.query(
        "SELECT monthly_cost FROM oco.optimization_recommendations ORDER BY resource_id"
    )
    assert [str(row["monthly_cost"]) for row in costs] == [row[-1] for row in rows]
