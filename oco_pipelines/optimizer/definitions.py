"""Assets resources and optimization_recommendations."""

import time
from datetime import UTC, datetime
from typing import Final

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AutomationCondition,
    Definitions,
    MaterializeResult,
    asset,
)

from oco_pipelines.ingestion.sources import uses_sample
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.settings import Settings, load_settings

GROUP: Final = "optimizer"
NO_SOURCE: Final = "no inventory source is configured for the clouds that are connected"


def resources_asset(from_sample: bool) -> AssetsDefinition:
    """The inventory asset; from the shipped sample when costs are from there too."""

    @asset(
        name="resources",
        group_name=GROUP,
        kinds={"python", "postgres"},
        deps=["cloud_costs"],
        automation_condition=AutomationCondition.eager(),
    )
    def resources(warehouse: WarehouseResource) -> MaterializeResult[None]:
        """What exists in the clouds and how busy it is: the evidence of optimizer rules."""
        from oco_pipelines.optimizer.inventory import write_inventory

        if not from_sample:
            return MaterializeResult(metadata={"rows": 0, "note": NO_SOURCE})
        from oco_pipelines.ingestion import sample

        started = time.monotonic()
        metrics = sample.read_metrics()
        written, measured = write_inventory(warehouse.open(), sample.read_resources(), metrics)
        starts = sorted(metric.interval_start for metric in metrics)
        return MaterializeResult(
            metadata={
                "rows": written,
                "metrics": measured,
                "window": f"{starts[0]} to {starts[-1]}" if starts else "no metrics",
                "seconds": time.monotonic() - started,
            }
        )

    return resources


@asset(
    group_name=GROUP,
    kinds={"python", "polars", "postgres"},
    deps=["cloud_costs", "resources"],
    automation_condition=AutomationCondition.eager(),
)
def optimization_recommendations(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What could be saved a month, how surely, and why. Read it to decide what to switch off.

    Savings are netted: the sum of what is open can be had.
    """
    from oco_pipelines.optimizer.run import find_recommendations
    from oco_pipelines.optimizer.thresholds import read_thresholds

    started = time.monotonic()
    settings = load_settings()
    thresholds = read_thresholds(settings.optimizer_thresholds_file)
    run = find_recommendations(
        warehouse.open(), thresholds, settings.cost_settling_days, datetime.now(UTC)
    )
    written = run.written
    context.log.info(
        "%d recommendations, %d opened, %d expired", written.found, written.opened, written.expired
    )
    by_rule: dict[str, int] = {}
    for one in run.found:
        by_rule[one.recommendation_type] = by_rule.get(one.recommendation_type, 0) + 1
    return MaterializeResult(
        metadata={
            "rows": written.found,
            "opened": written.opened,
            "expired": written.expired,
            "measured_on_the_bill": run.measured.asked,
            "outcomes_known": run.measured.decided,
            "total_usd_a_month": str(run.total_usd),
            "window": f"until {run.as_of}",
            **{f"rows_{rule}": count for rule, count in sorted(by_rule.items())},
            "seconds": time.monotonic() - started,
        }
    )


def build(settings: Settings) -> Definitions:
    """Definitions of the domain."""
    return Definitions(
        assets=[resources_asset(uses_sample(settings)), optimization_recommendations]
    )
