"""The first materialisation of everything, on real servers and the shipped sample."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oco_cli.up import dagster_home
from oco_pipelines.bootstrap import Progress
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings


def test_progress_is_one_line_of_json_without_what_is_not_known_yet() -> None:
    started = json.loads(Progress("marts", "started").to_json())
    assert started == {"step": "marts", "asset": "marts", "state": "started"}
    done = json.loads(Progress("marts", "done", 3, 1.23456).to_json())
    assert (done["rows"], done["seconds"]) == (3, 1.235)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_asset_is_materialised_and_every_dollar_arrives(
    warehouse: Warehouse, empty_database_url: str, tmp_path: Path, dbt_target: Path
) -> None:
    home = tmp_path / "home"
    instance = dagster_home(load_settings({"OCO_HOME": str(home)}))
    environment = os.environ | {
        "OCO_HOME": str(home),
        "DAGSTER_HOME": str(instance),
        "OCO_DAGSTER_URL": empty_database_url,
        "DATABASE_URL": warehouse.url,
        "DBT_TARGET_PATH": str(dbt_target),
    }
    result = subprocess.run(
        [sys.executable, "-m", "oco_pipelines.bootstrap"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr[-5000:]
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["state"] for line in lines} == {"started", "done"}
    (raw,) = warehouse.query(
        "SELECT sum(cost_usd) AS usd FROM oco.cloud_costs WHERE valid_to IS NULL"
    )
    (mart,) = warehouse.query("SELECT sum(billed_cost_usd) AS usd FROM marts.fct_cost_daily")
    assert raw["usd"] == mart["usd"]
    assert mart["usd"] > 0
    (restated,) = warehouse.query(
        "SELECT count(*) AS rows FROM oco.cloud_costs WHERE valid_to IS NOT NULL"
    )
    assert restated["rows"] > 0
    advice = warehouse.query("SELECT * FROM oco.optimization_recommendations")
    assert [row["recommendation_type"] for row in advice] == ["idle_instance"]
    assert advice[0]["estimated_monthly_savings"] > 0
    assert warehouse.query("SELECT 1 FROM oco.policy_violations WHERE resolved_at IS NULL")
