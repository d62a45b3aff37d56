"""How commands are run in tests: as whole processes on a fresh warehouse."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def oco(warehouse_url: str, redis_url: str, tmp_path: Path) -> Run:
    """Runs `oco` with arguments and, as keywords, environment variables."""

    def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [Path(sys.executable).with_name("oco"), *map(str, arguments)],
            env={
                **os.environ,
                "OCO_HOME": str(tmp_path / "home"),
                "DATABASE_URL": warehouse_url,
                "REDIS_URL": redis_url,
                "COLUMNS": "200",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            input="",
        )

    return run
