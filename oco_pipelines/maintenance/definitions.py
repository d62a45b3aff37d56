"""Asset partition_maintenance and its daily schedule."""

import time
from datetime import UTC, datetime
from typing import Final

from dagster import (
    AssetsDefinition,
    DefaultScheduleStatus,
    Definitions,
    MaterializeResult,
    ScheduleDefinition,
    asset,
)

from oco_pipelines.maintenance.metrics import forget_metrics
from oco_pipelines.maintenance.partitions import maintain_partitions
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.settings import Settings

GROUP: Final = "maintenance"
MAINTENANCE_CRON: Final = "23 2 * * *"


def partition_maintenance_asset(retention_months: int, metric_days: int) -> AssetsDefinition:
    """The asset for a retention in months, and one of metrics in days; 0 keeps everything."""

    @asset(name="partition_maintenance", group_name=GROUP, kinds={"postgres"})
    def partition_maintenance(warehouse: WarehouseResource) -> MaterializeResult[None]:
        """Partitions of the coming months, and the end of those beyond retention.

        Rows never wait for it: a default partition takes what has no month yet.
        """
        started = time.monotonic()
        house, now = warehouse.open(), datetime.now(UTC)
        done = maintain_partitions(house, now.date(), retention_months)
        forgotten = forget_metrics(house, now, metric_days)
        return MaterializeResult(
            metadata={
                "rows": len(done.made) + len(done.dropped),
                "made": list(done.made),
                "dropped": list(done.dropped),
                "retention_months": retention_months,
                "metrics_forgotten": forgotten,
                "metric_retention_days": metric_days,
                "seconds": time.monotonic() - started,
            }
        )

    return partition_maintenance


def build(settings: Settings) -> Definitions:
    """Definitions of the domain."""
    maintenance = partition_maintenance_asset(
        settings.retention_months, settings.metric_retention_days
    )
    daily = ScheduleDefinition(
        name="partition_maintenance_daily",
        cron_schedule=MAINTENANCE_CRON,
        execution_timezone="UTC",
        target=[maintenance],
        default_status=DefaultScheduleStatus.RUNNING,
        description="Makes partitions ahead and lets old ones go.",
    )
    return Definitions(assets=[maintenance], schedules=[daily])
