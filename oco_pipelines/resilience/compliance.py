"""The verdict on a DR policy from its evidence. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

# From this share of the target on, the next missed backup would break it.
AT_RISK_SHARE: Final = 0.8


class Verdict(StrEnum):
    """Whether a policy's targets are met."""

    MET = "PolicyMet"
    AT_RISK = "AtRisk"
    BREACHED = "PolicyBreached"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        cluster_read: whether the cluster's objects could be read just now.
        newest_usable_started_at: start of the newest usable recovery point.
        measured_rto: time of the last successful drill or restore.
        last_attempt_problem: why the newest backup is unusable; empty when it is usable or runs.
        policy_created_at: a policy younger than its RPO has not had its chance yet.
        newest_sound_started_at: start of the newest one that would be usable if its location were
            available.
        sound_location: where that one lies.
        sound_location_down_for: how long that has been unavailable; None while it is available.
        running: whether a backup is on its way.
        longest_gap: between two due times; an age up to it is what the schedule means.
        cluster_problem: why the cluster could not be read.
        due_problem: why the newest due time has no backup; empty when it has.
        drill_problem: why the last restore drill failed; empty when it passed or there was none.
    """

    cluster_read: bool
    newest_usable_started_at: datetime | None
    measured_rto: timedelta | None
    last_attempt_problem: str
    policy_created_at: datetime
    newest_sound_started_at: datetime | None = None
    sound_location: str = ""
    sound_location_down_for: timedelta | None = None
    running: bool = False
    longest_gap: timedelta | None = None
    cluster_problem: str = ""
    due_problem: str = ""
    drill_problem: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reasons and the age of the recovery point that it rests on.

    Attributes:
        quiet: whether all that is wrong is that a new policy waits for its first backup, or a
            failed drill, of which people are told by itself.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    recovery_point_age: timedelta | None
    quiet: bool = False


def judge(
    evidence: Evidence, rpo_target: timedelta, rto_target: timedelta, now: datetime
) -> Judgement:
    """The verdict: unknown before breached before at risk before met.

    A cluster that cannot be read makes it Unknown whatever the age: it may hide a newer recovery
    point, or have lost the one that we know. It is never Met without a usable recovery point.
    """
    newest = evidence.newest_usable_started_at
    age = None if newest is None else max(now - newest, timedelta(0))
    if not evidence.cluster_read:
        why = f": {evidence.cluster_problem}" if evidence.cluster_problem else ""
        return Judgement(Verdict.UNKNOWN, (f"the cluster could not be read{why}",), age)
    breaches, risks = _unreachable(evidence, rpo_target, rto_target, now)
    waiting = False
    if age is None and not (breaches or risks):
        waiting = now - evidence.policy_created_at <= rpo_target
        (risks if waiting else breaches).append("there is no usable recovery point")
    elif age is not None and age > rpo_target:
        breaches.append(f"newest recovery point is {_span(age)} old, target {_span(rpo_target)}")
    elif age is not None and age > _risky_age(evidence, rpo_target) and not evidence.running:
        risks.append(f"newest recovery point is {_span(age)} old, target {_span(rpo_target)}")
    rto = evidence.measured_rto
    if rto is not None and rto > rto_target:
        breaches.append(f"last restore took {_span(rto)}, target {_span(rto_target)}")
    risks += _failures(evidence)
    if breaches:
        return Judgement(Verdict.BREACHED, (*breaches, *risks), age)
    if risks:
        quiet = len(risks) == int(waiting) + bool(evidence.drill_problem)
        return Judgement(Verdict.AT_RISK, tuple(risks), age, quiet)
    unmeasured = () if rto is not None else ("no restore has been measured yet",)
    return Judgement(Verdict.MET, unmeasured, age)


def _failures(evidence: Evidence) -> list[str]:
    said = (
        ("newest backup is unusable", evidence.last_attempt_problem),
        ("the backup that is due could not be created", evidence.due_problem),
        ("the last restore drill failed", evidence.drill_problem),
    )
    return [f"{what}: {problem}" for what, problem in said if problem]


def _unreachable(
    evidence: Evidence, rpo_target: timedelta, rto_target: timedelta, now: datetime
) -> tuple[list[str], list[str]]:
    """(breaches, risks) of a newest recovery point whose storage location is not available.

    Its outage is a risk while a restore could still end in time, and a breach after that.
    """
    sound, usable = evidence.newest_sound_started_at, evidence.newest_usable_started_at
    down = evidence.sound_location_down_for
    if sound is None or down is None or (usable is not None and usable >= sound):
        return [], []
    age = max(now - sound, timedelta(0))
    line = (
        f"storage location {evidence.sound_location!r} has been unavailable for {_span(down)}: the "
        f"recovery point in it, {_span(age)} old, cannot be restored"
    )
    if usable is not None:
        return [], [line]
    if age > rpo_target:
        old = f"newest recovery point is {_span(age)} old, target {_span(rpo_target)}"
        return [old, line], []
    return ([line], []) if down > rto_target else ([], [line])


def _risky_age(evidence: Evidence, rpo_target: timedelta) -> timedelta:
    # Within the gap that its own schedule leaves, no recovery point is late.
    return max(rpo_target * AT_RISK_SHARE, evidence.longest_gap or timedelta(0))


def _span(length: timedelta) -> str:
    return str(timedelta(seconds=round(length.total_seconds())))
