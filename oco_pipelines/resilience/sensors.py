"""What starts runs: due policies, unfinished backups, and the passing of time."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from dagster import (
    AssetMaterialization,
    AssetObservation,
    AssetSelection,
    DefaultScheduleStatus,
    DefaultSensorStatus,
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
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="Follows backups and judges their policies, itself: a run would be late.",
)
def unfinished_backups(
    context: SensorEvaluationContext, warehouse: WarehouseResource, kubernetes: KubernetesResource
) -> SensorResult | SkipReason:
    """Looks at clusters with a backup on its way at every tick, at all others now and then."""
    from oco_pipelines.resilience.looking import as_metadata, look_around

    gateway = kubernetes.open(hurried=True)
    if gateway is None:
        return SkipReason(NO_CLUSTER)
    looks = look_around(warehouse.open(), gateway, gateway.clusters())
    for look in looks:
        if look.problem:
            context.log.warning("cluster %s: %s", look.cluster, look.problem)
    ended = [look for look in looks if look.ended]
    if not ended:
        waited = sum(look.unfinished for look in looks)
        return SkipReason(
            f"{waited} backups are on their way" if waited else "every backup has ended"
        )
    return SensorResult(
        asset_events=[
            AssetMaterialization(name, metadata=as_metadata(look))
            for look in ended
            for name in ("backup_records", "backup_compliance")
        ]
    )


# A recovery point grows old with nobody touching it: its policy is judged again all the same.
hourly_verdicts = ScheduleDefinition(
    name="hourly_verdicts",
    job=watch_backups,
    cron_schedule="7 * * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Looks at all backups and judges every policy again.",
)
