"""What Dagster's dbt builds leave for one another, and what they do without."""

from importlib.metadata import version
from pathlib import Path

from oco_pipelines.marts.dbt_cli import DbtExecutable, keep_parsed
from oco_pipelines.marts.project import PROJECT_DIR


def test_the_version_of_dbt_is_known_without_running_it() -> None:
    missing = DbtExecutable(project_dir=str(PROJECT_DIR), dbt_executable="true")
    assert str(missing._cli_version) == version("dbt-core")


def test_what_a_build_parsed_is_there_for_the_next_one(tmp_path: Path) -> None:
    artifacts, target = tmp_path / "build", tmp_path / "target"
    artifacts.mkdir()
    target.mkdir()
    (target / "partial_parse.msgpack").write_bytes(b"old")
    (artifacts / "partial_parse.msgpack").write_bytes(b"new")
    keep_parsed(artifacts, target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        "partial_parse.msgpack": b"new"
    }


def test_a_build_that_parsed_nothing_leaves_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "partial_parse.msgpack").write_bytes(b"old")
    keep_parsed(tmp_path / "build", tmp_path)
    assert (tmp_path / "partial_parse.msgpack").read_bytes() == b"old"
