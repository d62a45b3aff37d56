"""A planted cloud of several hundred resources arrives as it was planted, hour by hour."""

from collections import Counter
from datetime import timedelta

import pytest

from oco_warehouse.database import Warehouse
from tests.oco_pipelines.inventory.planted.conftest import World
from tests.oco_pipelines.inventory.planted.plan import plan

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
