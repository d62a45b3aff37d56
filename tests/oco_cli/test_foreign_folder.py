"""Commands work from any folder, whatever lies in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oco_cli.processes import Processes


def test_children_import_nothing_from_the_folder_they_were_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "this.py").write_text("raise SystemExit('a foreign file was run')")
    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.chdir(tmp_path)
    processes = Processes(logs, os.environ)
    child = processes.start("zen", [sys.executable, "-m", "this"])
    assert processes.finish(child) == 0
    foreign = subprocess.run(
        [sys.executable, "-m", "this"], cwd=tmp_path, capture_output=True, check=False
    )
    assert foreign.returncode != 0
