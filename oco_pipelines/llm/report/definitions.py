"""Asset llm_report and its schedule."""

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
# Late in the night: what was priced late by then is in it.
REPORT_CRON: Final = "53 4 * * *"


@asset(
    group_name=GROUP,
    kinds={"python", "postgres"},
    deps=["api_requests", "llm_insights", "model_switches"],
)
def llm_report(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """Spend on models of yesterday and of the last complete week, as JSON and as a page.

    Run again, the report of a period is replaced by what is known by then.
    """
    from oco_pipelines.llm.report.store import write_reports

    started = time.monotonic()
    now = datetime.now(UTC)
    reports = write_reports(warehouse.open(), now)
    day = reports[0]
    context.log.info("%d reports written", len(reports))
    return MaterializeResult(
        metadata={
            "rows": len(reports),
            "total_usd": f"{day.totals.cost_usd:f}",
            "window": ", ".join(
                f"{report.kind} from {report.start:%Y-%m-%d}" for report in reports
            ),
            "seconds": time.monotonic() - started,
        }
    )


def build() -> Definitions:
    """Definitions of the reports."""
    daily = ScheduleDefinition(
        name="llm_report_daily",
        cron_schedule=REPORT_CRON,
        execution_timezone="UTC",
        target=[llm_report],
        default_status=DefaultScheduleStatus.RUNNING,
        description="Writes the reports of the last day and the last week.",
    )
    return Definitions(assets=[llm_report], schedules=[daily])
