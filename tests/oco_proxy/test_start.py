"""A gateway that cannot start says why in one line."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def run(home: Path, **values: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "OCO_HOME": str(home),
        **values,
    }
    return subprocess.run(
        [sys.executable, "-m", "oco_proxy"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_occupied_port_is_one_line(tmp_path: Path, taken: int) -> None:
    ended = run(tmp_path, CEREBRA_PORT=str(taken))
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"oco: another process listens on 127.0.0.1:{taken}; stop it or set CEREBRA_PORT"
    ]


def test_an_unreachable_warehouse_is_one_line(tmp_path: Path, taken: int) -> None:
    free = taken + 1 if taken < 65535 else taken - 1
    ended = run(tmp_path, CEREBRA_PORT=str(free))
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert line.startswith("oco: PostgreSQL at 127.0.0.1:1") and "DATABASE_URL" in line


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    ended = run(tmp_path, OCO_OPENAI_BASE_URL="ftp://example")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "OCO_OPENAI_BASE_URL" in line
