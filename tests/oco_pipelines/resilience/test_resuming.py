"""Recovery plans that were left executing by a crash are followed to their end."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance, Definitions, in_process_executor

from oco_pipelines.resilience import plans, store
from oco_pipelines.resilience.definitions import build
from oco_pipelines.resilience.kubernetes_gateway import RESTORES, KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.restore import execute_plan, plan_restore
from oco_pipelines.resilience.resuming import runs_for
from oco_pipelines.resilience.standin import StandinCluster
from oco_pipelines.resilience.tracker import follow, take_backup
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings

HOUR = timedelta(hours=1)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as running:
        yield running


@pytest.fixture
def abandoned(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> Callable[[str], str]:
    """Begins a restore for a purpose and leaves it at once; returns the id of its plan."""

    def begin(purpose: str) -> str:
        policy = make_policy()
        gateway.create_config_map("standin", "shop", "prices", {"tea": "3"}, {})
        taken = take_backup(warehouse, gateway, policy, None)
        policies = store.read_policies(warehouse)
        follow(warehouse, gateway, "standin", policies, wait_seconds=10, pause_seconds=0.02)
        mapping = {"shop": "copy"}
        plan = plan_restore(
            warehouse, taken.record_id, "standin", mapping, purpose=purpose, requested_by="test"
        )
        with warehouse.transaction() as connection:
            plans.step(connection, plan, "approved", "test")
        cluster.velero.paused = True
        assert execute_plan(warehouse, gateway, plan, wait_seconds=0) == "executing"
        cluster.velero.paused = False
        return plan

    return begin


@pytest.mark.parametrize(("purpose", "ended"), [("recovery", "completed"), ("drill", "failed")])
def test_an_abandoned_plan_is_followed_to_its_end_with_the_restore_that_it_has(
    warehouse: Warehouse,
    cluster: StandinCluster,
    gateway: KubernetesGateway,
    instance: DagsterInstance,
    abandoned: Callable[[str], str],
    purpose: str,
    ended: str,
) -> None:
    abandoned(purpose)
    shared = Definitions(
        resources={"warehouse": WarehouseResource(database_url=warehouse.url)},
        executor=in_process_executor,
    )
    found = build(load_settings({"OCO_KUBECONFIG": str(cluster.kubeconfig)}))
    job = Definitions.merge(found, shared).resolve_job_def("resume_recovery")
    later = datetime.now(UTC) + HOUR
    [request] = runs_for(instance, warehouse, ["standin"], later)
    assert job.execute_in_process(
        run_config=request.run_config, tags=dict(request.tags), instance=instance
    ).success
    [plan] = warehouse.query("SELECT status, failure_reason FROM oco.recovery_plans")
    assert plan["status"] == ended
    assert ("interrupted" in str(plan["failure_reason"])) == (purpose == "drill")
    assert len(gateway.list_velero("standin", RESTORES)) == 1
    assert gateway.namespace_exists("standin", "copy") == (purpose == "recovery")
    assert gateway.namespace_exists("standin", "shop")
    assert runs_for(instance, warehouse, ["standin"], later + HOUR) == []


def test_a_plan_that_somebody_follows_or_whose_cluster_is_gone_is_left_alone(
    warehouse: Warehouse, instance: DagsterInstance, abandoned: Callable[[str], str]
) -> None:
    plan = abandoned("recovery")
    now = datetime.now(UTC)
    assert runs_for(instance, warehouse, ["standin"], now + timedelta(minutes=5)) == []
    assert runs_for(instance, warehouse, ["another"], now + HOUR) == []
    [first] = runs_for(instance, warehouse, ["standin"], now + HOUR)
    [again] = runs_for(instance, warehouse, ["standin"], now + HOUR)
    assert first.run_key == again.run_key == f"{plan}:1"
