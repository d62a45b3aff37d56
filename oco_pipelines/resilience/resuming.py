"""Runs of recovery plans: their preview, their execution, and what a crash left executing."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dagster import (
    Config,
    DagsterInstance,
    DefaultSensorStatus,
    OpExecutionContext,
    RunConfig,
    RunRequest,
    SensorEvaluationContext,
    SkipReason,
    job,
    op,
    sensor,
)

from oco_pipelines.resilience.assets import NO_CLUSTER, KubernetesResource
from oco_pipelines.resilience.runs import next_run
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import UpstreamError

PLAN_TAG: Final = "oco/recovery_plan"
# Whoever follows a plan writes to it after each look, and no call to a cluster takes so long.
_SILENCE: Final = timedelta(minutes=10)
_FOLLOW_SECONDS: Final = 300.0


class PlanConfig(Config):
    """Which plan to follow.

    Attributes:
        plan_id: row in oco.recovery_plans.
    """

    plan_id: str


@op(description="Follows one recovery plan; no second Restore is made for it.")
def resume_plan(
    context: OpExecutionContext,
    config: PlanConfig,
    warehouse: WarehouseResource,
    kubernetes: KubernetesResource,
) -> None:
    """Execute a plan, or further, under the name of the Restore that it has.

    An interrupted drill has failed whatever its restore says; its scratch namespaces go.
    """
    from oco_pipelines.resilience.plans import read_plan
    from oco_pipelines.resilience.restore import execute_plan

    gateway = kubernetes.open()
    if gateway is None:
        raise UpstreamError(NO_CLUSTER)
    house = warehouse.open()
    plan = read_plan(house, config.plan_id)
    drill = plan["purpose"] == "drill"
    status = execute_plan(
        house,
        gateway,
        config.plan_id,
        verify=_lost_sentinel if drill else None,
        wait_seconds=_FOLLOW_SECONDS,
    )
    if drill and status != "executing":
        # They were not there before the drill, which made sure of that.
        for namespace in plan["namespace_mapping"].values():
            gateway.delete_namespace(plan["target_cluster"], namespace)
    context.log.info("recovery plan %s is %s", config.plan_id, status)


@op(description="Makes the preview of one recovery plan.")
def preview_one(
    context: OpExecutionContext,
    config: PlanConfig,
    warehouse: WarehouseResource,
    kubernetes: KubernetesResource,
) -> None:
    """Compare a plan's backup with its target, once; until both can be read it stays pending."""
    from oco_pipelines.resilience.previewing import preview_plan

    gateway = kubernetes.open()
    if gateway is None:
        raise UpstreamError(NO_CLUSTER)
    preview = preview_plan(warehouse.open(), gateway, config.plan_id, wait_seconds=_FOLLOW_SECONDS)
    context.log.info("preview of recovery plan %s: %s", config.plan_id, preview["counts"])


@job(description="Previews a recovery plan that somebody asked for.")
def preview_recovery() -> None:
    """One op: the plan is its configuration."""
    preview_one()


@job(description="Executes a recovery plan, or takes up one that nobody follows any more.")
def resume_recovery() -> None:
    """One op: the plan is its configuration."""
    resume_plan()


@sensor(
    jobs=[preview_recovery, resume_recovery],
    minimum_interval_seconds=5,
    default_status=DefaultSensorStatus.RUNNING,
    description="Picks up recovery plans that were asked for over the API.",
)
def requested_recoveries(
    context: SensorEvaluationContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> Iterator[RunRequest | SkipReason]:
    """Asks for what `requests_for` says, and tells the API which clusters there are."""
    from oco_pipelines.resilience.plans import keep_targets

    gateway = kubernetes.open()
    if gateway is None:
        yield SkipReason(NO_CLUSTER)
        return
    house, clusters = warehouse.open(), gateway.clusters()
    keep_targets(house, clusters)
    requests = requests_for(context.instance, house, clusters, datetime.now(UTC))
    yield from requests
    if not requests:
        yield SkipReason("no recovery plan waits")


def requests_for(
    instance: DagsterInstance, warehouse: Warehouse, clusters: Collection[str], now: datetime
) -> list[RunRequest]:
    """One run for each plan without a preview and each that somebody asked to execute.

    Args:
        instance: knows the runs so far.
        warehouse: knows the plans.
        clusters: those that can be reached.
        now: aware.
    """
    from oco_pipelines.resilience.plans import waiting_plan_ids

    unseen, approved = waiting_plan_ids(warehouse, clusters)
    requests = []
    for plan_ids, job_name, op_name in (
        (unseen, preview_recovery.name, "preview_one"),
        (approved, resume_recovery.name, "resume_plan"),
    ):
        for plan_id in plan_ids:
            tags = {f"{PLAN_TAG}/{op_name}": plan_id}
            number = next_run(instance, tags, now)
            if number is not None:
                requests.append(
                    RunRequest(
                        run_key=f"{plan_id}:{op_name}:{number}",
                        job_name=job_name,
                        run_config=RunConfig(ops={op_name: PlanConfig(plan_id=plan_id)}),
                        tags={**tags, PLAN_TAG: plan_id},
                    )
                )
    return requests


@sensor(
    job=resume_recovery,
    minimum_interval_seconds=60,
    default_status=DefaultSensorStatus.RUNNING,
    description="Takes up recovery plans that were left executing.",
)
def abandoned_plans(
    context: SensorEvaluationContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> Iterator[RunRequest | SkipReason]:
    """Asks for what `runs_for` says."""
    gateway = kubernetes.open()
    if gateway is None:
        yield SkipReason(NO_CLUSTER)
        return
    requests = runs_for(context.instance, warehouse.open(), gateway.clusters(), datetime.now(UTC))
    yield from requests
    if not requests:
        yield SkipReason("no recovery plan is left executing")


def runs_for(
    instance: DagsterInstance, warehouse: Warehouse, clusters: Collection[str], now: datetime
) -> list[RunRequest]:
    """One run for each plan that is executing and that nobody has written to for a while.

    Args:
        instance: knows the runs so far.
        warehouse: knows the plans.
        clusters: those that can be reached.
        now: aware.
    """
    from oco_pipelines.resilience.store import abandoned_plan_ids

    requests = []
    for plan_id in abandoned_plan_ids(warehouse, clusters, now - _SILENCE):
        tags = {PLAN_TAG: plan_id}
        number = next_run(instance, tags, now)
        if number is not None:
            config = RunConfig(ops={"resume_plan": PlanConfig(plan_id=plan_id)})
            requests.append(RunRequest(run_key=f"{plan_id}:{number}", run_config=config, tags=tags))
    return requests


def _lost_sentinel() -> tuple[dict[str, Any], list[str]]:
    """What an interrupted drill has proved: its sentinel was known to its process alone."""
    return {}, ["the drill was interrupted before it compared"]
