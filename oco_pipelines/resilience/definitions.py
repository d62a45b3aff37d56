"""Definitions of the domain: assets, jobs, sensors and the way to the clusters."""

from dagster import Definitions

from oco_pipelines.resilience import assets, drilling, resuming, sensors
from oco_warehouse.settings import Settings


def build(settings: Settings) -> Definitions:
    """Definitions of the domain; nothing is contacted."""
    kubeconfig = str(settings.kubeconfig) if settings.kubeconfig else None
    return Definitions(
        assets=[
            assets.dr_policies,
            assets.backups,
            assets.backup_records,
            assets.backup_compliance,
        ],
        jobs=[
            sensors.protect,
            sensors.watch_backups,
            resuming.preview_recovery,
            resuming.resume_recovery,
            drilling.drill,
        ],
        sensors=[
            sensors.dr_policy_due,
            sensors.unfinished_backups,
            resuming.requested_recoveries,
            resuming.abandoned_plans,
            drilling.drill_due,
            drilling.abandoned_drills,
        ],
        schedules=[sensors.hourly_verdicts],
        resources={
            "kubernetes": assets.KubernetesResource(
                kubeconfig=kubeconfig, in_cluster=settings.in_cluster_name
            )
        },
    )
