"""`oco policies` as a person runs it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml
from psycopg.types.json import Jsonb

from oco_warehouse.database import Warehouse

Run = Callable[..., "subprocess.CompletedProcess[str]"]
GOOD = """
policies:
  - name: stopped
    resource: ec2
    description: Nothing is left stopped.
    filters: [{State.Name: stopped}]
    actions: [stop]
"""
BAD = """
  - name: live
    resource: ec2
    filters: [{type: flow-logs}]
"""


def plant(warehouse: Warehouse) -> None:
    for name, state in (("i-1", "stopped"), ("i-2", "running")):
        warehouse.execute(
            "INSERT INTO oco.resources (provider, account_id, resource_id, resource_type, "
            "attributes) VALUES ('aws', '111', %s, 'aws.ec2', %s)",
            [name, Jsonb({"State": {"Name": state}})],
        )


def test_a_file_is_tried_imported_listed_and_exported(
    oco: Run, tmp_path: Path, warehouse: Warehouse
) -> None:
    path = tmp_path / "c7n.yaml"
    path.write_text(GOOD)
    plant(warehouse)
    tried = oco("policies", "check", path)
    assert "stopped: would hit 1" in tried.stdout
    assert "i-1" in tried.stdout
    assert warehouse.query("SELECT 1 FROM oco.governance_policies") == []
    done = oco("policies", "import", path)
    assert done.stdout.splitlines()[0].startswith("stopped: actions: 1 kept for an export")
    assert done.stdout.endswith(f"1 policies in {path}: 1 new, 0 changed\n")
    assert oco("policies", "import", path).stdout.endswith(": 0 new, 0 changed\n")
    assert "waits for its first evaluation" in oco("policies", "list").stdout
    assert "stopped: would hit 1" in oco("policies", "check", "stopped").stdout
    (exported,) = yaml.safe_load(oco("policies", "export", "stopped").stdout)["policies"]
    assert exported["actions"] == ["stop"]
    assert warehouse.query("SELECT 1 FROM oco.policy_violations") == []


def test_a_filter_that_cannot_run_is_a_line_and_nothing_is_written(
    oco: Run, tmp_path: Path, warehouse: Warehouse
) -> None:
    path = tmp_path / "c7n.yaml"
    path.write_text(GOOD + BAD)
    done = oco("policies", "import", path)
    assert done.returncode == 1
    assert "policies[1] (live).filters[0].type: flow-logs cannot run here" in done.stderr
    assert warehouse.query("SELECT 1 FROM oco.governance_policies") == []
    partial = oco("policies", "import", path, "--partial")
    assert partial.returncode == 0
    rows = warehouse.query("SELECT name FROM oco.governance_policies")
    assert [row["name"] for row in rows] == ["stopped"]


def test_a_policy_that_is_not_there_is_one_line(oco: Run) -> None:
    done = oco("policies", "check", "nothing")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "oco policies import FILE" in oco("policies", "list").stdout
