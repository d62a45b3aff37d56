"""Anomalies from charges to rows, alerts and marts, and their life over restatements."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.trends.anomaly_check import differing_anomalies
from oco_pipelines.trends.find_anomalies import Found, find_anomalies
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError

from .conftest import Charge, every_day

FIRST = date(2026, 9, 1)
NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
SPIKE = date(2026, 10, 28)  # day 57, a Wednesday


def run(warehouse: Warehouse, settling_days: int = 2) -> Found:
    return find_anomalies(warehouse, NOW, settling_days=settling_days, floor_usd=Decimal(10))


def rows(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query("SELECT * FROM oco.cost_anomalies ORDER BY level, first_day, first_seen")


def spent() -> list[Charge]:
    """Two months of 100 USD a day in two machines, and one of them costs 150 more on one day."""
    return [
        *every_day(FIRST, 61, "60", resource="i-1", region="eu-west-1"),
        *every_day(FIRST, 61, "40", resource="i-2", region="us-east-1", tags='{"team": "ml"}'),
        Charge(SPIKE, Decimal(150), resource="i-2", region="us-east-1", tags='{"team": "ml"}'),
    ]


def test_a_spike_has_its_figures_its_driver_an_alert_and_a_place_in_the_mart(
    warehouse: Warehouse,
    charge: Callable[..., None],
    dbt_build: Callable[..., None],
) -> None:
    charge(spent())
    found = run(warehouse)
    assert (found.kept.found, found.kept.opened, found.settled) == (2, 2, date(2026, 10, 29))
    service, total = rows(warehouse)
    assert (service["level"], total["level"]) == ("service", "total")
    for row in (service, total):
        assert (row["first_day"], row["last_day"], row["direction"]) == (SPIKE, SPIKE, "spike")
        assert (row["observed_usd"], row["expected_usd"], row["excess_usd"]) == (250, 100, 150)
        assert row["status"] == "open"
        driver = [row[f"driver_{name}"] for name in ("provider", "service", "region", "resource")]
        assert driver == ["aws", "EC2", "us-east-1", "i-2"]
        assert (row["driver_sku"], row["driver_team"]) == ("sku-1", "ml")
        assert (row["driver_excess_usd"], row["driver_share"]) == (150, 1)
    alerts = warehouse.query("SELECT * FROM oco.alerts ORDER BY scope")
    assert [(row["kind"], row["scope"], row["entity_id"]) for row in alerts] == [
        ("cost_anomaly", "cloud", "all"),
        ("cost_anomaly", "cloud_provider", "aws"),
    ]
    assert alerts[1]["title"] == (
        "aws EC2 of account 111 cost $250.00 on 2026-10-28 where $100.00 is usual; 100 % of it: "
        "provider aws, service EC2, region us-east-1, resource i-2, sku sku-1, team ml"
    )
    figures = alerts[1]["figures"]
    assert (figures["observed_usd"], figures["expected_usd"]) == ("250", "100.000000")
    assert figures["driver_share"] == "1.000000"
    assert differing_anomalies(warehouse) == []
    dbt_build("stg_cost_anomalies", "fct_cost_anomalies")
    (mart,) = warehouse.query("SELECT * FROM marts.fct_cost_anomalies WHERE level = 'service'")
    assert (mart["anomaly_id"], mart["days"]) == (service["id"], 1)
    assert mart["excess_share"] == Decimal("1.5")


def test_a_second_run_changes_nothing_and_tells_nobody_again(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge(spent())
    run(warehouse)
    before = rows(warehouse)
    kept = run(warehouse).kept
    assert (kept.found, kept.opened, kept.withdrawn, kept.told) == (2, 0, 0, 0)
    changing = {"last_seen"}
    assert [{k: v for k, v in row.items() if k not in changing} for row in rows(warehouse)] == [
        {k: v for k, v in row.items() if k not in changing} for row in before
    ]


def test_what_a_restatement_takes_back_is_withdrawn_and_has_its_row_again_when_it_returns(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge(spent())
    run(warehouse)
    known = [row["id"] for row in rows(warehouse)]
    warehouse.execute("UPDATE oco.cloud_costs SET valid_to = now() WHERE effective_cost = 150")
    assert run(warehouse).kept.withdrawn == 2
    assert {row["status"] for row in rows(warehouse)} == {"withdrawn"}
    assert all(row["closed_at"] for row in rows(warehouse))
    (open_alerts,) = warehouse.query(
        "SELECT count(*) AS n FROM oco.alerts WHERE resolved_at IS NULL"
    )
    assert open_alerts["n"] == 0
    warehouse.execute("UPDATE oco.cloud_costs SET valid_to = NULL")
    assert run(warehouse).kept.opened == 0
    assert [(row["id"], row["status"]) for row in rows(warehouse)] == [
        (known[0], "open"),
        (known[1], "open"),
    ]
    (alerts,) = warehouse.query("SELECT count(*) AS n FROM oco.alerts")
    assert alerts["n"] == 2


def test_an_episode_that_goes_on_grows_and_stays_one(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge(spent())
    run(warehouse)
    known = rows(warehouse)[0]["id"]
    charge([Charge(SPIKE + timedelta(days=1), Decimal(130), resource="i-2", region="us-east-1")])
    run(warehouse)
    service = rows(warehouse)[0]
    assert len(rows(warehouse)) == 2
    assert (service["id"], service["first_day"]) == (known, SPIKE)
    assert (service["last_day"], service["excess_usd"]) == (SPIKE + timedelta(days=1), 280)


def test_days_that_are_still_restated_are_not_judged(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge([*every_day(FIRST, 60, "100"), *every_day(FIRST + timedelta(days=60), 1, "900")])
    assert run(warehouse).kept.found == 0
    assert run(warehouse, settling_days=0).kept.found == 2


def test_fees_and_taxes_at_the_start_of_a_month_are_no_anomaly(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    fees = [
        Charge(date(2026, month, 1), Decimal(5000), category=category)
        for month in (9, 10, 11)
        for category in ("Purchase", "Tax")
    ]
    charge([*every_day(FIRST, 61, "100"), *fees])
    assert run(warehouse, settling_days=0).kept.found == 0


def test_what_is_old_is_kept_and_not_told(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge([*every_day(FIRST, 61, "100"), Charge(date(2026, 10, 10), Decimal(300))])
    kept = run(warehouse).kept
    assert (kept.opened, kept.told) == (2, 0)
    assert {row["status"] for row in rows(warehouse)} == {"ended"}


def test_an_anomaly_that_charges_do_not_bear_out_fails_the_check(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge(spent())
    run(warehouse)
    warehouse.execute(
        "UPDATE oco.cloud_costs SET effective_cost = 149.99 WHERE effective_cost = 150"
    )
    assert sorted(differing_anomalies(warehouse)) == [
        "all all all from 2026-10-28: 250 is told, 249.99 is charged",
        "aws EC2 111 from 2026-10-28: 250 is told, 249.99 is charged",
    ]


def test_without_marts_one_line_says_what_to_do(warehouse: Warehouse) -> None:
    warehouse.execute("DROP SCHEMA intermediate CASCADE")
    with pytest.raises(ConflictError, match="oco dbt build"):
        run(warehouse)
