"""What starts runs: due policies, unfinished backups, and the passing of time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dagster import (
    AssetSelection,
    DagsterInstance,
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
from oco_pipelines.resilience.runs import LIVE, next_run
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from oco_pipelines.resilience.policy import DrPolicy

POLICY_TAG: Final = "oco/dr_policy"
DUE_TAG: Final = "oco/due_at"

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


@sensor(
    job=protect,
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for a run for each policy whose backup is due, and again when it failed.",
)
def dr_policy_due(
    context: SensorEvaluationContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> Iterator[RunRequest | SkipReason]:
    """Asks for what `run_for` says."""
    from oco_pipelines.resilience.store import read_policies

    gateway = kubernetes.open()
    if gateway is None:
        yield SkipReason(NO_CLUSTER)
        return
    house = warehouse.open()
    known, now, asked = gateway.clusters(), datetime.now(UTC), 0
    for policy in read_policies(house):
        if not policy.enabled or policy.cluster not in known:
            continue
        try:
            request = run_for(context.instance, house, policy, now)
        except InvalidInputError as error:
            context.log.warning("DR policy %s: %s", policy.name, error)
            continue
        if request is not None:
            asked += 1
            yield request
    if not asked:
        yield SkipReason("no backup is due")


def run_for(
    instance: DagsterInstance, warehouse: Warehouse, policy: "DrPolicy", now: datetime
) -> RunRequest | None:
    """The run that a policy needs now: for a due time without a backup, or whose backup failed.

    One run at a time for each (policy, due time), which the run key says too; after a failure it is
    asked for again when a pause has passed. Missed due times are made up for by the newest.

    Args:
        instance: knows the runs so far.
        warehouse: knows the backups so far.
        policy: an enabled one.
        now: aware.

    Raises:
        InvalidInputError: when the policy's schedule is wrong.
    """
    from oco_pipelines.resilience.due import Due, latest_due
    from oco_pipelines.resilience.store import last_attempt
    from oco_pipelines.resilience.tracker import may_try_again

    due = latest_due(policy.schedule_cron, policy.time_zone, policy.handled_until, now)
    if due is None:
        handled = policy.last_due_at
        if handled is None or not may_try_again(*last_attempt(warehouse, policy.id, handled)):
            return None
        due = Due(handled.astimezone(UTC), now - handled, 0)
    at = due.at.isoformat()
    number = next_run(instance, {POLICY_TAG: policy.name, DUE_TAG: at}, now)
    if number is None:
        return None
    return RunRequest(
        run_key=f"{policy.id}:{at}:{number}",
        run_config=RunConfig(ops={"backups": BackupsConfig(policy_id=policy.id, due_at=at)}),
        tags={
            POLICY_TAG: policy.name,
            DUE_TAG: at,
            "oco/lateness_seconds": str(int(due.lateness.total_seconds())),
            "oco/missed": str(due.missed),
        },
    )


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

    gateway = kubernetes.open()
    if gateway is None:
        return SkipReason(NO_CLUSTER)
    if not count_unfinished(warehouse.open(), gateway.clusters()):
        return SkipReason("every backup has ended")
    for job in (watch_backups.name, protect.name):
        if context.instance.get_runs(RunsFilter(job_name=job, statuses=LIVE), limit=1):
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
