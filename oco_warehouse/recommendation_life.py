"""The life of a recommendation, as a pure state machine.

    open → accepted | dismissed → realised | regressed | expired

What happens to it: a run finds it or does not, a person accepts or dismisses it, the bill shows its
saving or shows it gone again. Runs are noisy, so nothing follows from one of them: a recommendation
that runs do not find expires after three days of that, and one that ended comes back after a day in
which every run found it. Between expiring and opening again lie four days at least.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from oco_warehouse.errors import ConflictError, InvalidInputError

MISSED_BEFORE_EXPIRY: Final = timedelta(days=3)
FOUND_BEFORE_RETURN: Final = timedelta(days=1)
# What a person accepted waits so long for the bill to show it.
MISSED_BEFORE_GIVEN_UP: Final = timedelta(days=30)
MISSED: Final = "not found any more"
GONE: Final = "the resource is gone"
COVERED: Final = "other recommendations have all of its saving"
MOST_REASON: Final = 1000


class Status(Enum):
    """What a recommendation is."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"
    REALISED = "realised"
    REGRESSED = "regressed"
    EXPIRED = "expired"


# What stands to be saved still.
STANDING: Final = frozenset({Status.OPEN, Status.REGRESSED})


@dataclass(frozen=True, slots=True)
class Life:
    """What the state machine knows of a recommendation.

    Attributes:
        number: how often it has been opened.
        opened_at: when it last was.
        seen_since: since when every run finds it; None when the last run did not.
        missed_since: since when no run finds it; None when the last run did.
        dismissed_until: None for good.
        resolved_at: when it ended; None while it is open, accepted or regressed.
    """

    status: Status
    number: int
    opened_at: datetime
    seen_since: datetime | None
    missed_since: datetime | None = None
    reason: str | None = None
    dismissed_until: datetime | None = None
    accepted_at: datetime | None = None
    realised_at: datetime | None = None
    resolved_at: datetime | None = None


def born(now: datetime) -> Life:
    """A recommendation that a run finds for the first time."""
    return Life(Status.OPEN, 1, now, seen_since=now)


def found(life: Life, now: datetime) -> Life:
    """A run found it."""
    life = replace(life, seen_since=life.seen_since or now, missed_since=None)
    if life.status is Status.DISMISSED and _is_over(life, now):
        return _opened(life, now)
    lasting = life.seen_since is not None and now - life.seen_since >= FOUND_BEFORE_RETURN
    if life.status is Status.EXPIRED and lasting:
        return _opened(life, now)
    if life.status is Status.REALISED and lasting and _since_realised(life):
        return _regressed(life)
    return life


def missed(life: Life, now: datetime, *, gone: bool = False, covered: bool = False) -> Life:
    """A run did not find it, or nothing of it was left to say.

    Args:
        life: as it was.
        now: when the run was.
        gone: whether the resource itself is gone, so that no later run can find it.
        covered: whether it is still true, and others save the same money.
    """
    if covered and life.status is Status.ACCEPTED:
        return life
    life = replace(life, seen_since=None, missed_since=life.missed_since or now)
    over = life.status is Status.DISMISSED and _is_over(life, now)
    if life.status not in STANDING and not over:
        return life
    since = life.missed_since or now
    if gone or over or now - since >= MISSED_BEFORE_EXPIRY:
        reason = GONE if gone else COVERED if covered else MISSED
        return replace(
            life, status=Status.EXPIRED, reason=reason, dismissed_until=None, resolved_at=now
        )
    return life


def measured(life: Life, now: datetime, *, saved: bool) -> Life:
    """The bill was asked whether the saving is there.

    A saving that nobody announced counts, too, when runs do not find the recommendation any more.
    """
    done = life.status is Status.ACCEPTED or (
        life.status in STANDING and life.missed_since is not None
    )
    if saved and done:
        return replace(life, status=Status.REALISED, realised_at=now, resolved_at=now, reason=None)
    if saved and life.status is Status.EXPIRED and life.realised_at is None:
        return replace(life, status=Status.REALISED, realised_at=now, reason=None)
    if not saved and life.status is Status.REALISED:
        return _regressed(life)
    if not saved and life.status is Status.ACCEPTED and _is_given_up(life, now):
        return replace(life, status=Status.EXPIRED, reason=MISSED, resolved_at=now)
    return life


def accept(life: Life, now: datetime) -> Life:
    """A person will follow it.

    Raises:
        ConflictError: when it is over.
    """
    if life.status is Status.ACCEPTED:
        return life
    if life.status not in {*STANDING, Status.DISMISSED}:
        raise ConflictError(f"it is {life.status.value}: only what is open can be accepted")
    return replace(
        life,
        status=Status.ACCEPTED,
        accepted_at=now,
        reason=None,
        dismissed_until=None,
        resolved_at=None,
    )


def dismiss(life: Life, now: datetime, reason: str, until: datetime | None) -> Life:
    """A person will not follow it.

    Raises:
        InvalidInputError: without a reason, or until a time that is past.
        ConflictError: when it is over.
    """
    check_reason(reason)
    if until is not None and until <= now:
        raise InvalidInputError("until must be in the future")
    if life.status not in {*STANDING, Status.ACCEPTED, Status.DISMISSED}:
        raise ConflictError(f"it is {life.status.value}: only what is open can be dismissed")
    return replace(
        life,
        status=Status.DISMISSED,
        reason=reason,
        dismissed_until=until,
        accepted_at=None,
        resolved_at=now,
    )


def check_reason(reason: str) -> None:
    """Whether a text can be the reason of a dismissal.

    Raises:
        InvalidInputError: when not.
    """
    if not reason.strip() or len(reason) > MOST_REASON or "\0" in reason:
        raise InvalidInputError(f"reason must have 1 to {MOST_REASON} characters without NUL")


def reopen(life: Life) -> Life:
    """A person takes a decision back.

    Raises:
        ConflictError: when nobody had decided.
    """
    if life.status is Status.OPEN:
        return life
    if life.status not in {Status.ACCEPTED, Status.DISMISSED}:
        raise ConflictError(f"it is {life.status.value}: only a decision can be taken back")
    return replace(
        life,
        status=Status.OPEN,
        reason=None,
        dismissed_until=None,
        accepted_at=None,
        resolved_at=None,
    )


def _is_over(life: Life, now: datetime) -> bool:
    return life.dismissed_until is not None and life.dismissed_until <= now


def _is_given_up(life: Life, now: datetime) -> bool:
    """Whether nothing is there to be saved any more."""
    return life.missed_since is not None and now - life.missed_since >= MISSED_BEFORE_GIVEN_UP


def _since_realised(life: Life) -> bool:
    """Whether runs find it again, and not still: metrics look two weeks back."""
    return life.realised_at is None or life.seen_since is None or life.seen_since > life.realised_at


def _regressed(life: Life) -> Life:
    return replace(life, status=Status.REGRESSED, resolved_at=None, reason=None)


def _opened(life: Life, now: datetime) -> Life:
    return Life(
        Status.OPEN,
        life.number + 1,
        now,
        seen_since=life.seen_since,
    )
