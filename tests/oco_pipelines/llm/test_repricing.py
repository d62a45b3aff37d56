"""Late prices: what held at the time, once, with the budgets in the same step."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.llm.ledger import budget_differences
from oco_pipelines.llm.repricing import Repriced, reprice
from oco_warehouse.database import Warehouse

CALL: dict[str, Any] = {
    "id": "a",
    "provider": "openai",
    "model": "new-model",
    "team_id": "search",
    "agent_id": "bot",
    "tags": '{"app": "chat"}',
    "input_tokens": 1000,
    "output_tokens": 100,
    "total_tokens": 1100,
    "cached_input_tokens": 400,
    "cost_status": "unpriced",
    "status_code": 200,
    "timestamp": "2026-11-10 12:00Z",
}


def call(warehouse: Warehouse, **more: Any) -> None:
    row = {**CALL, **more}
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join(["%s"] * len(row))
    statement: Any = f"INSERT INTO oco.api_requests ({names}) VALUES ({marks})"
    warehouse.execute(statement, list(row.values()))


def price(warehouse: Warehouse, since: str = "-infinity", amount: str = "2", **more: Any) -> None:
    warehouse.execute(
        "INSERT INTO oco.model_pricing (provider, model, effective_from, input_per_m_token, "
        "output_per_m_token, cached_input_per_m_token, price_version) "
        "VALUES ('openai', %s, %s, %s, 8, 0.5, %s)",
        [more.get("model", "new-model"), since, Decimal(amount), f"since {since}"],
    )


def budget(warehouse: Warehouse, scope: str, entity: str, spent: str = "0") -> None:
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd, spent_usd, period_start, period_end)"
        " VALUES (%s, %s, 10, %s, '2026-11-01Z', '2026-12-01Z')",
        [scope, entity, Decimal(spent)],
    )


def costs(warehouse: Warehouse) -> dict[str, Decimal | None]:
    rows = warehouse.query("SELECT id, cost_usd FROM oco.api_requests")
    return {row["id"]: row["cost_usd"] for row in rows}


# 600 plain tokens at 2 + 400 cached at 0.5 + 100 answered at 8 USD a million.
COST = Decimal("0.0022")


def test_a_late_price_is_worked_out_by_hand_and_moves_every_budget(warehouse: Warehouse) -> None:
    call(warehouse)
    for scope, entity in (("team", "search"), ("agent", "bot"), ("tag:app", "chat")):
        budget(warehouse, scope, entity)
    budget(warehouse, "user", "somebody")
    price(warehouse)
    assert reprice(warehouse) == Repriced(1, 1, COST)
    (row,) = warehouse.query("SELECT * FROM oco.api_requests")
    assert (row["cost_usd"], row["input_cost_usd"], row["output_cost_usd"]) == (
        COST,
        Decimal("0.0014"),
        Decimal("0.0008"),
    )
    assert (row["cost_status"], row["price_version"]) == ("estimated", "since -infinity")
    spent = warehouse.query("SELECT spent_usd FROM oco.budgets ORDER BY spent_usd")
    assert [item["spent_usd"] for item in spent] == [0, COST, COST, COST]
    assert budget_differences(warehouse) == []


def test_a_call_that_was_billed_by_the_second_is_never_free(warehouse: Warehouse) -> None:
    call(warehouse, input_tokens=0, output_tokens=0, cached_input_tokens=0)
    price(warehouse)
    assert reprice(warehouse) == Repriced(0, 0, Decimal(0))
    assert costs(warehouse) == {"a": None}


def test_a_provider_with_anothers_prices_is_priced_late_by_those(warehouse: Warehouse) -> None:
    call(warehouse, provider="azure")
    price(warehouse)
    assert reprice(warehouse) == Repriced(1, 0, Decimal(0))
    assert reprice(warehouse, price_providers={"azure": "openai"}) == Repriced(1, 1, COST)
    assert costs(warehouse) == {"a": COST}


def test_run_again_it_changes_nothing(warehouse: Warehouse) -> None:
    call(warehouse)
    budget(warehouse, "team", "search")
    price(warehouse)
    reprice(warehouse)
    assert reprice(warehouse) == Repriced(0, 0, Decimal(0))
    assert budget_differences(warehouse) == []


def test_the_price_of_the_time_counts_and_not_todays(warehouse: Warehouse) -> None:
    call(warehouse)
    call(warehouse, id="later", timestamp="2026-11-20 12:00Z")
    call(warehouse, id="before", timestamp="2026-10-20 12:00Z")
    price(warehouse, "2026-11-01Z")
    price(warehouse, "2026-11-15Z", "4")
    assert reprice(warehouse).priced == 2
    assert costs(warehouse) == {"a": COST, "later": Decimal("0.0034"), "before": None}


def test_calls_of_another_period_move_no_budget_of_this_one(warehouse: Warehouse) -> None:
    call(warehouse, timestamp="2026-10-31 23:59:59Z")
    call(warehouse, id="first", timestamp="2026-11-01 00:00Z")
    budget(warehouse, "team", "search")
    price(warehouse)
    assert reprice(warehouse).priced == 2
    (row,) = warehouse.query("SELECT spent_usd FROM oco.budgets")
    assert row["spent_usd"] == COST


@pytest.mark.parametrize("unknown", ["input_tokens", "output_tokens"])
def test_a_call_whose_tokens_are_unknown_stays_unpriced(warehouse: Warehouse, unknown: str) -> None:
    call(warehouse, **{unknown: None})
    price(warehouse)
    assert reprice(warehouse) == Repriced(0, 0, Decimal(0))
    assert costs(warehouse) == {"a": None}


def test_a_call_that_was_cut_short_is_partial(warehouse: Warehouse) -> None:
    call(warehouse, error_type="client_closed")
    price(warehouse)
    reprice(warehouse)
    (row,) = warehouse.query("SELECT cost_status FROM oco.api_requests")
    assert row["cost_status"] == "partial"


def test_a_routed_call_is_never_priced_as_the_model_that_was_asked_for(
    warehouse: Warehouse,
) -> None:
    call(warehouse, model="unknown", was_routed=True, original_model="new-model")
    call(warehouse, id="alias", model="unknown", original_model="new-model")
    price(warehouse)
    assert reprice(warehouse) == Repriced(2, 1, COST)
    assert costs(warehouse) == {"a": None, "alias": COST}


def test_many_batches_and_runs_at_once_price_each_call_once(warehouse: Warehouse) -> None:
    for number in range(25):
        call(warehouse, id=f"call-{number}", model="new-model" if number % 5 else "unknown")
    budget(warehouse, "team", "search")
    price(warehouse)
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: reprice(warehouse, batch_rows=4), range(3)))
    assert sum(run.priced for run in done) == 20
    assert sum(run.cost_usd for run in done) == 20 * COST
    assert budget_differences(warehouse) == []
    (row,) = warehouse.query("SELECT spent_usd FROM oco.budgets")
    assert row["spent_usd"] == 20 * COST
