"""Budget thresholds fire once a period, each of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.llm.alerts.thresholds import (
    crossed,
    fire_ended_periods,
    fire_refusing,
    fire_thresholds,
)
from oco_warehouse.database import Warehouse

SHARES = st.lists(st.decimals("0.01", "10", places=2), max_size=8)
AMOUNTS = st.decimals(0, 10_000, places=9)


def spend(warehouse: Warehouse, budget: str, amount: str) -> None:
    warehouse.execute(
        "UPDATE oco.budgets SET spent_usd = %s WHERE id = %s", [Decimal(amount), budget]
    )


def told(warehouse: Warehouse) -> list[Decimal]:
    rows = warehouse.query("SELECT threshold FROM oco.alerts ORDER BY created_at, threshold")
    return [row["threshold"] for row in rows]


def test_nothing_is_told_below_the_first_threshold(warehouse: Warehouse, budget: str) -> None:
    spend(warehouse, budget, "4.999999999")
    assert fire_thresholds(warehouse) == 0
    assert told(warehouse) == []


def test_a_threshold_fires_when_it_is_reached_to_the_last_digit_and_only_once(
    warehouse: Warehouse, budget: str
) -> None:
    spend(warehouse, budget, "5")
    assert [fire_thresholds(warehouse), fire_thresholds(warehouse)] == [1, 0]
    spend(warehouse, budget, "6")
    assert fire_thresholds(warehouse) == 0
    (alert,) = warehouse.query("SELECT * FROM oco.alerts")
    assert (alert["scope"], alert["entity_id"], alert["kind"]) == (
        "team",
        "search",
        "budget_threshold",
    )
    assert alert["title"] == (
        "team search: 50 % of its budget for the month is spent ($5.00 of $10.00)"
    )
    assert alert["figures"]["spent_usd"] == "5"


def test_thresholds_that_are_crossed_together_all_fire(warehouse: Warehouse, budget: str) -> None:
    spend(warehouse, budget, "10.5")
    assert fire_thresholds(warehouse) == 3
    assert told(warehouse) == [Decimal("0.5"), Decimal("0.8"), Decimal(1)]
    (row,) = warehouse.query("SELECT thresholds_fired FROM oco.budgets")
    assert row["thresholds_fired"] == [Decimal("0.5"), Decimal("0.8"), Decimal("1.0")]


def test_a_new_period_fires_again(warehouse: Warehouse, budget: str) -> None:
    spend(warehouse, budget, "5")
    fire_thresholds(warehouse)
    warehouse.execute(
        "UPDATE oco.budgets SET thresholds_fired = '{}', period_start = period_end, "
        "period_end = period_end + interval '1 month'"
    )
    assert fire_thresholds(warehouse) == 1


def test_a_forgotten_firing_is_not_told_twice_in_its_period(
    warehouse: Warehouse, budget: str
) -> None:
    spend(warehouse, budget, "5")
    fire_thresholds(warehouse)
    warehouse.execute("UPDATE oco.budgets SET thresholds_fired = '{}'")
    assert fire_thresholds(warehouse) == 0
    assert told(warehouse) == [Decimal("0.5")]


def test_soft_budgets_fire_and_disabled_or_long_ended_ones_do_not(
    warehouse: Warehouse, budget: str
) -> None:
    spend(warehouse, budget, "9")
    warehouse.execute("UPDATE oco.budgets SET enabled = false")
    assert fire_thresholds(warehouse) == 0
    warehouse.execute(
        "UPDATE oco.budgets SET enabled = true, enforcement = 'soft', "
        "period_start = now() - interval '9 days', period_end = now() - interval '2 days'"
    )
    assert fire_thresholds(warehouse) == 0
    warehouse.execute("UPDATE oco.budgets SET period_end = now() - interval '1 hour'")
    assert fire_thresholds(warehouse) == 2


def test_many_sensors_at_once_tell_each_threshold_once(warehouse: Warehouse, budget: str) -> None:
    spend(warehouse, budget, "10")
    with ThreadPoolExecutor(4) as pool:
        raised = list(pool.map(lambda _: fire_thresholds(warehouse), range(4)))
    assert sum(raised) == 3
    assert len(told(warehouse)) == 3


def refuse(warehouse: Warehouse, start: str) -> None:
    warehouse.execute("UPDATE oco.budgets SET refused_period = " + start)


def test_a_budget_that_refuses_below_its_limit_is_told_once_a_period(
    warehouse: Warehouse, budget: str
) -> None:
    spend(warehouse, budget, "9.5")
    assert fire_refusing(warehouse) == 0
    refuse(warehouse, "period_start")
    assert [fire_refusing(warehouse), fire_refusing(warehouse)] == [1, 0]
    (alert,) = warehouse.query("SELECT * FROM oco.alerts")
    assert (alert["kind"], alert["entity_id"]) == ("budget_refusing", "search")
    assert alert["title"] == (
        "team search: its hard budget for the month refuses calls that could cost more than is "
        "left ($9.50 of $10.00 is spent)"
    )
    assert alert["figures"]["spent_usd"] == "9.5"


def test_a_budget_that_refuses_before_anything_is_spent_says_that_nothing_is(
    warehouse: Warehouse, budget: str
) -> None:
    spend(warehouse, budget, "9.5")
    refuse(warehouse, "period_end")
    assert fire_refusing(warehouse) == 1
    (alert,) = warehouse.query("SELECT figures FROM oco.alerts")
    assert alert["figures"]["spent_usd"] == "0" and "period_end" not in alert["figures"]


def test_soft_disabled_and_long_gone_refusals_are_not_told(
    warehouse: Warehouse, budget: str
) -> None:
    refuse(warehouse, "period_start")
    for change in ("enabled = false", "enforcement = 'soft'", "refused_period = '2020-01-01Z'"):
        warehouse.execute(
            "UPDATE oco.budgets SET enabled = true, enforcement = 'hard' WHERE id = %s", [budget]
        )
        warehouse.execute("UPDATE oco.budgets SET " + change)
        assert fire_refusing(warehouse) == 0


def ended(warehouse: Warehouse, budget: str, **changes: object) -> list[str]:
    """What is told at 01:00 of the 1st of December about periods that are over."""
    values = {"period": "month", "time_zone": "UTC", "start": "2026-12-01Z", **changes}
    warehouse.execute(
        "UPDATE oco.budgets SET created_at = '2026-01-01Z', thresholds_fired = '{}', "
        "period = %(period)s, time_zone = %(time_zone)s, period_start = %(start)s, "
        "period_end = %(start)s::timestamptz + interval '1 day', spent_usd = 0",
        values,
    )
    fire_ended_periods(warehouse, datetime(2026, 12, 1, 1, tzinfo=UTC))
    found = warehouse.query("SELECT period_start, threshold FROM oco.alerts ORDER BY threshold")
    return [f"{row['period_start']:%m-%d %H} {row['threshold']}" for row in found]


def call(warehouse: Warehouse, at: str, cost: str) -> None:
    warehouse.execute(
        "INSERT INTO oco.api_requests (id, provider, team_id, cost_usd, input_cost_usd, "
        "output_cost_usd, cost_status, status_code, timestamp) "
        "VALUES (%s, 'openai', 'search', %s, %s, 0, 'exact', 200, %s)",
        [at, Decimal(cost), Decimal(cost), at],
    )


def test_what_was_spent_just_before_a_period_ended_is_told_after_it(
    warehouse: Warehouse, budget: str
) -> None:
    call(warehouse, "2026-11-01 00:00Z", "7")
    call(warehouse, "2026-11-30 23:59:59Z", "1")
    call(warehouse, "2026-12-01 00:00Z", "50")
    call(warehouse, "2026-10-31 23:59:59Z", "50")
    told_once = ["11-01 00 0.5", "11-01 00 0.8"]
    assert ended(warehouse, budget) == told_once
    assert ended(warehouse, budget) == told_once


def test_what_was_told_while_it_ran_is_not_told_again(warehouse: Warehouse, budget: str) -> None:
    call(warehouse, "2026-11-20 00:00Z", "9")
    warehouse.execute(
        "UPDATE oco.budgets SET spent_usd = 9, period_start = '2026-11-01Z', "
        "period_end = now() + interval '1 day'"
    )
    assert fire_thresholds(warehouse) == 2
    assert len(ended(warehouse, budget)) == 2


def test_ended_periods_begin_at_midnight_where_the_budget_is(
    warehouse: Warehouse, budget: str
) -> None:
    # In Berlin the day before lasts from 23:00 to 23:00 UTC.
    call(warehouse, "2026-11-29 23:00Z", "5")
    call(warehouse, "2026-11-29 22:59:59Z", "50")
    berlin = {"period": "day", "time_zone": "Europe/Berlin", "start": "2026-11-30 23:00Z"}
    assert ended(warehouse, budget, **berlin) == ["11-29 23 0.5"]


def test_a_period_that_ended_long_ago_is_left_alone(warehouse: Warehouse, budget: str) -> None:
    call(warehouse, "2026-11-20 00:00Z", "9")
    assert ended(warehouse, budget, start="2026-11-30 21:00Z") == []


@given(AMOUNTS, AMOUNTS, SHARES, SHARES)
def test_what_fires_is_reached_and_new_and_nothing_else_is_left(
    spent: Decimal, limit: Decimal, thresholds: list[Decimal], fired: list[Decimal]
) -> None:
    now = crossed(spent, limit, thresholds, fired)
    assert now == sorted(set(now))
    assert not set(now) & set(fired)
    assert all(spent >= share * limit for share in now)
    assert crossed(spent, limit, thresholds, [*fired, *now]) == []
