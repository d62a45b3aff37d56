"""What starts runs: due policies, unfinished backups, and the passing of time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from dagster import (
    AssetSelection,
    DagsterRunStatus,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RunConfig,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    SensorEvaluationContext,
    SkipReason,
    define_asset_job,
    sensor,
)

from oco_pipelines.resilience.assets import (
    NO_CLUSTER,
    BackupsConfig,
    KubernetesResource,
)
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.errors import InvalidInputError

protect = define_asset_job(
    "protect",
    AssetSelection.assets("backups", "backup_records", "backup_compliance"),
    description="Takes backups, follows them and judges their policies.",
)
watch_backups = define_asset_job(
    "watch_backups",
    AssetSelection.assets("backup_records", "backup_compliance"),
    description="Follows backups and judges their policies.",
)
_LIVE: Final = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]


@sensor(
    job=protect,
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for one run for each policy whose backup is due; missed times count once.",
)
def dr_policy_due(
    context: SensorEvaluationContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> Iterator[RunRequest | SkipReason]:
    """One run for each (policy, due time): the run key keeps it to one."""
    from oco_pipelines.resilience.due import latest_due
    from oco_pipelines.resilience.store import read_policies

    gateway = kubernetes.open()
    if gateway is None:
        yield SkipReason(NO_CLUSTER)
        return
    known, now, asked = gateway.clusters(), datetime.now(UTC), 0
    for policy in read_policies(warehouse.open()):
        if not policy.enabled or policy.cluster not in known:
            continue
        try:
            due = latest_due(policy.schedule_cron, policy.time_zone, policy.handled_until, now)
        except InvalidInputError as error:
            context.log.warning("DR policy %s: %s", policy.name, error)
            continue
        if due is None:
            continue
        asked += 1
        at = due.at.isoformat()
        yield RunRequest(
            run_key=f"{policy.id}:{at}",
            run_config=RunConfig(ops={"backups": BackupsConfig(policy_id=policy.id, due_at=at)}),
            tags={
                "oco/policy": policy.name,
                "oco/due_at": at,
                "oco/lateness_seconds": str(int(due.lateness.total_seconds())),
                "oco/missed": str(due.missed),
            },
        )
    if not asked:
        yield SkipReason("no backup is due")


@sensor(
    job=watch_backups,
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description="Follows backups that have not ended.",
)
def unfinished_backups(
    context: SensorEvaluationContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> RunRequest | SkipReason:
    """One run at a time, and only while something is unfinished."""
    from oco_pipelines.resilience.store import count_unfinished

    if kubernetes.open() is None:
        return SkipReason(NO_CLUSTER)
    if not count_unfinished(warehouse.open()):
        return SkipReason("every backup has ended")
    for job in (watch_backups.name, protect.name):
        if context.instance.get_runs(RunsFilter(job_name=job, statuses=_LIVE), limit=1):
            return SkipReason(f"a run of {job} follows them already")
    return RunRequest()


# A recovery point grows old with nobody touching it: its policy is judged again all the same.
hourly_verdicts = ScheduleDefinition(
    name="hourly_verdicts",
    job=watch_backups,
    cron_schedule="7 * * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Looks at all backups and judges every policy again.",
)
