"""Asset optimization_recommendations."""

import time
from datetime import UTC, datetime
from typing import Final

from dagster import (
    AssetExecutionContext,
    AutomationCondition,
    Definitions,
    MaterializeResult,
    asset,
)

from oco_pipelines.resources import WarehouseResource
from oco_warehouse.settings import Settings, load_settings

GROUP: Final = "optimizer"


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


def build(_: Settings) -> Definitions:
    """Definitions of the domain."""
    return Definitions(assets=[optimization_recommendations])
