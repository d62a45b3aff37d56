"""Verdicts from evidence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.resilience.compliance import Evidence, Verdict, judge

NOW = datetime(2026, 5, 1, tzinfo=UTC)
RPO, RTO = timedelta(hours=10), timedelta(minutes=10)
FRESH = Evidence(
    cluster_read=True,
    newest_usable_started_at=NOW - timedelta(hours=1),
    measured_rto=timedelta(minutes=1),
    last_attempt_problem="",
    policy_created_at=NOW - timedelta(days=30),
)
AGES = st.timedeltas(timedelta(0), timedelta(days=3))
RANK = [Verdict.MET, Verdict.AT_RISK, Verdict.BREACHED]


def verdict(evidence: Evidence) -> Verdict:
    return judge(evidence, RPO, RTO, NOW).verdict


@given(AGES, AGES)
def test_verdict_never_gets_better_with_age(one: timedelta, other: timedelta) -> None:
    young, old = sorted((one, other))
    ranks = [
        RANK.index(verdict(replace(FRESH, newest_usable_started_at=NOW - age)))
        for age in (young, old)
    ]
    assert ranks == sorted(ranks)


@given(AGES)
def test_target_is_broken_exactly_when_the_age_exceeds_it(age: timedelta) -> None:
    found = verdict(replace(FRESH, newest_usable_started_at=NOW - age))
    assert (found == Verdict.BREACHED) == (age > RPO)


@given(AGES, st.booleans())
def test_cluster_that_cannot_be_read_is_always_unknown(age: timedelta, none: bool) -> None:
    newest = None if none else NOW - age
    evidence = replace(FRESH, cluster_read=False, newest_usable_started_at=newest)
    assert verdict(evidence) == Verdict.UNKNOWN


def test_no_recovery_point_breaks_an_old_policy_and_only_endangers_a_new_one() -> None:
    bare = replace(FRESH, newest_usable_started_at=None)
    assert verdict(bare) == Verdict.BREACHED
    assert verdict(replace(bare, policy_created_at=NOW - RPO)) == Verdict.AT_RISK


def test_slow_restore_breaks_the_target() -> None:
    judgement = judge(replace(FRESH, measured_rto=RTO * 2), RPO, RTO, NOW)
    assert judgement.verdict == Verdict.BREACHED
    assert "0:20:00" in judgement.reasons[0]


def test_failed_newest_backup_puts_a_met_policy_at_risk() -> None:
    judgement = judge(replace(FRESH, last_attempt_problem="phase is Failed"), RPO, RTO, NOW)
    assert judgement.verdict == Verdict.AT_RISK
    assert "phase is Failed" in judgement.reasons[0]


def test_unmeasured_restore_is_said_but_breaks_nothing() -> None:
    judgement = judge(replace(FRESH, measured_rto=None), RPO, RTO, NOW)
    assert judgement.verdict == Verdict.MET
    assert judgement.reasons == ("no restore has been measured yet",)
