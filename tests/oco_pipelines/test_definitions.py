"""The whole graph as a reviewer sees it: a change of lineage shows up in the snapshot's diff.

After a wanted change run this file with python and review the diff.
"""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dagster import DefaultScheduleStatus, DefaultSensorStatus, Definitions
from dagster._core.definitions.repository_definition import RepositoryDefinition

from oco_warehouse.settings import load_settings

SNAPSHOT = Path(__file__).with_name("definitions_snapshot.json")
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("dbt_target")


@cache
def definitions() -> Definitions:
    from oco_pipelines.definitions import build

    return build(load_settings({"OCO_HOME": "/nowhere"}))


def repository() -> RepositoryDefinition:
    return definitions().get_repository_def()


def snapshot() -> dict[str, Any]:
    """Everything that a review wants to see of the definitions, as JSON values."""
    graph = definitions().resolve_asset_graph()
    assets = {}
    for key in sorted(graph.materializable_asset_keys):
        node = graph.get(key)
        condition = node.automation_condition
        assets[key.to_user_string()] = {
            "group": node.group_name,
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "partitions": type(node.partitions_def).__name__ if node.partitions_def else None,
            "automation": None if condition is None else condition.get_label() or "composed",
            "checks": sorted(check.name for check in node.check_keys),
        }
    return {
        "assets": assets,
        "jobs": sorted(job for job in repository().job_names if not job.startswith("__")),
        "schedules": {
            schedule.name: schedule.cron_schedule for schedule in repository().schedule_defs
        },
        "sensors": {
            sensor.name: sensor.minimum_interval_seconds for sensor in repository().sensor_defs
        },
    }


def test_the_graph_is_as_it_was_reviewed() -> None:
    assert snapshot() == json.loads(SNAPSHOT.read_text()), __doc__


def test_every_schedule_and_sensor_runs_by_default() -> None:
    stopped = [
        *(
            schedule.name
            for schedule in repository().schedule_defs
            if schedule.default_status is not DefaultScheduleStatus.RUNNING
        ),
        *(
            sensor.name
            for sensor in repository().sensor_defs
            if sensor.default_status is not DefaultSensorStatus.RUNNING
        ),
    ]
    assert stopped == []
    assert repository().schedule_defs
    assert "automation" in {sensor.name for sensor in repository().sensor_defs}


def test_every_asset_says_what_it_is_for() -> None:
    graph = definitions().resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        assert graph.get(key).description, key
        assert graph.get(key).group_name != "default", key


def test_lineage_runs_from_source_to_mart_to_advice() -> None:
    graph = definitions().resolve_asset_graph()
    seen: set[str] = set()
    front = ["policy_violations"]
    by_name = {key.to_user_string(): key for key in graph.materializable_asset_keys}
    while front:
        name = front.pop()
        seen.add(name)
        parents = graph.get(by_name[name]).parent_keys if name in by_name else ()
        front += [
            parent.to_user_string() for parent in parents if parent.to_user_string() not in seen
        ]
    assert {"focus_files", "cloud_costs", "api_requests", "int_cloud_cost_cells"} <= seen


def test_no_asset_leans_on_something_that_nobody_materialises() -> None:
    graph = definitions().resolve_asset_graph()
    parents = {
        parent for key in graph.materializable_asset_keys for parent in graph.get(key).parent_keys
    }
    assert parents <= graph.materializable_asset_keys


def test_loading_needs_no_server_and_no_cloud_sdk(dbt_target: Path) -> None:
    code = (
        "import sys, oco_pipelines.definitions as d; d.defs.resolve_asset_graph();"
        "heavy = {'boto3', 'kubernetes', 'azure.identity', 'google.cloud', 'polars', 'pandera'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    # Port 1 answers nobody: a connection while loading would fail.
    environment = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "HOME": "/nowhere",
        "DBT_TARGET_PATH": str(dbt_target),
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(snapshot(), indent=2, sort_keys=True) + "\n")
