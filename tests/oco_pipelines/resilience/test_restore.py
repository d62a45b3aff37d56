"""Executing recovery plans."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from oco_pipelines.resilience import plans, store
from oco_pipelines.resilience.kubernetes_gateway import RESTORES, KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.previewing import preview_plan
from oco_pipelines.resilience.restore import execute_plan, plan_restore
from oco_pipelines.resilience.standin import StandinCluster
from oco_pipelines.resilience.tracker import follow, take_backup
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, InvalidInputError

DUE = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def backed_up(
    warehouse: Warehouse, gateway: KubernetesGateway
) -> Callable[[DrPolicy, dict[str, str]], str]:
    """Takes a policy's backup of one ConfigMap; returns a pending plan to restore it."""

    def plan(policy: DrPolicy, mapping: dict[str, str]) -> str:
        gateway.create_config_map("standin", "shop", "prices", {"tea": "3"}, {})
        taken = take_backup(warehouse, gateway, policy, DUE)
        policies = store.read_policies(warehouse)
        follow(warehouse, gateway, "standin", policies, wait_seconds=10, pause_seconds=0.02)
        return plan_restore(
            warehouse,
            taken.record_id,
            "standin",
            mapping,
            purpose="recovery",
            requested_by="test",
        )

    return plan


Plan = Callable[[DrPolicy, dict[str, str]], str]


def execute(warehouse: Warehouse, gateway: KubernetesGateway, plan: str, wait: float = 10) -> str:
    if plans.read_plan(warehouse, plan)["status"] == "pending":
        preview_plan(warehouse, gateway, plan, wait_seconds=10, pause_seconds=0.02)
        plans.approve(warehouse, plan, "test")
    return execute_plan(
        warehouse, gateway, plan, wait_seconds=wait, pause_seconds=0.02, settle_seconds=0.2
    )


def reason(warehouse: Warehouse) -> str:
    [plan] = warehouse.query("SELECT failure_reason FROM oco.recovery_plans")
    return str(plan["failure_reason"])


def test_restore_brings_back_a_lost_namespace(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    make_policy: Callable[..., DrPolicy],
    backed_up: Plan,
) -> None:
    plan = backed_up(make_policy(), {"shop": "shop"})
    gateway.delete_namespace("standin", "shop")
    assert execute(warehouse, gateway, plan) == "completed"
    assert gateway.read_config_map("standin", "shop", "prices")["data"] == {"tea": "3"}


def test_restore_that_skipped_everything_has_failed_though_velero_says_completed(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    make_policy: Callable[..., DrPolicy],
    backed_up: Plan,
) -> None:
    plan = backed_up(make_policy(), {"shop": "shop"})
    assert execute(warehouse, gateway, plan) == "failed"
    assert "nothing was restored" in reason(warehouse)


def test_plan_is_executed_once(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    make_policy: Callable[..., DrPolicy],
    backed_up: Plan,
) -> None:
    plan = backed_up(make_policy(), {"shop": "copy"})
    assert execute(warehouse, gateway, plan) == "completed"
    with pytest.raises(ConflictError, match="completed already"):
        execute(warehouse, gateway, plan)
    assert len(gateway.list_velero("standin", RESTORES)) == 1


def test_plan_left_executing_is_taken_up_again_with_the_same_restore(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
    backed_up: Plan,
) -> None:
    plan = backed_up(make_policy(), {"shop": "copy"})
    preview_plan(warehouse, gateway, plan, wait_seconds=10, pause_seconds=0.02)
    plans.approve(warehouse, plan, "test")
    cluster.velero.paused = True
    assert execute(warehouse, gateway, plan, wait=0) == "executing"
    cluster.velero.paused = False
    assert execute(warehouse, gateway, plan) == "completed"
    assert len(gateway.list_velero("standin", RESTORES)) == 1


def test_a_protected_namespace_gets_no_plan(
    make_policy: Callable[..., DrPolicy], backed_up: Plan
) -> None:
    with pytest.raises(InvalidInputError, match="'shop' of cluster 'standin' is protected"):
        backed_up(make_policy(protected=True), {"shop": "shop"})


def test_the_executor_refuses_a_target_that_was_protected_after_the_plan_was_approved(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    make_policy: Callable[..., DrPolicy],
    backed_up: Plan,
) -> None:
    plan = backed_up(make_policy(), {"shop": "copy"})
    preview_plan(warehouse, gateway, plan, wait_seconds=10, pause_seconds=0.02)
    plans.approve(warehouse, plan, "test")
    make_policy("guard", namespaces=["copy"], protected=True)
    with pytest.raises(InvalidInputError, match="protected"):
        execute(warehouse, gateway, plan)
    assert gateway.list_velero("standin", RESTORES) == []
    assert "protected" in reason(warehouse)
    assert plans.read_plan(warehouse, plan)["status"] == "failed"
