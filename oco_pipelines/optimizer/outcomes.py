"""Whether a claim came true: on the bill of the same resources, or by what runs found since; pure.

The bill is asked in whole weeks, so that every weekday weighs the same before and after. Before is
the daily average that the claim rests on, over two whole weeks; it is fixed when the claim is
accepted. After is the newest whole week of the settled bill, once all of it lies behind the
decision. A saving counts as realised from half of what was claimed.

Where nobody did anything, the claim is held to the 30 days after it was opened: still found by
every run, it would have been saved; no longer found, it would not.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final

from oco_pipelines.optimizer.judging import CENT, DAYS_A_MONTH, DAYS_A_WEEK
from oco_warehouse.recommendation_life import COVERED, GONE, Life, Status

HORIZON: Final = timedelta(days=30)
# A bill settles in days, and a whole week of it must lie behind the end.
PATIENCE: Final = timedelta(days=14)
REALISED_SHARE: Final = Decimal("0.5")
_ZERO: Final = Decimal(0)


class Basis(Enum):
    """What an outcome is known by."""

    STILL_TRUE = "still_true"
    NO_LONGER_TRUE = "no_longer_true"
    BILL = "bill"
    NO_EVIDENCE = "no_evidence"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a claim ended; `hit` is None where that cannot be known."""

    basis: Basis
    hit: bool | None


def realised_savings(monthly_cost: Decimal, week_usd: Decimal) -> Decimal:
    """USD a month that a resource costs less than before; negative when it costs more.

    Args:
        monthly_cost: before, USD in 30 days.
        week_usd: what the same resources cost in a whole week after.
    """
    return (monthly_cost - week_usd / DAYS_A_WEEK * DAYS_A_MONTH).quantize(CENT)


def is_realised(realised: Decimal, claimed: Decimal) -> bool:
    """Whether enough of a claim was saved."""
    return realised > 0 and realised >= claimed * REALISED_SHARE


def moved_savings(
    claimed: Decimal, left_before: Decimal, left_after: Decimal, come: Decimal
) -> Decimal:
    """What a model switch saves: the claim × the part of the calls that moved.

    Args:
        claimed: USD a month if all calls moved.
        left_before: calls a day of the model that is to be left, before.
        left_after: its calls a day now.
        come: calls a day that the other model has more than before.
    """
    if left_before <= 0:
        return _ZERO
    moved = max(_ZERO, min(left_before - left_after, come, left_before))
    return (claimed * moved / left_before).quantize(CENT)


def rated_savings(rate_before: Decimal, week_usd: Decimal, week_hours: Decimal) -> Decimal:
    """USD a month that the hours of a whole week cost less than they would have before."""
    saved = rate_before * week_hours - week_usd
    return (saved / DAYS_A_WEEK * DAYS_A_MONTH).quantize(CENT)


def decided_on(life: Life) -> date | None:
    """The day from which a saving may be on the bill; None while nothing says so."""
    if life.status is Status.DISMISSED:
        return None
    if life.status in {Status.ACCEPTED, Status.REALISED} and life.accepted_at is not None:
        return life.accepted_at.date()
    moment = life.missed_since or (life.realised_at if life.status is Status.REALISED else None)
    return None if moment is None else moment.date()


def week_is_after(decided: date, bill_end: date) -> bool:
    """Whether the newest whole week of a bill, which ends before `bill_end`, lies behind a day."""
    return bill_end - timedelta(days=DAYS_A_WEEK) > decided


def verdict(number: int, opened_at: datetime, life: Life, now: datetime) -> Verdict | None:
    """What became of a claim; None while that is open.

    Args:
        number: which life of the recommendation made the claim.
        opened_at: when.
        life: the recommendation as it is now.
        now: aware time of the run.
    """
    if life.number > number:
        # It had expired, and was not seen on the bill, or it would not have been opened again.
        return Verdict(Basis.NO_LONGER_TRUE, hit=False)
    if life.realised_at is not None and life.realised_at >= opened_at:
        return Verdict(Basis.BILL, hit=True)
    if life.status is Status.EXPIRED:
        return _after_expiry(life, now)
    if now - opened_at < HORIZON:
        return None
    if life.status is Status.DISMISSED:
        return Verdict(Basis.NO_EVIDENCE, hit=None)
    return Verdict(Basis.STILL_TRUE, hit=True) if life.missed_since is None else None


def _after_expiry(life: Life, now: datetime) -> Verdict | None:
    if life.reason == COVERED:
        # At once: a later life does not know why this one ended.
        return Verdict(Basis.NO_EVIDENCE, hit=None)
    if now - (life.resolved_at or now) < PATIENCE:
        return None
    if life.reason == GONE:
        return Verdict(Basis.NO_EVIDENCE, hit=None)
    return Verdict(Basis.NO_LONGER_TRUE, hit=False)
