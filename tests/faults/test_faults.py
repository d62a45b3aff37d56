"""Short versions of the storm and of every fault; `make storm` and `make chaos` run long ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import chaos
from tests.faults.field import Field, play
from tests.faults.promises import broken_by_faults, broken_by_storm
from tests.faults.storm import storm

pytestmark = pytest.mark.slow

SHORT = chaos.Lengths(outage=3, kills=3, flushes=2)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    with play(tmp_path_factory.mktemp("faults") / "home", 3) as field:
        yield field


def test_racing_calls_never_overspend_and_leak_no_reservation(field: Field) -> None:
    figures = storm(field, requests=400, seed=3)
    assert broken_by_storm(figures, 400) == [], figures


def test_no_fault_of_a_server_loses_or_doubles_a_call(field: Field) -> None:
    figures = chaos.break_servers(field, SHORT)
    assert broken_by_faults(figures) == [], figures


def test_a_full_disk_refuses_calls_and_loses_none(tmp_path: Path) -> None:
    figures = chaos.fill_disk(tmp_path / "home", SHORT)
    assert broken_by_faults(figures) == [], figures
