"""Backup and restore together, against the stand-in and a real warehouse."""

from collections.abc import Callable
from typing import Any

import pytest

from oco_pipelines.resilience.compliance import Verdict
from oco_pipelines.resilience.drill import backup_and_restore_once
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.phases import Phase
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.standin import StandinCluster
from oco_pipelines.resilience.standin.api import Fault
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
    [plan] = warehouse.query("SELECT status, restore_name FROM oco.recovery_plans")
    assert plan == {"status": "failed", "restore_name": None}


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
