"""What people state is shown without their asking for a build."""

from pathlib import Path

import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    RunRequest,
    SkipReason,
    build_sensor_context,
    evaluate_automation_conditions,
)

from oco_pipelines.problem_check import problem_check
from oco_pipelines.resources import WarehouseResource
from oco_pipelines.showback.definitions import STATED, stated_sensor
from oco_pipelines.showback.rule_store import import_rules, unusable_rules
from oco_warehouse.allocation_rules import read_rules
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings


def test_a_changed_rule_is_seen_once(warehouse: Warehouse) -> None:
    context = build_sensor_context(
        resources={"warehouse": WarehouseResource(database_url=warehouse.url)}
    )

    def tick() -> object:
        return stated_sensor()(context)

    first = tick()
    assert isinstance(first, RunRequest)
    assert first.asset_selection == [AssetKey(table) for table in STATED]
    assert isinstance(tick(), SkipReason)
    rule = {"name": "t", "priority": 1, "method": "tag", "target": {"tag": "team"}}
    import_rules(warehouse, read_rules([rule]))
    changed = tick()
    assert isinstance(changed, RunRequest)
    assert changed.asset_selection == [AssetKey("cost_allocations")]
    import_rules(warehouse, read_rules([rule]))  # the same again
    assert isinstance(tick(), SkipReason)
    warehouse.execute("DELETE FROM oco.cost_allocations")
    assert isinstance(tick(), RunRequest)


def test_a_check_says_how_many_problems_there_are_and_the_first_of_them(
    warehouse: Warehouse,
) -> None:
    check = problem_check(
        "cloud_costs",
        "example",
        "Nothing is wrong.",
        lambda house: [
            row["name"]
            for row in house.query("SELECT chr(n) AS name FROM generate_series(97, 101) AS n")
        ],
        AssetCheckSeverity.WARN,
    )
    result = check(warehouse=WarehouseResource(database_url=warehouse.url))
    assert isinstance(result, AssetCheckResult)
    assert (result.passed, result.severity) == (False, AssetCheckSeverity.WARN)
    assert result.description == "a; b; c"
    assert result.metadata["problems"].value == 5


def test_a_rule_that_was_written_with_sql_is_checked_too(warehouse: Warehouse) -> None:
    rule = {"name": "t", "priority": 1, "method": "tag", "target": {"tag": "team"}}
    import_rules(warehouse, read_rules([rule]))
    assert unusable_rules(warehouse) == []
    warehouse.execute(
        "INSERT INTO oco.cost_allocations (name, priority, method, match, target) "
        """VALUES ('typo', 2, 'account', '{"acount": ["1"]}', '{"team": "a"}')"""
    )
    (line,) = unusable_rules(warehouse)
    assert line.startswith("rule 1 (typo): match.acount:")


@pytest.mark.parametrize(
    ("stated", "mart"),
    [("cost_allocations", "fct_showback_month"), ("invoices", "fct_reconciliation")],
)
def test_a_stated_table_that_changed_has_its_mart_rebuilt(
    dbt_target: Path, stated: str, mart: str
) -> None:
    from oco_pipelines.definitions import build

    definitions = build(load_settings({"OCO_HOME": "/nowhere"}))
    graph = definitions.resolve_asset_graph()
    with DagsterInstance.ephemeral() as instance:

        def materialise(key: AssetKey) -> None:
            instance.report_runless_asset_event(AssetMaterialization(key))

        for key in graph.toposorted_asset_keys:
            if graph.get(key).partitions_def is None:
                materialise(key)
        resting = evaluate_automation_conditions(definitions, instance)
        assert resting.get_num_requested(AssetKey(mart)) == 0
        materialise(AssetKey(stated))
        moved = evaluate_automation_conditions(definitions, instance, cursor=resting.cursor)
        assert moved.get_num_requested(AssetKey(mart)) == 1
        assert moved.get_num_requested(AssetKey("fct_cost_daily")) == 0
