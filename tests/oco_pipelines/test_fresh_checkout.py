"""What a newcomer runs in a fresh checkout, with nothing set and no server running."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_definitions_check_of_the_dagster_cli_passes_with_nothing_set(
    tmp_path: Path, dbt_target: Path
) -> None:
    # A copy of the two files and not the checkout itself: Dagster makes its temporary home here.
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [Path(sys.executable).with_name("dagster"), "definitions", "validate"],
        env={**kept, "DBT_TARGET_PATH": str(dbt_target), "DAGSTER_DISABLE_TELEMETRY": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "All code locations passed validation" in done.stderr + done.stdout
