"""Assets llm_insights and model_switches, and their schedules."""

import time
from datetime import UTC, datetime
from typing import Final

from dagster import (
    AssetExecutionContext,
    DefaultScheduleStatus,
    Definitions,
    MaterializeResult,
    ScheduleDefinition,
    asset,
)

from oco_pipelines.resources import WarehouseResource
from oco_warehouse.money import exact_sum

GROUP: Final = "llm"
INSIGHTS_CRON: Final = "8 * * * *"
SWITCHES_CRON: Final = "41 4 * * *"


@asset(group_name=GROUP, kinds={"python", "postgres"}, deps=["api_requests", "late_prices"])
def llm_insights(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What is worth knowing: spikes, movers, budgets that will run out, what nobody registered."""
    from oco_pipelines.llm.alerts.thresholds import fire_ended_periods
    from oco_pipelines.llm.insights.run import find_all
    from oco_pipelines.llm.insights.store import forget_old, keep_findings

    started = time.monotonic()
    house, now = warehouse.open(), datetime.now(UTC)
    counts: dict[str, int] = {}
    opened = resolved = 0
    for kind, found in find_all(house, now):
        kept = keep_findings(house, kind, found)
        counts[kind] = kept.found
        opened, resolved = opened + kept.opened, resolved + kept.resolved
    context.log.info("%d insights opened, %d resolved", opened, resolved)
    return MaterializeResult(
        metadata={
            "rows": sum(counts.values()),
            "opened": opened,
            "resolved": resolved,
            "alerts_of_ended_periods": fire_ended_periods(house, now),
            "forgotten": forget_old(house),
            **{f"rows_{kind}": count for kind, count in counts.items()},
            "window": f"until {now:%Y-%m-%d %H:%M} UTC",
            "seconds": time.monotonic() - started,
        }
    )


@asset(
    group_name=GROUP,
    kinds={"python", "postgres"},
    deps=["api_requests", "late_prices", "model_pricing"],
)
def model_switches(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What real traffic would have cost with other models: recommendations beside the optimizer's.

    Written to `oco.optimization_recommendations` as `model_switch`.
    """
    from oco_pipelines.llm.insights import model_switch as rule
    from oco_pipelines.llm.insights import model_traffic
    from oco_pipelines.llm.insights.switch_outcome import measure_switches
    from oco_pipelines.optimizer.calibration_store import read_calibration
    from oco_pipelines.optimizer.store import write_recommendations

    started = time.monotonic()
    house, now = warehouse.open(), datetime.now(UTC)
    models, prices = model_traffic.read_models(house), model_traffic.read_price_table(house)
    found = [
        made
        for traffic in model_traffic.read_traffic(house, now)
        if (made := rule.model_switch(traffic, models, prices, now)) is not None
    ]
    written = write_recommendations(
        house, [rule.RULE], found, now, calibration=read_calibration(house)
    )
    measured = measure_switches(house, now)
    context.log.info("%d switches, %d expired", written.found, written.expired)
    return MaterializeResult(
        metadata={
            "rows": written.found,
            "opened": written.opened,
            "expired": written.expired,
            "measured_on_the_ledger": measured.asked,
            "outcomes_known": measured.decided,
            "total_usd_a_month": str(exact_sum(item.estimated_monthly_savings for item in found)),
            "window": f"{rule.WINDOW.days} days until {now:%Y-%m-%d %H:%M} UTC",
            "seconds": time.monotonic() - started,
        }
    )


def build() -> Definitions:
    """Definitions of the insights."""
    hourly = ScheduleDefinition(
        name="llm_insights_hourly",
        cron_schedule=INSIGHTS_CRON,
        execution_timezone="UTC",
        target=[llm_insights],
        default_status=DefaultScheduleStatus.RUNNING,
        description="Looks at the ledger for what is worth knowing.",
    )
    switches = ScheduleDefinition(
        name="model_switches_daily",
        cron_schedule=SWITCHES_CRON,
        execution_timezone="UTC",
        target=[model_switches],
        default_status=DefaultScheduleStatus.RUNNING,
        description="Prices the traffic of the last 30 days with other models.",
    )
    return Definitions(assets=[llm_insights, model_switches], schedules=[hourly, switches])
