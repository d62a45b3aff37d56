"""Assets resources and optimization_recommendations."""

import time
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
from oco_warehouse.money import exact_sum
from oco_warehouse.settings import Settings

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
    kinds={"python", "postgres"},
    deps=["focus_cost_and_usage", "resources"],
    automation_condition=AutomationCondition.eager(),
)
def optimization_recommendations(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What could be saved a month, how surely, and why. Read it to decide what to switch off."""
    from oco_pipelines.optimizer import idle_instance as rule
    from oco_pipelines.optimizer import inventory
    from oco_pipelines.optimizer.store import write_recommendations

    started = time.monotonic()
    house = warehouse.open()
    # Metrics may end before today, as samples do: the window ends where they end.
    as_of = inventory.newest_metric_end(house)
    found = []
    if as_of is not None:
        metrics = inventory.read_metrics(house, as_of, rule.WINDOW)
        costs = inventory.read_daily_costs(house, as_of, rule.WINDOW)
        for resource in inventory.read_resources(house):
            made = rule.idle_instance(
                resource, metrics.get(resource.key, []), costs.get(resource.key, []), as_of
            )
            if made is not None:
                found.append(made)
    written = write_recommendations(house, rule.RULE, found)
    context.log.info("%d recommendations, %d expired", written.found, written.expired)
    total = exact_sum(item.estimated_monthly_savings for item in found)
    return MaterializeResult(
        metadata={
            "rows": written.found,
            "expired": written.expired,
            "total_usd_a_month": str(total),
            "window": f"{rule.WINDOW.days} days to {as_of}" if as_of else "no metrics",
            "seconds": time.monotonic() - started,
        }
    )


def build(settings: Settings) -> Definitions:
    """Definitions of the domain."""
    return Definitions(
        assets=[resources_asset(uses_sample(settings)), optimization_recommendations]
    )
