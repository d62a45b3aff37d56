"""The audit of the ledger: budgets must remember what requests cost."""

from decimal import Decimal

import pytest

from oco_pipelines.llm.ledger import budget_differences, ledger_totals
from oco_warehouse.database import Warehouse

REQUEST = """
    INSERT INTO oco.api_requests
        (id, provider, model, team_id, agent_id, tags, cost_usd, input_cost_usd, output_cost_usd,
         cost_status, status_code, total_tokens, "timestamp")
    VALUES (%s, 'openai', 'm', 'search', 'bot', '{"app": "chat"}', %s, %s, 0, %s, 200, 10, %s)
"""
BUDGET = """
    INSERT INTO oco.budgets (scope, entity_id, limit_usd, spent_usd, period_start, period_end)
    VALUES (%s, %s, 10, %s, '2026-11-01Z', '2026-12-01Z')
"""


def spend(warehouse: Warehouse, name: str, cost: str | None, at: str) -> None:
    status = "unpriced" if cost is None else "exact"
    part = None if cost is None else Decimal(cost)
    warehouse.execute(REQUEST, [name, part, part, status, at])


@pytest.fixture
def spent(warehouse: Warehouse) -> Warehouse:
    spend(warehouse, "a", "0.00000015", "2026-11-01 00:00Z")
    spend(warehouse, "b", "1.5", "2026-11-30 23:59:59Z")
    spend(warehouse, "unpriced", None, "2026-11-10 00:00Z")
    spend(warehouse, "before", "7", "2026-10-31 23:59:59Z")
    spend(warehouse, "after", "9", "2026-12-01 00:00Z")
    return warehouse


@pytest.mark.parametrize(
    ("scope", "entity"), [("team", "search"), ("agent", "bot"), ("tag:app", "chat")]
)
def test_a_budget_that_remembers_its_period_to_the_last_digit_agrees(
    spent: Warehouse, scope: str, entity: str
) -> None:
    spent.execute(BUDGET, [scope, entity, Decimal("1.50000015")])
    assert budget_differences(spent) == []


def test_a_budget_that_is_off_by_the_last_digit_is_named(spent: Warehouse) -> None:
    spent.execute(BUDGET, ["team", "search", Decimal("1.50000014")])
    (difference,) = budget_differences(spent)
    assert difference.recorded == Decimal("1.50000015")
    assert "team search" in str(difference)


def test_a_budget_without_requests_must_have_spent_nothing(spent: Warehouse) -> None:
    spent.execute(BUDGET, ["user", "nobody", Decimal(1)])
    assert [difference.recorded for difference in budget_differences(spent)] == [Decimal(0)]


def test_totals_leave_unknown_costs_out_and_count_them(spent: Warehouse) -> None:
    totals = ledger_totals(spent)
    assert (totals.requests, totals.unpriced) == (5, 1)
    assert totals.cost_usd == Decimal("17.50000015")


def test_the_cursor_moves_with_every_row(spent: Warehouse) -> None:
    before = ledger_totals(spent).cursor
    assert ledger_totals(spent).cursor == before
    spend(spent, "late", "1", "2026-10-01 00:00Z")
    assert ledger_totals(spent).cursor != before
