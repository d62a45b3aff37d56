"""Taking and following backups."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from oco_pipelines.resilience import store
from oco_pipelines.resilience.compliance import Verdict
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS as PLURAL
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.naming import backup_name
from oco_pipelines.resilience.phases import Phase
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.standin import StandinCluster
from oco_pipelines.resilience.standin.api import Fault
from oco_pipelines.resilience.standin.velero import BACKUPS, NAMESPACE
from oco_pipelines.resilience.tracker import follow, moved_bytes, take_backup, track
from oco_pipelines.resilience.verdicts import judge_policy
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError
from tests.oco_pipelines.resilience.quiet import put

DUE = datetime(2026, 5, 1, 12, tzinfo=UTC)


def records(warehouse: Warehouse) -> list[dict[str, object]]:
    return warehouse.query("SELECT * FROM oco.backup_records ORDER BY first_seen_at")


def followed(warehouse: Warehouse, gateway: KubernetesGateway) -> None:
    policies = store.read_policies(warehouse)
    follow(warehouse, gateway, "standin", policies, wait_seconds=10, pause_seconds=0.02)


def test_repeat_for_a_due_time_adopts_the_backup_that_is_there(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    policy = make_policy()
    first = take_backup(warehouse, gateway, policy, DUE)
    second = take_backup(warehouse, gateway, policy, DUE)
    assert (first.adopted, second.adopted) == (False, True)
    assert first.record_id == second.record_id
    assert len(gateway.list_velero("standin", PLURAL)) == len(records(warehouse)) == 1
    assert store.read_policy(warehouse, policy.id).last_due_at == DUE


def test_lost_answer_to_a_create_makes_no_second_backup(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    cluster.api.faults.append(Fault(504, method="POST", after=True))
    taken = take_backup(warehouse, gateway, make_policy(), DUE)
    assert taken.adopted
    assert len(gateway.list_velero("standin", PLURAL)) == len(records(warehouse)) == 1


def test_name_that_belongs_to_somebody_else_is_not_adopted(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    policy = make_policy()
    foreign = {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": backup_name("shop", DUE)},
        "spec": {},
    }
    gateway.create_velero("standin", PLURAL, foreign)
    with pytest.raises(ConflictError, match="did not make"):
        take_backup(warehouse, gateway, policy, DUE)
    assert store.read_policy(warehouse, policy.id).last_due_at is None


def test_backup_refused_for_its_location_gets_a_new_attempt_when_it_is_back(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy()
    cluster.velero.set_location("default", "Unavailable")
    take_backup(warehouse, gateway, policy, DUE)
    followed(warehouse, gateway)
    [failed] = records(warehouse)
    assert failed["phase"] == Phase.FAILED_VALIDATION and not failed["usable"]
    assert "Unavailable" in str(failed["validation_errors"])

    cluster.velero.set_location("default", "Available")
    again = take_backup(warehouse, gateway, policy, DUE)
    followed(warehouse, gateway)
    assert again.name == backup_name("shop", DUE, 2)
    assert [(row["attempt"], row["usable"]) for row in records(warehouse)] == [
        (1, False),
        (2, True),
    ]


def test_usable_backup_stops_being_usable_when_its_location_goes(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    take_backup(warehouse, gateway, make_policy(), DUE)
    followed(warehouse, gateway)
    assert records(warehouse)[0]["usable"]
    cluster.velero.set_location("default", "Unavailable")
    followed(warehouse, gateway)
    assert not records(warehouse)[0]["usable"]
    assert "not available" in str(records(warehouse)[0]["usable_reason"])


def test_record_outlives_the_backup_that_vanished(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy(created_at=datetime.now(UTC) - timedelta(days=9))
    taken = take_backup(warehouse, gateway, policy, DUE)
    followed(warehouse, gateway)
    assert judge_policy(warehouse, gateway, policy).verdict == Verdict.MET
    cluster.objects.delete(BACKUPS, NAMESPACE, taken.name)
    time.sleep(0.01)
    assert track(warehouse, gateway, "standin", [policy]).vanished == 1
    assert track(warehouse, gateway, "standin", [policy]).vanished == 0
    [row] = records(warehouse)
    assert row["vanished_at"] and not row["usable"] and row["phase"] == "Completed"
    assert judge_policy(warehouse, gateway, policy).verdict == Verdict.BREACHED


def test_backup_without_one_of_its_namespaces_is_taken_but_not_usable(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    take_backup(warehouse, gateway, make_policy(namespaces=["shop", "gone"]), DUE)
    followed(warehouse, gateway)
    [row] = records(warehouse)
    assert row["phase"] == "Completed" and not row["usable"]
    assert row["usable_reason"] == "namespaces are missing: gone"


def test_the_size_of_a_backup_is_what_all_its_movers_reported(
    gateway: KubernetesGateway, cluster: StandinCluster
) -> None:
    labels = {"labels": {"velero.io/backup-name": "b"}}
    for kind, name, size in (
        ("DataUpload", "one", 5),
        ("PodVolumeBackup", "two", 7),
        ("PodVolumeBackup", "three", 1),
    ):
        put(cluster, kind, name, metadata=labels, status={"progress": {"bytesDone": size}})
    assert moved_bytes(gateway, "standin") == {"b": 13}


def test_foreign_backup_is_recorded_without_a_policy(
    warehouse: Warehouse, gateway: KubernetesGateway
) -> None:
    body = {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": "by-hand"},
        "spec": {},
    }
    gateway.create_velero("standin", PLURAL, body)
    followed(warehouse, gateway)
    [row] = records(warehouse)
    assert row["backup_name"] == "by-hand" and row["policy_id"] is None and row["usable"]


def test_name_that_comes_back_with_another_uid_is_another_record(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy()
    taken = take_backup(warehouse, gateway, policy, DUE)
    cluster.objects.delete(BACKUPS, NAMESPACE, taken.name)
    cluster.velero.bucket.clear()
    take_backup(warehouse, gateway, policy, DUE)
    followed(warehouse, gateway)
    rows = records(warehouse)
    assert len(rows) == 2 and len({row["backup_uid"] for row in rows}) == 2
    assert rows[0]["vanished_at"] and rows[1]["usable"]
