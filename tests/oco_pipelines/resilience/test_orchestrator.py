"""Taking what is due while the cluster, the clocks and other orchestrators misbehave."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, KubernetesGateway
from oco_pipelines.resilience.orchestrator import Outcome, take_until
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.standin import StandinCluster, standin_cluster
from oco_pipelines.resilience.standin.api import Fault
from oco_pipelines.resilience.store import read_policies
from oco_pipelines.resilience.tracker import track
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.resilience.conftest import QUICK

DAY = timedelta(days=1)


@pytest.fixture
def due(make_policy: Callable[..., DrPolicy]) -> DrPolicy:
    """A policy with one due time behind it and none ahead for hours."""
    hour = (datetime.now(UTC).hour - 3) % 24
    return make_policy(schedule_cron=f"0 {hour} * * *", created_at=datetime.now(UTC) - DAY)


def look(
    warehouse: Warehouse, gateway: KubernetesGateway, skew: timedelta = timedelta(0)
) -> list[Outcome]:
    outcomes, wrong = take_until(
        warehouse,
        gateway,
        gateway.clusters(),
        timedelta(0),
        lambda: datetime.now(UTC) + skew,
    )
    assert not wrong
    return outcomes


def backups(gateway: KubernetesGateway, cluster: str = "standin") -> int:
    return len(gateway.list_velero(cluster, BACKUPS))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, retry_after=1, method="POST"),
        Fault(429, retry_after=0, method="GET", path="namespaces"),
        Fault(500, method="POST"),
        Fault(500, method="POST", after=True),
        Fault(504, method="POST", after=True),
    ],
)
def test_a_fault_that_passes_costs_no_backup_and_makes_no_second(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    due: DrPolicy,
    fault: Fault,
) -> None:
    cluster.api.faults.append(fault)
    [outcome] = look(warehouse, gateway)
    assert (outcome.problem, outcome.adopted) == ("", fault.after)
    assert backups(gateway) == 1 and look(warehouse, gateway) == []


def test_a_cluster_that_asks_for_a_long_pause_gets_it(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: StandinCluster, due: DrPolicy
) -> None:
    cluster.api.faults.append(Fault(429, retry_after=600, method="POST"))
    [outcome] = look(warehouse, gateway)
    assert outcome.retry_after == 600 and look(warehouse, gateway) == []
    [row] = warehouse.query("SELECT state, next_try_at - now() AS pause FROM oco.dr_due_times")
    assert row["state"] == "failed" and row["pause"] > timedelta(minutes=9)
    warehouse.execute("UPDATE oco.dr_due_times SET next_try_at = now()")
    assert look(warehouse, gateway)[0].problem == "" and backups(gateway) == 1


def test_a_list_that_expires_is_read_anew(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: StandinCluster, due: DrPolicy
) -> None:
    look(warehouse, gateway)
    cluster.api.faults.append(Fault(410, method="GET", path="/backups"))
    assert track(warehouse, gateway, "standin", [due]).seen == 1


@pytest.mark.parametrize("skew", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_clocks_that_differ_by_five_minutes_make_one_backup(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    make_policy: Callable[..., DrPolicy],
    skew: timedelta,
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=2)
    make_policy(
        schedule_cron=f"{soon.minute} {soon.hour} * * *", created_at=datetime.now(UTC) - DAY
    )
    warehouse.execute("UPDATE oco.dr_policies SET last_due_at = %s", [soon - DAY])
    first = look(warehouse, gateway, skew)
    assert len(first) == (skew > timedelta(0))
    later = timedelta(minutes=3)
    rest = look(warehouse, gateway, later) + look(warehouse, gateway, later + skew)
    rest += look(warehouse, gateway, later + timedelta(minutes=5))
    assert len(first) + len(rest) == backups(gateway) == 1


def test_two_orchestrators_and_doubled_ticks_make_one_backup_each(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    for number in range(12):
        make_policy(f"p{number}", schedule_cron="0 0 * * *", created_at=datetime.now(UTC) - 2 * DAY)
    start = threading.Barrier(4)

    def run(_: int) -> list[Outcome]:
        start.wait()
        return look(warehouse, gateway)

    with ThreadPoolExecutor(4) as pool:
        outcomes = [outcome for found in pool.map(run, range(4)) for outcome in found]
    assert len(outcomes) == backups(gateway) == 12
    assert not [outcome.problem for outcome in outcomes if outcome.problem]
    rows = warehouse.query("SELECT tries FROM oco.dr_due_times")
    assert [row["tries"] for row in rows] == [1] * 12


def test_a_crash_between_claim_and_record_is_taken_up_and_adopts(
    warehouse: Warehouse, gateway: KubernetesGateway, due: DrPolicy
) -> None:
    look(warehouse, gateway)
    warehouse.execute(
        "UPDATE oco.dr_due_times SET state = 'claimed', claimed_until = now() + interval '1 minute'"
    )
    warehouse.execute("UPDATE oco.dr_policies SET last_due_at = NULL")
    warehouse.execute("UPDATE oco.backup_records SET backup_uid = NULL")
    assert look(warehouse, gateway) == []
    warehouse.execute("UPDATE oco.dr_due_times SET claimed_until = now() - interval '1 second'")
    [outcome] = look(warehouse, gateway)
    assert outcome.adopted and backups(gateway) == 1
    rows = warehouse.query("SELECT adopted, backup_uid IS NOT NULL AS made FROM oco.backup_records")
    assert rows == [{"adopted": True, "made": True}]


def test_a_renamed_policy_keeps_the_name_of_a_backup_that_is_under_way(
    warehouse: Warehouse, gateway: KubernetesGateway, due: DrPolicy
) -> None:
    [first] = look(warehouse, gateway)
    warehouse.execute("UPDATE oco.dr_policies SET name = 'renamed', last_due_at = NULL")
    warehouse.execute("UPDATE oco.dr_due_times SET state = 'claimed', claimed_until = now()")
    [again] = look(warehouse, gateway)
    assert (again.name, again.adopted) == (first.name, True)
    assert backups(gateway) == 1


def test_a_later_due_time_takes_the_place_of_one_that_is_still_open(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: StandinCluster, due: DrPolicy
) -> None:
    cluster.api.faults.append(Fault(403, method="POST"))
    assert look(warehouse, gateway)[0].problem
    [outcome] = look(warehouse, gateway, DAY)
    assert not outcome.problem and backups(gateway) == 1
    rows = warehouse.query("SELECT state FROM oco.dr_due_times ORDER BY due_at")
    assert [row["state"] for row in rows] == ["superseded", "created"]


def test_a_dead_cluster_keeps_no_other_from_its_backups(
    warehouse: Warehouse,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
    tmp_path: Path,
) -> None:
    with standin_cluster(tmp_path / "other", "other", namespaces=["shop"]) as other:
        whole = yaml.safe_load(cluster.kubeconfig.read_text())
        more = yaml.safe_load(other.kubeconfig.read_text())
        # Each stand-in calls its one user the same.
        more["users"][0]["name"] = more["contexts"][0]["context"]["user"] = "other"
        for part in ("clusters", "users", "contexts"):
            whole[part] += more[part]
        (tmp_path / "both").write_text(yaml.safe_dump(whole))
        gateway = KubernetesGateway(tmp_path / "both", patience=QUICK)
        for name in ("standin", "other"):
            made = datetime.now(UTC) - 2 * DAY
            make_policy(name, cluster=name, schedule_cron="0 0 * * *", created_at=made)
        other.api.faults.extend([Fault(503)] * 50)
        outcomes = {one.wanted.policy.cluster: one for one in look(warehouse, gateway)}
        assert "503" in outcomes["other"].problem and not outcomes["standin"].problem
        other.api.faults.clear()
        warehouse.execute("UPDATE oco.dr_due_times SET next_try_at = now()")
        [last] = look(warehouse, gateway)
        assert not last.problem and backups(gateway, "other") == backups(gateway) == 1


def test_a_due_time_just_ahead_is_waited_for_and_taken_on_time(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    at = (datetime.now(UTC) + DAY).replace(second=0, microsecond=0)
    make_policy(schedule_cron=f"{at.minute} {at.hour} * * *", created_at=at - timedelta(minutes=1))
    clock = [at - timedelta(seconds=4)]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += timedelta(seconds=seconds)

    ahead = timedelta(seconds=8)
    clusters = gateway.clusters()
    [outcome], _ = take_until(warehouse, gateway, clusters, ahead, lambda: clock[0], sleep)
    assert slept == [4.0] and outcome.wanted.due.at == at and not outcome.problem
    assert outcome.wanted.due.lateness == timedelta(0)
    assert take_until(warehouse, gateway, clusters, ahead, lambda: clock[0], sleep)[0] == []


def test_a_selector_is_looked_up_for_each_backup_and_must_find_something(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    due: DrPolicy,
) -> None:
    warehouse.execute(
        "UPDATE oco.dr_policies SET namespaces = '{}', "
        """namespace_selector = '{"matchLabels": {"tier": "gold"}}'"""
    )
    [outcome] = look(warehouse, gateway)
    assert "finds no namespace" in outcome.problem and backups(gateway) == 0
    gateway.create_namespace("standin", "cart", {"tier": "gold"})
    warehouse.execute("UPDATE oco.dr_due_times SET next_try_at = now()")
    [outcome] = look(warehouse, gateway)
    [body] = gateway.list_velero("standin", BACKUPS)
    assert body["spec"]["includedNamespaces"] == ["cart"]
    assert read_policies(warehouse)[0].last_due_at == outcome.wanted.due.at
