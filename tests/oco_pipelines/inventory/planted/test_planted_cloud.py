"""A planted cloud of several hundred resources arrives as it was planted, and becomes advice.

From a cloud's own APIs: every hour, every waste, to the cent, and nothing else. One file, because
planting takes most of the time.
"""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.optimizer.run import Run, find_recommendations
from oco_pipelines.optimizer.thresholds import Thresholds
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.inventory.planted.conftest import World
from tests.oco_pipelines.inventory.planted.plan import SETTLING_DAYS, plan

pytestmark = pytest.mark.slow


def test_the_same_seed_plans_the_same() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)
    assert len(plan(7)) > 400


def test_every_planted_resource_is_listed(world: World, warehouse: Warehouse) -> None:
    rows = warehouse.query(
        "SELECT resource_id, resource_type FROM oco.resources WHERE deleted_at IS NULL"
    )
    listed = {(row["resource_type"], row["resource_id"]) for row in rows}
    planted = {(kind, identifier) for (kind, _), identifier in world.made.ids.items()}
    assert planted <= listed
    # Beside them only what they need: hosts, their disks, addresses of gateways, snapshots.
    others = Counter(kind for kind, _ in listed - planted)
    assert set(others) <= {"aws.ec2", "aws.ebs", "aws.ebs-snapshot", "aws.network-addr"}
    assert world.done.collected.missing == {}
    assert world.done.collected.problems == []


def test_every_planted_hour_arrives_exactly(world: World, warehouse: Warehouse) -> None:
    rows = warehouse.query(
        "SELECT resource_id, metric, interval_start, average FROM oco.resource_metrics"
    )
    arrived = {
        (row["resource_id"], row["metric"], row["interval_start"]): float(row["average"])
        for row in rows
    }
    assert arrived.keys() == world.made.metrics.keys()
    wrong = {
        key: (value, world.made.metrics[key])
        for key, value in arrived.items()
        if abs(value - world.made.metrics[key]) > 1e-6 * max(1.0, abs(value))
    }
    assert wrong == {}
    assert len(arrived) > 100_000


def test_every_charge_is_of_a_resource_that_was_listed(world: World, warehouse: Warehouse) -> None:
    rows = warehouse.query(
        "SELECT DISTINCT cost.resource_id FROM oco.cloud_costs AS cost WHERE NOT EXISTS ("
        "SELECT FROM oco.resources AS resource WHERE resource.provider = cost.provider "
        "AND resource.account_id = cost.account_id "
        "AND resource.resource_id = cost.resource_id)"
    )
    assert rows == []
    assert world.lines == len(world.made.billed) * 20


def test_a_second_run_changes_nothing(world: World, warehouse: Warehouse) -> None:
    count = "SELECT count(*) AS rows FROM oco.resource_metrics"
    before = warehouse.query(count)
    again = world.collect(world.now + timedelta(minutes=30))
    assert again.metrics.changed == 0
    assert again.collected.ended == 0
    assert warehouse.query(count) == before


@pytest.fixture(scope="module")
def run(world: World) -> Run:
    warehouse = Warehouse(world.url)
    # Addresses say nothing of their age: they were first listed a month ago.
    warehouse.execute("UPDATE oco.resources SET first_seen_at = now() - interval '30 days'")
    return recommend(warehouse, world)


def recommend(warehouse: Warehouse, world: World) -> Run:
    return find_recommendations(warehouse, Thresholds(), SETTLING_DAYS, world.now)


def opened(warehouse: Warehouse) -> dict[tuple[str, str], Decimal]:
    rows = warehouse.query(
        "SELECT recommendation_type, resource_id, estimated_monthly_savings AS usd "
        "FROM oco.optimization_recommendations WHERE status = 'open'"
    )
    return {(row["recommendation_type"], row["resource_id"]): row["usd"] for row in rows}


def told(world: World, keys: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """(rule, profile) of findings, so that a failure can be read."""
    names = {identifier: name for (_, name), identifier in world.made.ids.items()}
    return sorted((rule, names.get(identifier, identifier)) for rule, identifier in keys)


def test_every_planted_waste_is_found_and_nothing_healthy_is_flagged(
    run: Run, world: World, warehouse: Warehouse
) -> None:
    found = opened(warehouse)
    missed = told(world, world.made.expected.keys() - found.keys())
    flagged = told(world, found.keys() - world.made.expected.keys())
    assert (missed, flagged) == ([], [])
    assert len(found) > 150


def test_each_saving_is_the_one_that_was_worked_out_by_hand(
    run: Run, world: World, warehouse: Warehouse
) -> None:
    found = opened(warehouse)
    wrong = {
        key: (found[key], saving)
        for key, saving in world.made.expected.items()
        if found.get(key) != saving
    }
    assert wrong == {}
    assert run.total_usd == sum(world.made.expected.values())


def test_every_rule_for_single_resources_has_found_something(run: Run) -> None:
    assert {one.recommendation_type for one in run.found} == {
        *("idle_instance", "stopped_instance", "unattached_volume", "idle_load_balancer"),
        *("idle_nat_gateway", "unused_address", "old_snapshot", "obsolete_image"),
        *("idle_database", "rightsize_instance", "previous_generation", "storage_class"),
        "off_hours",
    }


def test_listing_and_judging_again_makes_no_new_row(
    run: Run, world: World, warehouse: Warehouse
) -> None:
    read = "SELECT id, status, life, opened_at FROM oco.optimization_recommendations ORDER BY id"
    before: list[dict[str, Any]] = warehouse.query(read)
    world.collect(world.now)
    again = recommend(warehouse, world)
    assert again.written.opened == 0
    assert again.written.expired == 0
    assert warehouse.query(read) == before
