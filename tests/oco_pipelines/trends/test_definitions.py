"""The sensor of cloud budgets: one run for each change, none while nothing changed."""

from dagster import build_sensor_context

from oco_pipelines.resources import WarehouseResource
from oco_pipelines.trends.definitions import changed_cloud_budgets
from oco_warehouse.database import Warehouse

BUDGET = (
    "INSERT INTO oco.cloud_budgets (name, amount_usd, period, thresholds) "
    "VALUES ('Prod', 5, 'month', '[]')"
)


def look(warehouse: Warehouse, cursor: str | None) -> tuple[int, str | None]:
    """How many runs one look asks for, and the cursor that it leaves."""
    context = build_sensor_context(
        cursor=cursor,
        resources={"warehouse": WarehouseResource(database_url=warehouse.url)},
    )
    tick = changed_cloud_budgets.evaluate_tick(context)
    return len(tick.run_requests or []), tick.cursor


def test_budgets_are_judged_once_for_each_change(warehouse: Warehouse) -> None:
    assert look(warehouse, None)[0] == 0
    warehouse.execute(BUDGET)
    runs, cursor = look(warehouse, None)
    assert runs == 1
    assert look(warehouse, cursor)[0] == 0
    warehouse.execute("UPDATE oco.cloud_budgets SET amount_usd = 6")
    assert look(warehouse, cursor)[0] == 1


def test_nothing_is_judged_before_the_marts_are_built(warehouse: Warehouse) -> None:
    warehouse.execute(BUDGET)
    warehouse.execute("DROP SCHEMA intermediate CASCADE")
    assert look(warehouse, None)[0] == 0
