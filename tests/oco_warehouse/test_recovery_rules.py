"""What a recovery plan may be, whoever asks for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_warehouse.errors import ConflictError, InvalidInputError
from oco_warehouse.recovery_rules import (
    SYSTEM_NAMESPACES,
    Known,
    RecoveryRequest,
    check_request,
    wants_approval,
    wants_cancelling,
    wants_execution,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
NAMES = ["bank", "copy", "kube-system", "shop", "velero"]
RECORD: dict[str, Any] = {
    "cluster": "a",
    "backup_name": "b",
    "usable": True,
    "sound": True,
    "usable_reason": "",
    "vanished_at": None,
    "expires_at": NOW + timedelta(days=1),
    "namespaces": ["bank", "shop"],
}


@given(
    namespaces=st.lists(st.sampled_from(["bank", "shop"]), min_size=1, max_size=2, unique=True),
    mapping=st.dictionaries(st.sampled_from(["bank", "shop"]), st.sampled_from(NAMES)),
    guarded=st.lists(st.sampled_from([*NAMES, "*"]), max_size=2),
    cluster=st.sampled_from(["a", "b"]),
)
def test_no_request_that_is_let_in_touches_a_protected_namespace(
    namespaces: list[str], mapping: dict[str, str], guarded: list[str], cluster: str
) -> None:
    request = RecoveryRequest("id", cluster, tuple(namespaces), mapping)
    known = Known(RECORD, [("a", guarded)], {"a", "b"}, NOW)
    try:
        check_request(request, known)
    except InvalidInputError:
        return
    targets = set(request.targets.values())
    assert not targets & SYSTEM_NAMESPACES
    assert cluster == "b" or ("*" not in guarded and not targets & set(guarded))
    assert len(targets) == len(namespaces)


def test_what_the_first_cluster_cannot_reach_does_not_keep_another_from_restoring_it() -> None:
    down = {**RECORD, "usable": False, "usable_reason": "storage location 'default' is away"}
    known = Known(down, [], {"a", "b"}, NOW)
    check_request(RecoveryRequest("id", "b", ("shop",)), known)
    with pytest.raises(InvalidInputError, match="is away"):
        check_request(RecoveryRequest("id", "a", ("shop",)), known)


def plan(**changes: object) -> dict[str, Any]:
    usual = {"id": "p", "previewed_at": NOW, "waiting_for": None, "execution_requested_at": None}
    return {**usual, **changes}


@pytest.mark.parametrize("status", ["completed", "partially_failed", "failed", "cancelled"])
def test_what_has_ended_is_not_approved(status: str) -> None:
    with pytest.raises(ConflictError, match=status):
        wants_approval(plan(status=status))


def test_a_plan_without_a_preview_says_what_it_waits_for() -> None:
    with pytest.raises(ConflictError, match="no preview yet: the sync"):
        wants_approval(plan(status="pending", previewed_at=None, waiting_for="the sync"))


def test_repeats_are_told_apart_from_first_times() -> None:
    assert wants_approval(plan(status="pending")) and not wants_approval(plan(status="approved"))
    assert wants_cancelling(plan(status="approved"))
    assert not wants_cancelling(plan(status="cancelled"))
    assert wants_execution(plan(status="approved"))
    assert not wants_execution(plan(status="approved", execution_requested_at=NOW))
    assert not wants_execution(plan(status="completed"))
