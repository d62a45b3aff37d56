"""The sensor that tells people: it finds budgets that cross or refuse, and delivers what is due."""

import os
from typing import Final

from dagster import DefaultSensorStatus, SensorDefinition, SkipReason, sensor

from oco_pipelines.resources import WarehouseResource, resolve_settings
from oco_warehouse.settings import load_settings

INTERVAL_SECONDS: Final = 10


def alerts_sensor() -> SensorDefinition:
    """The sensor; it starts no runs, because a run would take longer than the telling."""

    @sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Raises alerts for budgets that crossed a threshold or refuse, and delivers.",
    )
    def alerts(warehouse: WarehouseResource) -> SkipReason:
        """One round; what cannot be delivered now is tried again later."""
        from oco_pipelines.llm.alerts.delivery import deliver_due
        from oco_pipelines.llm.alerts.thresholds import fire_refusing, fire_thresholds

        house = warehouse.open()
        raised = fire_thresholds(house) + fire_refusing(house)
        settings = load_settings() if warehouse.database_url else resolve_settings()
        done = deliver_due(house, settings, os.environ)
        return SkipReason(
            f"{raised} alerts raised, {done.delivered} delivered, {done.failed} failed"
        )

    return alerts
