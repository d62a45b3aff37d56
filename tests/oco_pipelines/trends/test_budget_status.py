"""Cloud budgets over real charges: what counts, what is forecast, what is told once a period."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.llm.alerts.delivery import deliver_due
from oco_pipelines.trends.budget_status import Judged, judge_budgets
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings

from ..llm.alerts.conftest import Receiver, receiver  # noqa: F401, TID252 - a fixture
from .conftest import Charge, every_day

FIRST = date(2026, 8, 1)
NOW = datetime(2026, 10, 21, 6, tzinfo=UTC)  # 81 days are known: until the 20th of October
MADE = datetime(2026, 8, 1, tzinfo=UTC)


def budget(warehouse: Warehouse, name: str = "Prod", made: datetime = MADE, **fields: Any) -> None:
    values = {
        "filter": {},
        "amount": "4000",
        "period": "month",
        "basis": "effective",
        "thresholds": [{"share": "0.5", "by": "actual"}],
        **fields,
    }
    warehouse.execute(
        "INSERT INTO oco.cloud_budgets (name, filter, amount_usd, period, cost_basis, thresholds, "
        "created_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [
            name,
            json.dumps(values["filter"]),
            Decimal(values["amount"]),
            values["period"],
            values["basis"],
            json.dumps(values["thresholds"]),
            made,
        ],
    )


def judge(warehouse: Warehouse) -> Judged:
    return judge_budgets(warehouse, NOW, settling_days=0)


def october(warehouse: Warehouse) -> dict[str, Any]:
    (row,) = warehouse.query(
        "SELECT * FROM oco.cloud_budget_status WHERE period_start = '2026-10-01'"
    )
    return row


@pytest.mark.parametrize(
    ("wanted", "spent"),
    [
        ({}, 20 * 218),
        ({"provider": ["aws"]}, 20 * 178),
        ({"provider": ["aws", "gcp"], "service": ["EC2"]}, 20 * 193),
        ({"account": ["222"]}, 20 * 25),
        ({"region": ["none"]}, 20 * 40),
        ({"team": ["untagged"]}, 20 * 40),
        ({"tags": {"env": ["prod", "live"]}}, 20 * 50),
        ({"tags": {"env": ["prod"], "team": ["ml"]}}, 0),
        ({"environment": ["prod"], "team": ["search"]}, 20 * 50),  # the canonical tags
        ({"cost_center": ["prod"]}, 0),
        ({"source": ["resilience"]}, 20 * 3),
        ({"charge_category": ["Purchase"]}, 0),
        ({"provider": ["oci"]}, 0),
    ],
)
def test_only_charges_that_the_whole_filter_holds_for_count(
    warehouse: Warehouse,
    charge: Callable[..., None],
    wanted: dict[str, Any],
    spent: int,
) -> None:
    charge(
        [
            *every_day(FIRST, 81, "100"),
            *every_day(FIRST, 81, "50", tags='{"env": "prod", "team": "search"}'),
            *every_day(FIRST, 81, "25", account="222", service="S3"),
            *every_day(FIRST, 81, "40", provider="gcp", region=None, tags="{}"),  # type: ignore[arg-type]
            *every_day(FIRST, 81, "3", tags='{"velero.io/backup": "nightly", "team": "ops"}'),
        ]
    )
    budget(warehouse, filter=wanted)
    judge(warehouse)
    assert october(warehouse)["spent_usd"] == spent


def test_a_period_stands_by_what_is_spent_and_what_is_forecast_to_its_end(
    warehouse: Warehouse,
    charge: Callable[..., None],
    dbt_build: Callable[..., None],
) -> None:
    fee = Charge(date(2026, 10, 1), Decimal(0), category="Purchase", billed=Decimal(700))
    charge([*every_day(FIRST, 81, "100"), fee])
    budget(warehouse, amount="3000")
    budget(warehouse, "Invoice", amount="4000", basis="billed")
    budget(warehouse, "Quarter", amount="9000", period="quarter")
    done = judge(warehouse)
    assert (done.budgets, done.periods) == (3, 6)
    dbt_build("stg_cloud_budgets", "stg_cloud_budget_status", "fct_budget_utilization")
    rows = warehouse.query(
        "SELECT budget_name, period_start, spent_usd, remaining_usd, forecast_usd, status "
        "FROM marts.fct_budget_utilization ORDER BY budget_name, period_start"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("Invoice", date(2026, 9, 1), 3000, 1000, 3000, "on_track"),
        ("Invoice", date(2026, 10, 1), 2700, 1300, 3800, "on_track"),
        ("Prod", date(2026, 9, 1), 3000, 0, 3000, "on_track"),
        ("Prod", date(2026, 10, 1), 2000, 1000, 3100, "at_risk"),
        ("Quarter", date(2026, 7, 1), 6100, 2900, 6100, "on_track"),
        ("Quarter", date(2026, 10, 1), 2000, 7000, 9200, "at_risk"),
    ]


def test_a_threshold_is_told_once_a_period_whatever_restatements_do(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge(every_day(FIRST, 81, "100"))
    budget(
        warehouse,
        made=datetime(2026, 10, 2, tzinfo=UTC),
        thresholds=[
            {"share": "0.5", "by": "actual"},
            {"share": "0.75", "by": "forecast"},
            {"share": "1", "by": "actual"},
        ],
    )
    assert judge(warehouse).told == 2
    alerts = warehouse.query("SELECT * FROM oco.alerts ORDER BY threshold")
    assert [(row["kind"], row["scope"], row["entity_id"]) for row in alerts] == [
        ("cloud_budget_threshold", "cloud_budget", "Prod")
    ] * 2
    assert alerts[0]["title"] == (
        "Cloud budget Prod: 50 % of the month from 2026-10-01 is spent ($2,000.00 of $4,000.00)"
    )
    assert alerts[1]["title"] == (
        "Cloud budget Prod: 75 % of the month from 2026-10-01 is forecast to be spent "
        "($3,100.00 of $4,000.00)"
    )
    assert alerts[0]["period_start"] == datetime(2026, 10, 1, tzinfo=UTC)
    warehouse.execute("UPDATE oco.cloud_costs SET valid_to = now() WHERE date > '2026-10-10'")
    assert (judge(warehouse).told, october(warehouse)["spent_usd"]) == (0, 1000)
    warehouse.execute("UPDATE oco.cloud_costs SET valid_to = NULL")
    # Alerts are forgotten some day; what was told in a period is not.
    warehouse.execute("DELETE FROM oco.alerts")
    assert (judge(warehouse).told, october(warehouse)["spent_usd"]) == (0, 2000)
    assert warehouse.query("SELECT * FROM oco.alerts") == []


def test_a_period_that_ended_is_told_when_a_late_row_crosses_but_not_before_the_budget_was_made(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge([*every_day(FIRST, 81, "100")])
    full = [{"share": "1", "by": "actual"}]
    budget(warehouse, amount="3050", thresholds=full)
    budget(warehouse, "New", made=NOW, amount="3050", thresholds=full)
    assert judge(warehouse).told == 0
    charge([Charge(date(2026, 9, 30), Decimal(60))])
    assert judge(warehouse).told == 1
    (alert,) = warehouse.query("SELECT entity_id, period_start FROM oco.alerts")
    assert alert == {"entity_id": "Prod", "period_start": datetime(2026, 9, 1, tzinfo=UTC)}


def test_a_forecast_is_never_below_what_is_spent_already(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge([*every_day(FIRST, 81, "100"), Charge(date(2026, 10, 20), Decimal(9000))])
    budget(warehouse)
    judge_budgets(warehouse, NOW, settling_days=2)
    assert (october(warehouse)["spent_usd"], october(warehouse)["forecast_usd"]) == (11000, 11000)


def test_with_little_history_what_is_spent_is_told_and_why_nothing_is_forecast(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge(every_day(date(2026, 10, 1), 20, "150"))
    budget(warehouse)
    assert judge(warehouse).told == 1
    assert (october(warehouse)["spent_usd"], october(warehouse)["forecast_usd"]) == (3000, None)
    assert "20 days of metered cost" in october(warehouse)["reason"]


def test_a_row_that_nobody_can_read_stops_no_other(
    warehouse: Warehouse, charge: Callable[..., None]
) -> None:
    charge(every_day(FIRST, 81, "100"))
    budget(warehouse, "Broken", filter={"owner": ["me"]})
    budget(warehouse)
    done = judge(warehouse)
    assert done.budgets == 1
    (said,) = done.unreadable
    assert said.startswith("cloud budget Broken.filter.owner: is unknown; use source, provider")


def test_an_alert_reaches_the_channel_of_its_budget_and_is_in_the_audit_log(
    warehouse: Warehouse,
    charge: Callable[..., None],
    receiver: Receiver,  # noqa: F811
) -> None:
    warehouse.execute(
        "INSERT INTO oco.notification_channels (name, kind, target, scopes) VALUES "
        "('mine', 'webhook', %(url)s, '{cloud_budget:Prod}'), "
        "('other', 'webhook', %(url)s, '{cloud_budget:Other}')",
        {"url": receiver.url},
    )
    charge(every_day(FIRST, 81, "100"))
    budget(warehouse, made=datetime(2026, 10, 2, tzinfo=UTC))
    judge(warehouse)
    receiver.status = 503
    settings = load_settings({})
    assert deliver_due(warehouse, settings, {}).failed == 1
    warehouse.execute("UPDATE oco.alert_deliveries SET next_attempt_at = now()")
    receiver.status = 200
    assert deliver_due(warehouse, settings, {}).delivered == 1
    body = json.loads(receiver.got[-1][1])
    assert (body["kind"], body["threshold"]) == ("cloud_budget_threshold", "0.5")
    assert body["figures"]["spent_usd"] == "2000"
    actions = warehouse.query("SELECT action FROM oco.audit_log ORDER BY id")
    assert [row["action"] for row in actions] == ["alert.retry_later", "alert.deliver"]
