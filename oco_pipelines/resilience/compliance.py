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
        cluster_read: whether the cluster's backups could be read just now.
        newest_usable_started_at: start of the newest usable recovery point.
        measured_rto: time of the last successful drill or restore.
        last_attempt_problem: why the newest backup is unusable; empty when it is usable or runs.
        policy_created_at: a policy younger than its RPO has not had its chance yet.
    """

    cluster_read: bool
    newest_usable_started_at: datetime | None
    measured_rto: timedelta | None
    last_attempt_problem: str
    policy_created_at: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reasons and the age of the recovery point that it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...]
    recovery_point_age: timedelta | None


def judge(
    evidence: Evidence, rpo_target: timedelta, rto_target: timedelta, now: datetime
) -> Judgement:
    """The verdict: unknown before breached before at risk before met.

    A cluster that cannot be read makes it Unknown whatever the age: it may hide a newer recovery
    point, or have lost the one that we know.
    """
    newest = evidence.newest_usable_started_at
    age = None if newest is None else max(now - newest, timedelta(0))
    if not evidence.cluster_read:
        return Judgement(Verdict.UNKNOWN, ("the cluster could not be read",), age)
    breaches: list[str] = []
    risks: list[str] = []
    if age is None:
        waiting = now - evidence.policy_created_at <= rpo_target
        (risks if waiting else breaches).append("there is no usable recovery point")
    elif age > rpo_target:
        breaches.append(f"newest recovery point is {_span(age)} old, target {_span(rpo_target)}")
    elif age > rpo_target * AT_RISK_SHARE:
        risks.append(f"newest recovery point is {_span(age)} old, target {_span(rpo_target)}")
    rto = evidence.measured_rto
    if rto is not None and rto > rto_target:
        breaches.append(f"last restore took {_span(rto)}, target {_span(rto_target)}")
    if evidence.last_attempt_problem:
        risks.append(f"newest backup is unusable: {evidence.last_attempt_problem}")
    if breaches:
        return Judgement(Verdict.BREACHED, (*breaches, *risks), age)
    if risks:
        return Judgement(Verdict.AT_RISK, tuple(risks), age)
    unmeasured = () if rto is not None else ("no restore has been measured yet",)
    return Judgement(Verdict.MET, unmeasured, age)


def _span(length: timedelta) -> str:
    return str(timedelta(seconds=round(length.total_seconds())))
