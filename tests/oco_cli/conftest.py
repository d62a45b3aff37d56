"""How commands are run in tests: as whole processes on a fresh warehouse."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oco_server import OcoServer

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def oco_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OcoServer]:
    """Where processes come from that have their imports done."""
    server = OcoServer(tmp_path_factory.mktemp("oco"))
    yield server
    server.close()


@pytest.fixture
def oco(oco_server: OcoServer, warehouse_url: str, redis_url: str, tmp_path: Path) -> Run:
    """Runs `oco` with arguments and, as keywords, environment variables."""

    def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        return oco_server.run(
            [*map(str, arguments)],
            {
                **os.environ,
                "OCO_HOME": str(tmp_path / "home"),
                "DATABASE_URL": warehouse_url,
                "REDIS_URL": redis_url,
                "COLUMNS": "200",
                **environment,
            },
        )

    return run
