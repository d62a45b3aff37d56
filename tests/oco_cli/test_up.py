"""`oco up` as a person runs it: from an empty home to its summary, and to no process left."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from oco_warehouse.database import Warehouse

OCO = Path(sys.executable).with_name("oco")
READY_SECONDS = 420
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_of(home: Path) -> list[int]:
    """Every live process that has this OCO_HOME in its environment or its arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(home) in told and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


class Platform:
    """One `oco up` with its own home and ports."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, self.dagster_port = free_port(), free_port()
        self.output = home.with_suffix(".out")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it and wait for the summary; everything that it printed."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [OCO, "up"],
                env={
                    **os.environ,
                    "OCO_HOME": str(self.home),
                    "CEREBRA_PORT": str(self.port),
                    "OCO_DAGSTER_PORT": str(self.dagster_port),
                    "OCO_EMBEDDED_FSYNC": "off",
                },
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_SECONDS
        while "Ctrl-C stops everything" not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.2)
        return self.output.read_text()

    def warehouse(self) -> Warehouse:
        """What it has loaded, while it runs."""
        addresses = json.loads((self.home / "run" / "servers.json").read_text())
        return Warehouse(addresses["database_url"])

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def wait_until_nothing_is_left(self, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while left := processes_of(self.home):
            assert time.monotonic() < deadline, left
            time.sleep(0.2)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path / "a home")
    yield platform
    if platform.process is not None and platform.process.poll() is None:
        platform.process.kill()
        platform.process.wait()
    platform.wait_until_nothing_is_left()


def answer(port: int, path: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return int(response.status)


def test_the_platform_comes_up_stops_cleanly_and_comes_back_after_a_kill(
    platform: Platform,
) -> None:
    first = platform.start()
    assert "failed" not in first
    assert "oco_" in first.split("First token", 1)[1].splitlines()[0]
    assert answer(platform.port, "/readyz") == 200
    assert answer(platform.dagster_port, "/server_info") == 200
    check_that_everything_was_materialised(platform.warehouse())
    assert platform.end(signal.SIGINT) == 0
    assert processes_of(platform.home) == []

    began = time.monotonic()
    second = platform.start()
    assert time.monotonic() - began < 60  # 11 s on an idle machine; this one runs tests
    assert "shown at the first start" in second
    platform.end(signal.SIGKILL)
    platform.wait_until_nothing_is_left()

    third = platform.start()
    assert spent(third) == spent(first)
    assert platform.end(signal.SIGTERM) == 0
    assert processes_of(platform.home) == []


def check_that_everything_was_materialised(warehouse: Warehouse) -> None:
    """Every dollar of the sample arrived, restated and judged, before anything was told."""
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


def spent(summary: str) -> list[str]:
    """The lines of the table of spend."""
    return [line for line in summary.splitlines() if "$" in line]
