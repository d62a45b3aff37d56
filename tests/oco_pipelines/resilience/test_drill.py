"""Backup and restore together, against the stand-in and a real warehouse."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import DagsterInstance
from psycopg.types.json import Jsonb

from oco_pipelines.resilience import drill_store
from oco_pipelines.resilience.compliance import Verdict
from oco_pipelines.resilience.drill import backup_and_restore_once
from oco_pipelines.resilience.drilling import DUE_TAG, clean_abandoned, due_drills
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.phases import Phase
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.standin import StandinCluster
from oco_pipelines.resilience.standin.api import Fault
from oco_pipelines.resilience.standin.resources import BY_KIND
from oco_pipelines.resilience.standin.velero import CONFIGMAPS
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, InvalidInputError, UpstreamError

FAST = {"wait_seconds": 10.0, "pause_seconds": 0.02}


class StaleBucket(dict[tuple[str, str], list[dict[str, Any]]]):
    """Object storage that gives back what was there last week."""

    def __setitem__(self, place: tuple[str, str], held: list[dict[str, Any]]) -> None:
        for body in held:
            if body["kind"] == "ConfigMap":
                body["data"] = {"value": "of last week"}
        super().__setitem__(place, held)


def test_drill_brings_its_sentinel_back_and_records_everything(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy()
    drill = backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST)

    [record] = warehouse.query("SELECT * FROM oco.backup_records")
    [plan] = warehouse.query("SELECT * FROM oco.recovery_plans")
    [verdict] = warehouse.query("SELECT * FROM oco.dr_compliance")
    assert record["phase"] == "Completed" and record["usable"] and record["usable_reason"] == ""
    assert record["triggered_at"] and record["created_at"] and record["started_at"]
    assert plan["status"] == "completed" and plan["purpose"] == "drill"
    assert plan["items_restored"] == drill.items == 2
    assert verdict["verdict"] == drill.verdict == Verdict.MET
    assert verdict["measured_rto"] is not None
    assert not gateway.namespace_exists("standin", "scratch")
    assert cluster.objects.list_all(CONFIGMAPS, "shop")[1] == []


def test_a_policy_that_selects_by_labels_is_drilled_with_what_they_find_now(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy()
    gateway.create_namespace("standin", "cart", {"tier": "gold"})
    find = {"matchLabels": {"tier": "gold"}}
    narrow = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}
    warehouse.execute(
        "UPDATE oco.dr_policies SET namespaces = '{}', namespace_selector = %s, "
        "label_selector = %s",
        [Jsonb(find), Jsonb(narrow)],
    )
    backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST)
    [drill] = warehouse.query("SELECT status, scratch_namespaces FROM oco.dr_drills")
    assert drill == {"status": "passed", "scratch_namespaces": {"cart": "scratch"}}


def test_drill_fails_when_the_sentinel_comes_back_changed(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy()
    cluster.velero.bucket = StaleBucket()
    with pytest.raises(UpstreamError, match="another value"):
        backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST)
    [plan] = warehouse.query("SELECT status, failure_reason FROM oco.recovery_plans")
    assert plan["status"] == "failed"
    [status] = warehouse.query("SELECT verdict, reasons FROM oco.dr_policy_status")
    assert status["verdict"] == Verdict.AT_RISK
    assert status["reasons"][0].startswith("the last restore drill failed: the sentinel")
    assert not gateway.namespace_exists("standin", "scratch")


def test_drill_refuses_a_scratch_namespace_that_exists_and_leaves_it_alone(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    policy = make_policy()
    gateway.create_namespace("standin", "precious", {})
    with pytest.raises(ConflictError, match="precious"):
        backup_and_restore_once(warehouse, gateway, policy.id, "precious", **FAST)
    assert gateway.namespace_exists("standin", "precious")


def test_drill_never_restores_a_partially_failed_backup(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy()
    cluster.velero.end_backups_in = Phase.PARTIALLY_FAILED
    with pytest.raises(InvalidInputError, match="PartiallyFailed"):
        backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST)
    assert warehouse.query("SELECT 1 FROM oco.recovery_plans") == []
    [drill] = warehouse.query("SELECT status, reason FROM oco.dr_drills")
    assert drill["status"] == "failed" and "PartiallyFailed" in drill["reason"]


@pytest.mark.parametrize("fails", ["configmaps", "namespaces/scratch"])
def test_what_cannot_be_removed_does_not_keep_the_rest_from_being_removed(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
    fails: str,
) -> None:
    policy = make_policy()
    cluster.api.faults.append(Fault(403, method="DELETE", path=fails))
    with pytest.raises(UpstreamError, match=f"delete {fails}.* 403"):
        backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST)
    left = gateway.namespace_exists("standin", "scratch")
    sentinels = cluster.objects.list_all(CONFIGMAPS, "shop")[1]
    assert (left, bool(sentinels)) == (fails != "configmaps", fails == "configmaps")


def test_scratch_namespace_is_not_removed_under_the_hands_of_its_restore(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    class Stalls(dict[tuple[str, str], list[dict[str, Any]]]):
        """Object storage after which Velero goes on no more."""

        def __getitem__(self, place: tuple[str, str]) -> list[dict[str, Any]]:
            cluster.velero.step_seconds = 3600
            return super().__getitem__(place)

    policy = make_policy()
    cluster.velero.bucket = Stalls()
    with pytest.raises(UpstreamError, match=r"still \w+, so namespace 'scratch' is left"):
        backup_and_restore_once(
            warehouse, gateway, policy.id, "scratch", wait_seconds=0.8, pause_seconds=0.02
        )
    assert gateway.namespace_exists("standin", "scratch")
    assert cluster.objects.list_all(CONFIGMAPS, "shop")[1] == []
    [plan] = warehouse.query("SELECT status FROM oco.recovery_plans")
    assert plan["status"] == "executing"


def failure(warehouse: Warehouse) -> str:
    """Why the only drill failed; nothing of it is left in its cluster."""
    [drill] = warehouse.query("SELECT status, reason FROM oco.dr_drills")
    assert drill["status"] == "failed"
    return str(drill["reason"])


def with_volume(cluster: StandinCluster) -> None:
    claim = {"namespace": "shop", "name": "data"}
    volume = {"metadata": {"name": "disk"}, "spec": {"claimRef": claim}}
    cluster.objects.create(BY_KIND["PersistentVolume"], "", volume)
    cluster.objects.create(
        BY_KIND["PersistentVolumeClaim"],
        "shop",
        {"metadata": {"name": "data"}, "spec": {"volumeName": "disk"}},
    )


def options(warehouse: Warehouse, **snapshot_options: object) -> None:
    warehouse.execute("UPDATE oco.dr_policies SET snapshot_options = %s", [Jsonb(snapshot_options)])


def test_drill_measures_the_rto_and_leaves_nothing_behind(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    make_policy: Callable[..., DrPolicy],
) -> None:
    done = backup_and_restore_once(warehouse, gateway, make_policy().id, "scratch", **FAST)
    [drill] = warehouse.query("SELECT * FROM oco.dr_drills")
    assert drill["status"] == "passed" and drill["reason"] == ""
    assert drill["measured_rto"] == done.rto and drill["backup_took"] is not None
    assert drill["cleaned_at"] is not None


def test_drill_proves_every_namespace_of_a_policy(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    gateway.create_namespace("standin", "bank", {})
    policy = make_policy(namespaces=["shop", "bank"])
    cluster.velero.lost.clear()
    assert backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST).items == 4
    assert not gateway.namespace_exists("standin", "scratch-1")


def test_drill_on_stale_data_fails(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    cluster.velero.bucket = StaleBucket()
    with pytest.raises(UpstreamError, match="another value"):
        backup_and_restore_once(warehouse, gateway, make_policy().id, "scratch", **FAST)
    assert "another value" in failure(warehouse)


def test_people_are_told_of_a_drill_that_failed_until_one_passes(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy, good = make_policy(), cluster.velero.bucket
    cluster.velero.bucket = StaleBucket()
    with pytest.raises(UpstreamError):
        backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST)
    [alert] = warehouse.query("SELECT kind, entity_id, title, resolved_at FROM oco.alerts")
    assert (alert["kind"], alert["entity_id"], alert["resolved_at"]) == (
        "drill_failed",
        "shop",
        None,
    )
    assert "another value" in alert["title"]
    cluster.velero.bucket = good
    time.sleep(1.1)  # backups that people ask for are named by the second
    backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST)
    [alert] = warehouse.query("SELECT resolved_at FROM oco.alerts")
    assert alert["resolved_at"] is not None


def test_drill_on_an_empty_backup_fails(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy()
    # What meets it is left out of every backup: the sentinel, too.
    selector = {"matchLabels": {"velero.io/exclude-from-backup": "true"}}
    warehouse.execute("UPDATE oco.dr_policies SET label_selector = %s", [Jsonb(selector)])
    with pytest.raises(InvalidInputError, match="it holds no items"):
        backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST)
    assert "it holds no items" in failure(warehouse)


def test_drill_with_a_missing_object_fails(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    gateway.create_config_map("standin", "shop", "prices", {"tea": "3"}, {})
    cluster.velero.lost.add("ConfigMap/shop/prices")
    quick = {**FAST, "wait_seconds": 3.0}
    with pytest.raises(UpstreamError, match="scratch/prices did not come back"):
        backup_and_restore_once(warehouse, gateway, make_policy().id, "scratch", **quick)
    assert "scratch/prices did not come back" in failure(warehouse)
    assert not gateway.namespace_exists("standin", "scratch")


def test_drill_without_its_sentinel_fails(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    class Forgetful(dict[tuple[str, str], list[dict[str, Any]]]):
        """Object storage that has lost every ConfigMap."""

        def __setitem__(self, place: tuple[str, str], held: list[dict[str, Any]]) -> None:
            super().__setitem__(place, [body for body in held if body["kind"] != "ConfigMap"])

    cluster.velero.bucket = Forgetful()
    with pytest.raises(UpstreamError, match="sentinel did not come back"):
        backup_and_restore_once(warehouse, gateway, make_policy().id, "scratch", **FAST)


def test_drill_with_a_volume_that_was_not_backed_up_whole_fails(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    with_volume(cluster)
    cluster.velero.broken_volumes = True
    with pytest.raises(InvalidInputError, match="not usable"):
        backup_and_restore_once(warehouse, gateway, make_policy().id, "scratch", **FAST)
    assert "PartiallyFailed" in failure(warehouse)


def test_drill_with_a_volume_that_does_not_come_back_fails(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    with_volume(cluster)
    policy = make_policy()
    # The data stays in the volume of the policy's namespace, which a mapped claim cannot have.
    options(warehouse, snapshotMoveData=False)
    quick = {**FAST, "wait_seconds": 3.0}
    with pytest.raises(UpstreamError, match="volume claim scratch/data is Lost"):
        backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **quick)
    assert "volume claim scratch/data is Lost" in failure(warehouse)


def test_drill_with_volumes_whose_data_was_moved_passes(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    with_volume(cluster)
    policy = make_policy()
    options(warehouse, snapshotMoveData=True)
    assert backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST).rto


def test_drill_refuses_a_protected_scratch_namespace(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    policy = make_policy()
    make_policy("guard", namespaces=["scratch"], protected=True)
    with pytest.raises(InvalidInputError, match="'scratch' of cluster 'standin' is protected"):
        backup_and_restore_once(warehouse, gateway, policy.id, "scratch", **FAST)
    assert warehouse.query("SELECT 1 FROM oco.dr_drills") == []


def test_a_due_time_has_one_drill(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    policy, due = make_policy(), datetime(2026, 5, 1, tzinfo=UTC)
    backup_and_restore_once(warehouse, gateway, policy.id, "one", due_at=due, **FAST)
    with pytest.raises(ConflictError, match="had its drill"):
        backup_and_restore_once(warehouse, gateway, policy.id, "two", due_at=due, **FAST)
    assert len(warehouse.query("SELECT 1 FROM oco.dr_drills")) == 1


def test_drills_are_due_by_their_own_schedule_until_they_were_begun(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> None:
    policy = make_policy(created_at=datetime(2026, 5, 1, tzinfo=UTC))
    now = datetime(2026, 5, 4, 12, tzinfo=UTC)
    with DagsterInstance.ephemeral() as instance:
        assert due_drills(instance, warehouse, ["standin"], now) == ([], [])
        warehouse.execute("UPDATE oco.dr_policies SET drill_cron = '0 3 * * *'")
        [request], _ = due_drills(instance, warehouse, ["standin"], now)
        assert request.tags[DUE_TAG] == "2026-05-04T03:00:00+00:00"
        due = datetime.fromisoformat(request.tags[DUE_TAG])
        backup_and_restore_once(warehouse, gateway, policy.id, "s", due_at=due, **FAST)
        assert due_drills(instance, warehouse, ["standin"], now) == ([], [])
        warehouse.execute("UPDATE oco.dr_policies SET drill_cron = 'often'")
        _, [problem] = due_drills(instance, warehouse, ["standin"], now)
        assert "often" in problem


def test_an_interrupted_drill_has_failed_and_is_cleaned_up_after(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    scratch = {"shop": "scratch"}
    claimed = drill_store.claim(
        warehouse,
        policy_id=make_policy().id,
        cluster="standin",
        due_at=None,
        requested_by="test",
        sentinel="oco-sentinel-1",
        scratch=scratch,
    )
    gateway.create_config_map("standin", "shop", "oco-sentinel-1", {}, {})
    gateway.create_namespace("standin", "scratch", {})
    now = datetime.now(UTC)
    assert clean_abandoned(warehouse, gateway, now - timedelta(hours=1)) == (0, [])
    assert clean_abandoned(warehouse, gateway, now + timedelta(hours=1)) == (1, [])
    assert claimed and failure(warehouse) == "the drill was interrupted"
    assert not gateway.namespace_exists("standin", "scratch")
    assert cluster.objects.list_all(CONFIGMAPS, "shop")[1] == []
