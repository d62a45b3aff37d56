"""The life of a recommendation: what may follow on what, whatever happens."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_warehouse import recommendation_life as lives
from oco_warehouse.errors import ConflictError, InvalidInputError
from oco_warehouse.recommendation_life import Life, Status

START = datetime(2026, 11, 2, tzinfo=UTC)
EVENTS = (
    "found",
    "missed",
    "gone",
    "covered",
    "accept",
    "dismiss",
    "snooze",
    "reopen",
    "saved",
    "lost",
)
# What may follow on a status in one step.
FOLLOWS = {
    Status.OPEN: {Status.ACCEPTED, Status.DISMISSED, Status.REALISED, Status.EXPIRED},
    Status.ACCEPTED: {Status.DISMISSED, Status.REALISED, Status.OPEN, Status.EXPIRED},
    Status.DISMISSED: {Status.OPEN, Status.ACCEPTED, Status.EXPIRED},
    Status.REALISED: {Status.REGRESSED},
    Status.REGRESSED: {Status.ACCEPTED, Status.DISMISSED, Status.REALISED, Status.EXPIRED},
    Status.EXPIRED: {Status.OPEN, Status.REALISED},
}


def step(life: Life, event: str, now: datetime) -> Life:
    steps: dict[str, Callable[[], Life]] = {
        "found": lambda: lives.found(life, now),
        "missed": lambda: lives.missed(life, now),
        "gone": lambda: lives.missed(life, now, gone=True),
        "covered": lambda: lives.missed(life, now, covered=True),
        "saved": lambda: lives.measured(life, now, saved=True),
        "lost": lambda: lives.measured(life, now, saved=False),
        "accept": lambda: lives.accept(life, now),
        "dismiss": lambda: lives.dismiss(life, now, "needed", None),
        "snooze": lambda: lives.dismiss(life, now, "later", now + timedelta(days=2)),
        "reopen": lambda: lives.reopen(life),
    }
    try:
        return steps[event]()
    except ConflictError:
        return life


STEPS = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 200)), max_size=60)


def walk(steps: list[tuple[str, int]]) -> list[tuple[str, datetime, Life]]:
    now, life = START, lives.born(START)
    seen = [("found", now, life)]
    for event, hours in steps:
        now += timedelta(hours=hours)
        life = step(life, event, now)
        seen.append((event, now, life))
    return seen


@given(STEPS)
def test_only_what_may_follow_follows(steps: list[tuple[str, int]]) -> None:
    seen = walk(steps)
    for (_, _, before), (event, _, after) in itertools.pairwise(seen):
        if before.status is not after.status:
            assert after.status in FOLLOWS[before.status], event


@given(STEPS)
def test_what_is_said_of_a_status_fits_it(steps: list[tuple[str, int]]) -> None:
    for _, now, life in walk(steps):
        ended = life.status in {Status.DISMISSED, Status.REALISED, Status.EXPIRED}
        assert (life.resolved_at is not None) == ended
        assert (life.reason is not None) == (life.status in {Status.DISMISSED, Status.EXPIRED})
        assert life.dismissed_until is None or life.status is Status.DISMISSED
        assert life.status is not Status.ACCEPTED or life.accepted_at is not None
        assert (life.seen_since is None) != (life.missed_since is None)
        assert life.opened_at <= now


@given(STEPS)
def test_a_dismissed_one_returns_only_by_its_time_or_a_person(
    steps: list[tuple[str, int]],
) -> None:
    seen = walk(steps)
    for (_, _, before), (event, now, after) in itertools.pairwise(seen):
        if before.status is Status.DISMISSED and after.status is not Status.DISMISSED:
            over = before.dismissed_until is not None and before.dismissed_until <= now
            assert over or event in {"accept", "reopen"}


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 48)), max_size=150))
def test_runs_that_disagree_never_make_it_flap(runs: list[tuple[bool, int]]) -> None:
    now, life = START, lives.born(START)
    changes = [START]
    for is_found, hours in runs:
        now += timedelta(hours=hours)
        after = lives.found(life, now) if is_found else lives.missed(life, now)
        if after.status is not life.status:
            changes.append(now)
        life = after
    apart = [later - earlier for earlier, later in itertools.pairwise(changes)]
    assert all(gap >= lives.FOUND_BEFORE_RETURN for gap in apart)
    # Expiring and coming back are a day and three apart, so a whole turn takes four.
    turns = [one + other for one, other in itertools.pairwise(apart)]
    assert all(turn >= timedelta(days=4) for turn in turns)


@given(STEPS)
def test_every_step_twice_at_once_is_one_step(steps: list[tuple[str, int]]) -> None:
    for event, now, life in walk(steps):
        once = step(life, event, now)
        assert step(once, event, now) == once


@pytest.mark.parametrize(
    ("reason", "until"),
    [("", None), ("   ", None), ("x" * 1001, None), ("a\0b", None), ("why", START)],
)
def test_a_dismissal_needs_a_reason_and_a_time_to_come(reason: str, until: Any) -> None:
    with pytest.raises(InvalidInputError):
        lives.dismiss(lives.born(START), START, reason, until)


def test_what_is_over_cannot_be_accepted() -> None:
    ended = lives.missed(lives.born(START), START, gone=True)
    with pytest.raises(ConflictError, match="expired"):
        lives.accept(ended, START)


def test_what_was_accepted_expires_after_a_month_without_it_and_without_a_saving() -> None:
    accepted = lives.missed(lives.accept(lives.born(START), START), START)
    day = timedelta(days=1)
    assert lives.measured(accepted, START + 29 * day, saved=False) == accepted
    expired = lives.measured(accepted, START + 30 * day, saved=False)
    assert (expired.status, expired.resolved_at) == (Status.EXPIRED, START + 30 * day)
    found = lives.found(accepted, START + 29 * day)
    assert lives.measured(found, START + 40 * day, saved=False).status is Status.ACCEPTED
