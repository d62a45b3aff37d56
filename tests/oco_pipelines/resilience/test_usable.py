"""What counts as a recovery point."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from oco_pipelines.resilience.phases import Phase
from oco_pipelines.resilience.usable import BackupState, why_unusable

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
GOOD = BackupState(
    cluster="c",
    name="b",
    uid="u",
    phase="Completed",
    namespaces=("shop", "cart"),
    storage_location="default",
    created_at=NOW,
    started_at=NOW,
    completed_at=NOW,
    expires_at=NOW + timedelta(days=1),
    items_total=3,
    items_backed_up=3,
    errors=0,
    warnings=0,
    validation_errors=(),
    failure_reason=None,
    volume_operations_attempted=2,
    volume_operations_completed=2,
    labels={},
)


def why(state: BackupState) -> str:
    return why_unusable(state, ["shop"], ["default"], NOW)


def test_complete_backup_is_usable() -> None:
    assert why(GOOD) == ""
    assert why(replace(GOOD, expires_at=None)) == ""
    assert why(replace(GOOD, namespaces=("*",))) == ""


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase != Phase.COMPLETED])
def test_no_other_phase_is_usable(phase: Phase) -> None:
    assert phase.value in why(replace(GOOD, phase=phase.value))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (replace(GOOD, items_backed_up=0, items_total=0), "no items"),
        (replace(GOOD, items_backed_up=None), "no items"),
        (replace(GOOD, items_backed_up=2), "2 of 3 items"),
        (replace(GOOD, namespaces=("cart",)), "missing: shop"),
        (replace(GOOD, volume_operations_completed=1), "1 of 2 volume"),
        (replace(GOOD, expires_at=NOW), "expired"),
        (replace(GOOD, storage_location="far"), "'far' is not available"),
        (replace(GOOD, started_at=None), "start time"),
    ],
)
def test_each_lack_makes_it_unusable_and_is_named(state: BackupState, reason: str) -> None:
    assert reason in why(state)
