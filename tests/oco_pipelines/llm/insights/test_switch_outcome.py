"""Whether a model switch was made, as the ledger's calls show it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.llm.insights.switch_outcome import measure_switches
from oco_pipelines.optimizer.recommendation import Recommendation, Resource
from oco_pipelines.optimizer.store import write_recommendations
from oco_warehouse.database import Warehouse

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
DECIDED = NOW - timedelta(days=9)
FOUND = Recommendation(
    Resource("openai", "", "old", "llm.model"),
    "model_switch",
    "Use new instead of old",
    "It is cheaper.",
    Decimal(12),
    Decimal("0.80"),
    {"to_provider": "openai", "to_model": "new"},
)


def calls(warehouse: Warehouse, model: str, day: datetime, count: int) -> None:
    warehouse.execute(
        "INSERT INTO oco.api_requests (id, provider, model, cost_status, status_code, timestamp) "
        "SELECT gen_random_uuid(), 'openai', %s, 'unpriced', 200, %s "
        "FROM generate_series(1, %s)",
        [model, day, count],
    )


@pytest.fixture
def accepted(warehouse: Warehouse) -> Warehouse:
    """A switch that was accepted, of a model that had 10 calls a day."""
    write_recommendations(warehouse, ["model_switch"], [FOUND], DECIDED - timedelta(days=1))
    warehouse.execute(
        "UPDATE oco.optimization_recommendations SET status = 'accepted', accepted_at = %s",
        [DECIDED],
    )
    for day in range(1, 15):
        calls(warehouse, "old-2026-01-31", DECIDED - timedelta(days=day), 10)
    return warehouse


def row(warehouse: Warehouse) -> dict[str, Any]:
    (only,) = warehouse.query("SELECT * FROM oco.optimization_recommendations")
    return only


def test_the_saving_is_the_part_of_the_calls_that_moved(accepted: Warehouse) -> None:
    for day in range(1, 8):
        calls(accepted, "old", NOW - timedelta(days=day), 4)
        calls(accepted, "new", NOW - timedelta(days=day), 6)
    assert measure_switches(accepted, NOW).asked == 1
    # 6 of 10 calls moved: 12 × 0.6.
    assert row(accepted)["realised_monthly_savings"] == Decimal("7.20")
    assert row(accepted)["status"] == "realised"


def test_fewer_calls_are_no_switch(accepted: Warehouse) -> None:
    measure_switches(accepted, NOW)
    assert row(accepted)["realised_monthly_savings"] == 0
    assert row(accepted)["status"] == "accepted"


def test_a_switch_is_not_judged_before_a_whole_week(accepted: Warehouse) -> None:
    assert measure_switches(accepted, NOW - timedelta(days=2)).asked == 0
