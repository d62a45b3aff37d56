"""The code server: it loads the definitions again when the accounts of the API change."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.client import DagsterGrpcClient

from oco_pipelines.code_server import version, watch
from oco_pipelines.ingestion.accounts import kept_file
from oco_warehouse.embedded_guardian import free_port
from oco_warehouse.settings import load_settings

READY_SECONDS = 120


def until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Path, list[bool]]]:
    """A watched file, and what its reloads say, next one last; each takes one away."""
    path, answers = tmp_path / "kept.json", [True, True, False]
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=(path, version(path), answers.pop, stop, 0.01))
    thread.start()
    yield path, answers
    stop.set()
    thread.join()


def test_a_reload_that_fails_is_tried_again_until_the_file_was_taken_in(
    watched: tuple[Path, list[bool]],
) -> None:
    path, answers = watched
    path.write_text("[]")
    assert until(lambda: len(answers) == 1, 10), "one that fails, one that does not"
    time.sleep(0.1)
    assert len(answers) == 1, "what is taken in is not loaded again"


def test_a_file_that_stays_is_not_loaded_again(watched: tuple[Path, list[bool]]) -> None:
    _, answers = watched
    time.sleep(0.1)
    assert len(answers) == 3


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_server_takes_in_accounts_while_it_runs(tmp_path: Path, dbt_target: Path) -> None:
    home, port = tmp_path / "dagster", free_port(0)
    home.mkdir()
    (home / "dagster.yaml").touch()
    environment = {
        **os.environ,
        "OCO_HOME": str(tmp_path),
        "DAGSTER_HOME": str(home),
        "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
    }
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "oco_pipelines.code_server", "--host", "127.0.0.1"]
        server = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=log, stderr=log
        )
    client = DagsterGrpcClient(host="127.0.0.1", port=port)

    def server_id() -> str | None:
        try:
            return client.get_server_id()
        except DagsterUserCodeUnreachableError:
            return None

    try:
        assert until(lambda: server_id() is not None, READY_SECONDS), (tmp_path / "log").read_text()
        first = server_id()
        kept = kept_file(load_settings({"OCO_HOME": str(tmp_path)}))
        kept.write_text("[]")
        assert until(lambda: server_id() not in {None, first}, READY_SECONDS), (
            tmp_path / "log"
        ).read_text()
        assert server.poll() is None
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
