"""The dbt manifest: made without a database, fresh, and safe to ask for at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oco_pipelines.marts import project
from oco_pipelines.marts.project import ensure_manifest, profile_environment, profile_variables
from oco_warehouse.errors import ConfigurationError


def copy_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copied = tmp_path / "dbt_project"
    for source in project.PROJECT_DIR.rglob("*"):
        relative = source.relative_to(project.PROJECT_DIR)
        if source.is_file() and relative.parts[0] not in {"target", "logs"}:
            (copied / relative).parent.mkdir(parents=True, exist_ok=True)
            (copied / relative).write_bytes(source.read_bytes())
    monkeypatch.setattr(project, "PROJECT_DIR", copied)
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    return copied


def test_a_manifest_is_made_without_a_database_and_again_when_a_model_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = copy_project(tmp_path, monkeypatch)
    manifest = ensure_manifest()
    first = manifest.stat().st_mtime_ns
    assert "model.open_cloud_ops.focus_cost_and_usage" in json.loads(manifest.read_text())["nodes"]
    assert ensure_manifest().stat().st_mtime_ns == first
    (copied / "models/marts/fct_extra.sql").write_text("select 1 as one")
    (copied / "models/marts/fct_extra.yml").write_text(
        "models: [{name: fct_extra, columns: [{name: one, data_type: integer}]}]"
    )
    assert "model.open_cloud_ops.fct_extra" in json.loads(ensure_manifest().read_text())["nodes"]


def test_two_processes_at_once_get_one_manifest(tmp_path: Path) -> None:
    environment = os.environ | {"DBT_TARGET_PATH": str(tmp_path / "target")}
    code = "from oco_pipelines.marts.project import ensure_manifest as e; print(e())"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0] == outputs[1]
    assert json.loads((tmp_path / "target" / "manifest.json").read_text())["nodes"]


def test_a_model_that_does_not_parse_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = copy_project(tmp_path, monkeypatch)
    (copied / "models/marts/broken.sql").write_text("select {{ ref('nowhere' }}")
    with pytest.raises(project.DbtProjectError, match=r"broken\.sql") as caught:
        ensure_manifest()
    assert "\n" not in str(caught.value)


def test_an_address_becomes_the_variables_of_the_profile() -> None:
    assert profile_variables("postgresql://me:p%40ss@db.example:6543/costs") == {
        "POSTGRES_HOST": "db.example",
        "POSTGRES_PORT": "6543",
        "POSTGRES_USER": "me",
        "POSTGRES_PASSWORD": "p@ss",
        "POSTGRES_DB": "costs",
    }
    with pytest.raises(ConfigurationError, match="database"):
        profile_variables("postgresql://me@db.example")


def test_the_environment_is_put_back_even_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTGRES_HOST", "mine")
    monkeypatch.delenv("POSTGRES_PASSWORD", raising=False)
    with (
        pytest.raises(RuntimeError),
        profile_environment("postgresql://me:secret@db.example/costs"),
    ):
        assert os.environ["POSTGRES_PASSWORD"] == "secret"
        raise RuntimeError
    assert os.environ["POSTGRES_HOST"] == "mine"
    assert "POSTGRES_PASSWORD" not in os.environ
