"""Short versions of the storm and of every fault; `make storm` and `make chaos` run long ones."""

import os
from pathlib import Path

import pytest

from tests.faults import chaos
from tests.faults.storm import broken_promises, storm

pytestmark = pytest.mark.slow

SHORT = chaos.Lengths(outage=2.5, kills=3, flushes=2)


def test_racing_calls_never_overspend_and_leak_no_reservation(tmp_path: Path) -> None:
    figures = storm(tmp_path, requests=200, gateways=3, seed=3)
    assert broken_promises(figures) == [], figures
    assert figures["rows"] > 40


def test_no_fault_of_a_server_loses_or_doubles_a_call(tmp_path: Path) -> None:
    figures = chaos.break_servers(tmp_path, SHORT)
    assert chaos.broken_promises(figures) == [], figures
    assert figures["gateway_killed"]["failed"] > 0, "no gateway was killed in mid-call"


def test_a_full_disk_refuses_calls_and_loses_none(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        # Only root may mount a disk of its own; CI is root.
        pytest.skip("a small disk needs the right to mount a tmpfs")
    try:
        figures = chaos.fill_disk(tmp_path, SHORT)
    except PermissionError as error:
        # Root in a container may not mount either.
        pytest.skip(str(error))
    assert chaos.broken_promises(figures) == [], figures
    assert figures["disk_full"]["refused"].get(503, 0) > 0, "the disk was never full"
