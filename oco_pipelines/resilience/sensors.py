"""What starts runs: due policies, unfinished backups, and the passing of time."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from dagster import (
    AssetMaterialization,
    AssetObservation,
    AssetSelection,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    define_asset_job,
    sensor,
)

from oco_pipelines.resilience.assets import (
    NO_CLUSTER,
    KubernetesResource,
)
from oco_pipelines.resilience.runs import LIVE
from oco_pipelines.resources import WarehouseResource

if TYPE_CHECKING:
    from oco_pipelines.resilience.orchestrator import Outcome

# A tick comes every five seconds and a little more: what becomes due until the next one is waited
# for, so that a backup is taken on time.
AHEAD: Final = timedelta(seconds=8)
BACKUPS_ASSET: Final = "backups"

# What follows backups must not queue up behind builds of marts and loads of bills.
_FIRST: Final = {"dagster/priority": "10"}

protect = define_asset_job(
    "protect",
    AssetSelection.assets("backups", "backup_records", "backup_compliance"),
    description="Takes backups, follows them and judges their policies.",
    tags=_FIRST,
)
watch_backups = define_asset_job(
    "watch_backups",
    AssetSelection.assets("backup_records", "backup_compliance"),
    description="Follows backups and judges their policies.",
    tags=_FIRST,
)


@sensor(
    minimum_interval_seconds=5,
    default_status=DefaultSensorStatus.RUNNING,
    description="Takes the backups that are due, itself: a run for each would be minutes late.",
)
def dr_policy_due(
    context: SensorEvaluationContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> SensorResult | SkipReason:
    """One materialisation of `backups` for each due time that has its Backup now."""
    from oco_pipelines.resilience.orchestrator import take_until

    gateway = kubernetes.open(hurried=True)
    if gateway is None:
        return SkipReason(NO_CLUSTER)
    outcomes, wrong = take_until(warehouse.open(), gateway, gateway.clusters(), AHEAD)
    for line in wrong:
        context.log.warning(line)
    if not outcomes:
        return SkipReason("no backup is due")
    for outcome in outcomes:
        if outcome.problem:
            context.log.error("DR policy %s: %s", outcome.wanted.policy.name, outcome.problem)
    return SensorResult(asset_events=[as_event(outcome) for outcome in outcomes])


def as_event(outcome: "Outcome") -> AssetMaterialization | AssetObservation:
    """What Dagster shows of a due time: a materialisation, or why there is none yet."""
    from oco_pipelines.resilience.orchestrator import as_metadata

    metadata = as_metadata(outcome)
    if outcome.problem:
        return AssetObservation(BACKUPS_ASSET, metadata=metadata)
    return AssetMaterialization(BACKUPS_ASSET, metadata=metadata)


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
