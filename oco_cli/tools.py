"""`oco dbt` and `oco dagster`: the tools themselves, pointed at our warehouse and project."""

import os
import subprocess
import sys
from pathlib import Path

import typer

from oco_cli.connect import connect
from oco_cli.environment import process_environment
from oco_cli.up import ROOT, dagster_home


def dbt(context: typer.Context) -> None:
    """Run dbt on the project, as in `oco dbt build`."""
    environment = _environment()
    project = ROOT / "dbt_project"
    flags = ("--project-dir", str(project), "--profiles-dir", str(project))
    _hand_over([_beside("dbt"), *context.args, *(flags if context.args else ())], environment)


def dagster(context: typer.Context) -> None:
    """Run the dagster command with our DAGSTER_HOME, as in `oco dagster definitions validate`."""
    environment = _environment()
    _hand_over([_beside("dagster"), *context.args], environment)


def _environment() -> dict[str, str]:
    settings, _ = connect()
    dagster_home(settings)
    return {**os.environ, **process_environment(settings)}


def _beside(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _hand_over(command: list[str], environment: dict[str, str]) -> None:
    # Not exec: this process holds the embedded servers while the tool runs.
    sys.exit(subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode)
