"""Runs of restore drills: those that are due, and cleaning up after those that were interrupted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from dagster import (
    Config,
    DagsterInstance,
    DefaultSensorStatus,
    OpExecutionContext,
    RunConfig,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    job,
    op,
    sensor,
)

from oco_pipelines.resilience.assets import NO_CLUSTER, KubernetesResource
from oco_pipelines.resilience.runs import next_run
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, OpenCloudOpsError, UpstreamError

if TYPE_CHECKING:
    from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway

DRILL_TAG: Final = "oco/drill_of"
DUE_TAG: Final = "oco/drill_due_at"
_WAIT_SECONDS: Final = 900.0
# No drill is silent for so long: it waits for a backup, for a restore, and for that one's end.
_SILENCE: Final = timedelta(seconds=3.5 * _WAIT_SECONDS)


class DrillConfig(Config):
    """Which drill to do.

    Attributes:
        policy_id: a DR policy.
        due_at: the due time that it is done for, ISO 8601 with offset.
    """

    policy_id: str
    due_at: str


@op(description="Does one restore drill.")
def do_drill(
    context: OpExecutionContext,
    config: DrillConfig,
    warehouse: WarehouseResource,
    kubernetes: KubernetesResource,
) -> None:
    """Back up, restore into a scratch namespace, compare; a drill that fails fails its run."""
    from oco_pipelines.resilience.drill import SCHEDULE, backup_and_restore_once, scratch_name
    from oco_pipelines.resilience.store import read_policy

    gateway = kubernetes.open()
    if gateway is None:
        raise UpstreamError(NO_CLUSTER)
    house, due_at = warehouse.open(), datetime.fromisoformat(config.due_at)
    policy = read_policy(house, config.policy_id)
    done = backup_and_restore_once(
        house,
        gateway,
        policy.id,
        scratch_name(policy.name, due_at),
        requested_by=SCHEDULE,
        due_at=due_at,
        wait_seconds=_WAIT_SECONDS,
        pause_seconds=1.0,
    )
    context.log.info("drill of policy %s passed, RTO %s", policy.name, done.rto)


@job(description="Proves that a policy's recovery points can be restored.")
def drill() -> None:
    """One op: policy and due time are its configuration."""
    do_drill()


@sensor(
    job=drill,
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for the restore drills that are due.",
)
def drill_due(
    context: SensorEvaluationContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> Iterator[RunRequest | SkipReason]:
    """One run for each (policy, due time); after an outage the newest due time alone."""
    gateway = kubernetes.open()
    if gateway is None:
        yield SkipReason(NO_CLUSTER)
        return
    requests, problems = due_drills(
        context.instance, warehouse.open(), gateway.clusters(), datetime.now(UTC)
    )
    for problem in problems:
        context.log.warning("DR policy %s", problem)
    yield from requests
    if not requests:
        yield SkipReason("no drill is due")


def due_drills(
    instance: DagsterInstance, warehouse: Warehouse, clusters: list[str], now: datetime
) -> tuple[list[RunRequest], list[str]]:
    """(runs for the drills that are due, what is wrong with drill schedules).

    A drill is due no more once it was begun. One that could not begin is asked for again.
    """
    from oco_pipelines.resilience import drill_store
    from oco_pipelines.resilience.due import latest_due
    from oco_pipelines.resilience.store import read_policies

    schedules = {
        str(row["id"]): row["drill_cron"]
        for row in warehouse.query(
            "SELECT id, drill_cron FROM oco.dr_policies WHERE enabled AND drill_cron IS NOT NULL"
        )
    }
    requests, problems = [], []
    for policy in read_policies(warehouse):
        cron = schedules.get(policy.id)
        if cron is None or policy.cluster not in clusters:
            continue
        since = drill_store.last_due(warehouse, policy.id) or policy.created_at
        try:
            due = latest_due(cron, policy.time_zone, since, now)
        except InvalidInputError as error:
            problems.append(f"{policy.name}: {error}")
            continue
        if due is not None:
            at = due.at.isoformat()
            tags = {DRILL_TAG: policy.name, DUE_TAG: at}
            number = next_run(instance, tags, now)
            if number is None:
                continue
            requests.append(
                RunRequest(
                    run_key=f"{policy.id}:drill:{at}:{number}",
                    run_config=RunConfig(
                        ops={"do_drill": DrillConfig(policy_id=policy.id, due_at=at)}
                    ),
                    tags=tags,
                )
            )
    return requests, problems


@sensor(
    # It starts no runs; Dagster wants a target all the same.
    job=drill,
    minimum_interval_seconds=60,
    default_status=DefaultSensorStatus.RUNNING,
    description="Removes what interrupted drills left in their clusters.",
)
def abandoned_drills(
    context: SensorEvaluationContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> SensorResult | SkipReason:
    """An interrupted drill has failed; its sentinels and scratch namespaces go."""
    gateway = kubernetes.open()
    if gateway is None:
        return SkipReason(NO_CLUSTER)
    cleaned, problems = clean_abandoned(warehouse.open(), gateway, datetime.now(UTC) - _SILENCE)
    for problem in problems:
        context.log.warning(problem)
    return SkipReason(f"cleaned up after {cleaned} drills")


def clean_abandoned(
    warehouse: Warehouse, gateway: "KubernetesGateway", silent_since: datetime
) -> tuple[int, list[str]]:
    """(number of drills that were cleaned up after, what went wrong with others).

    A drill whose restore goes on is left for later: Velero would make its objects anew.
    """
    from oco_pipelines.resilience import drill_store
    from oco_pipelines.resilience.drill import clean_up
    from oco_pipelines.resilience.kubernetes_gateway import RESTORES
    from oco_pipelines.resilience.phases import has_ended
    from oco_warehouse.errors import NotFoundError

    cleaned, problems, known = 0, [], gateway.clusters()
    for left in drill_store.uncleaned(warehouse, silent_since):
        if left["cluster"] not in known:
            continue
        drill_store.end(warehouse, left["id"], "the drill was interrupted", None)
        try:
            if left["restore_name"]:
                body = gateway.get_velero(left["cluster"], RESTORES, left["restore_name"])
                if not has_ended((body.get("status") or {}).get("phase") or ""):
                    continue
        except NotFoundError:
            pass
        except OpenCloudOpsError as error:
            problems.append(str(error))
            continue
        try:
            clean_up(gateway, left["cluster"], left["sentinel"], left["scratch_namespaces"])
        except OpenCloudOpsError as error:
            problems.append(str(error))
            continue
        drill_store.mark_clean(warehouse, left["id"])
        cleaned += 1
    return cleaned, problems
