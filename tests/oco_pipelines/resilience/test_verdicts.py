"""Verdicts, what people are told of them, and how namespaces and readiness follow."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oco_pipelines.resilience import velero_store
from oco_pipelines.resilience.compliance import Evidence, Verdict, judge
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.namespaces import judge_namespaces
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.readiness import Facts, parts, score
from oco_pipelines.resilience.standin import StandinCluster, standin_cluster
from oco_pipelines.resilience.tracker import take_backup, track
from oco_pipelines.resilience.verdicts import judge_policy
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.resilience.conftest import QUICK
from tests.oco_pipelines.resilience.quiet import BY_KIND, good, say

NOW = datetime.now(UTC)
RPO, RTO = timedelta(hours=10), timedelta(minutes=10)
AGES = st.none() | st.timedeltas(timedelta(0), timedelta(days=3))
MOMENTS = AGES.map(lambda age: None if age is None else NOW - age)
EVIDENCE = st.builds(
    Evidence,
    cluster_read=st.booleans(),
    newest_usable_started_at=MOMENTS,
    measured_rto=AGES,
    last_attempt_problem=st.sampled_from(["", "phase is Failed"]),
    policy_created_at=st.timedeltas(timedelta(0), timedelta(days=9)).map(lambda age: NOW - age),
    newest_sound_started_at=MOMENTS,
    sound_location=st.just("default"),
    sound_location_down_for=AGES,
    running=st.booleans(),
    longest_gap=AGES,
    due_problem=st.sampled_from(["", "403"]),
)
GOOD = Evidence(
    cluster_read=True,
    newest_usable_started_at=NOW - timedelta(hours=1),
    measured_rto=timedelta(minutes=1),
    last_attempt_problem="",
    policy_created_at=NOW - timedelta(days=9),
)
DOWN = replace(
    GOOD,
    newest_usable_started_at=None,
    newest_sound_started_at=NOW - timedelta(hours=1),
    sound_location="default",
)


# Its location is back, and the recovery point in it was not looked at again yet.
@example(replace(DOWN, sound_location_down_for=None))
@given(EVIDENCE)
def test_a_policy_is_never_met_without_a_usable_recovery_point(evidence: Evidence) -> None:
    judgement = judge(evidence, RPO, RTO, NOW)
    newest = evidence.newest_usable_started_at
    if judgement.verdict == Verdict.MET:
        assert newest is not None and NOW - newest <= RPO and evidence.cluster_read
    else:
        assert judgement.reasons


@pytest.mark.parametrize(
    ("down", "age", "verdict"),
    [
        (timedelta(minutes=5), timedelta(hours=1), Verdict.AT_RISK),
        (timedelta(minutes=11), timedelta(hours=1), Verdict.BREACHED),
        (timedelta(minutes=5), timedelta(hours=11), Verdict.BREACHED),
    ],
)
def test_a_location_that_is_down_is_a_risk_until_no_restore_could_end_in_time(
    down: timedelta, age: timedelta, verdict: Verdict
) -> None:
    evidence = replace(DOWN, newest_sound_started_at=NOW - age, sound_location_down_for=down)
    judgement = judge(evidence, RPO, RTO, NOW)
    assert judgement.verdict == verdict
    assert any("'default' has been unavailable for" in reason for reason in judgement.reasons)


def test_an_age_within_the_schedules_own_gap_is_no_risk() -> None:
    old = replace(GOOD, newest_usable_started_at=NOW - timedelta(hours=9))
    assert judge(old, RPO, RTO, NOW).verdict == Verdict.AT_RISK
    within = replace(old, longest_gap=timedelta(hours=9, minutes=30))
    assert judge(within, RPO, RTO, NOW).verdict == Verdict.MET
    assert judge(replace(old, running=True), RPO, RTO, NOW).verdict == Verdict.MET


FACTS = Facts(
    age=timedelta(hours=1),
    rpo_target=RPO,
    measured_rto=timedelta(minutes=1),
    rto_target=RTO,
    proof_age=timedelta(days=1),
    usable=3,
    keep_at_least=2,
    location_available=True,
    ended=10,
    completed=10,
)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (FACTS, "100.0"),
        (replace(FACTS, age=None, usable=0), "45.0"),
        (replace(FACTS, age=RPO), "80.0"),
        (replace(FACTS, measured_rto=None, proof_age=None), "75.0"),
        (replace(FACTS, proof_age=timedelta(days=31)), "87.5"),
        (replace(FACTS, usable=1), "92.5"),
        (replace(FACTS, location_available=False), "90.0"),
        (replace(FACTS, completed=5), "95.0"),
        (replace(FACTS, ended=0, completed=0), "90.0"),
    ],
)
def test_readiness_is_what_its_formula_says(facts: Facts, expected: str) -> None:
    assert score(facts) == Decimal(expected)
    assert all(0 <= part <= 1 for part in parts(facts).values())


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StandinCluster]:
    with standin_cluster(
        tmp_path / "kubeconfig", namespaces=["shop", "cart"], step_seconds=3600
    ) as running:
        yield running


@pytest.fixture
def gateway(cluster: StandinCluster) -> KubernetesGateway:
    return KubernetesGateway(cluster.kubeconfig, patience=QUICK)


def told(warehouse: Warehouse) -> list[tuple[str, bool]]:
    rows = warehouse.query(
        "SELECT kind, resolved_at IS NOT NULL AS over FROM oco.alerts ORDER BY created_at"
    )
    return [(row["kind"], row["over"]) for row in rows]


def test_each_turn_for_the_worse_and_the_recovery_are_told_once(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    warehouse.execute(
        "INSERT INTO oco.notification_channels (name, kind, target, scopes) "
        "VALUES ('ops', 'webhook', 'https://example.com', '{dr_policy}')"
    )
    policy = make_policy(created_at=NOW - timedelta(days=9), rpo_target=timedelta(hours=3))

    def look(now: datetime | None = None) -> Verdict:
        track(warehouse, gateway, "standin", [policy])
        return judge_policy(warehouse, gateway, policy, now).verdict

    taken = take_backup(warehouse, gateway, policy, NOW)
    say(cluster, "Backup", taken.name, **good())
    assert (look(), look(), told(warehouse)) == (Verdict.MET, Verdict.MET, [])
    cluster.velero.set_location("default", "Unavailable")
    assert (look(), look()) == (Verdict.AT_RISK, Verdict.AT_RISK)
    assert told(warehouse) == [("dr_at_risk", False)]
    # A cluster that is out of reach in between neither ends nor repeats it.
    velero_store.cluster_failed(warehouse, "standin", "no answer")
    assert judge_policy(warehouse, gateway, policy).verdict == Verdict.UNKNOWN
    assert look() == Verdict.AT_RISK
    warehouse.execute("UPDATE oco.velero_objects SET phase_since = now() - interval '1 hour'")
    assert (look(), look()) == (Verdict.BREACHED, Verdict.BREACHED)
    assert told(warehouse) == [("dr_at_risk", True), ("dr_policy_breached", False)]
    cluster.velero.set_location("default", "Available")
    assert (look(), look()) == (Verdict.MET, Verdict.MET)
    assert told(warehouse) == [
        ("dr_at_risk", True),
        ("dr_policy_breached", True),
        ("dr_recovered", True),
    ]
    [queued] = warehouse.query("SELECT count(*) AS n FROM oco.alert_deliveries")
    assert queued["n"] == 3
    [alert] = warehouse.query("SELECT title FROM oco.alerts WHERE kind = 'dr_policy_breached'")
    assert alert["title"].startswith("DR policy shop is breached: storage location 'default'")


def test_a_new_policy_that_waits_for_its_first_backup_alarms_nobody(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    policy = make_policy()
    track(warehouse, gateway, "standin", [policy])
    assert judge_policy(warehouse, gateway, policy).verdict == Verdict.AT_RISK
    assert told(warehouse) == []


def test_a_cluster_that_was_not_read_lately_is_unknown_and_says_when_it_was(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    policy = make_policy()
    track(warehouse, gateway, "standin", [policy])
    later = datetime.now(UTC) + timedelta(hours=1)
    judgement = judge_policy(warehouse, gateway, policy, later)
    assert judgement.verdict == Verdict.UNKNOWN and "last read at" in judgement.reasons[0]


def test_namespaces_with_volumes_that_no_policy_covers_are_named(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy(namespaces=["shop", "gone"], created_at=NOW - timedelta(days=9))
    claim: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
    }
    cluster.objects.create(BY_KIND["PersistentVolumeClaim"], "cart", claim)
    taken = take_backup(warehouse, gateway, replace(policy, namespaces=("shop",)), NOW)
    say(cluster, "Backup", taken.name, **good())
    # Another policy's rule for the whole backup: it was taken for shop alone.
    track(warehouse, gateway, "standin", [replace(policy, namespaces=("shop",))])
    found = {
        one.namespace: one
        for one in judge_namespaces(warehouse, gateway, "standin", [policy], datetime.now(UTC))
    }
    assert {name: one.verdict for name, one in found.items()} == {
        "cart": "NotCovered",
        "gone": "PolicyBreached",
        "shop": "PolicyMet",
    }
    assert found["cart"].reasons == ("it has 1 volume claim and no enabled policy covers it",)
    assert found["shop"].age is not None and found["gone"].age is None
