"""Asset llm_insights and its schedule."""

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

GROUP: Final = "llm"
INSIGHTS_CRON: Final = "8 * * * *"


@asset(group_name=GROUP, kinds={"python", "postgres"}, deps=["api_requests", "late_prices"])
def llm_insights(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What is worth knowing: spikes, movers, budgets that will run out, what nobody registered."""
    from oco_pipelines.llm.insights.run import find_all
    from oco_pipelines.llm.insights.store import keep_findings

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
            **{f"rows_{kind}": count for kind, count in counts.items()},
            "window": f"until {now:%Y-%m-%d %H:%M} UTC",
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
    return Definitions(assets=[llm_insights], schedules=[hourly])
