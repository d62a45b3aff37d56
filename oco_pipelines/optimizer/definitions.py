"""Asset optimization_recommendations."""

import time
from typing import Final

from dagster import (
    AssetExecutionContext,
    AutomationCondition,
    Definitions,
    MaterializeResult,
    asset,
)

from oco_pipelines.resources import WarehouseResource
from oco_warehouse.money import exact_sum
from oco_warehouse.settings import Settings

GROUP: Final = "optimizer"


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


def build(_: Settings) -> Definitions:
    """Definitions of the domain."""
    return Definitions(assets=[optimization_recommendations])
