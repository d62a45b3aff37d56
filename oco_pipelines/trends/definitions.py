"""Assets cost_anomalies, cost_forecast, cloud_budgets and cloud_budget_status."""

import time
from datetime import UTC, datetime
from typing import Final

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
    AutomationCondition,
    DefaultSensorStatus,
    Definitions,
    MaterializeResult,
    RunRequest,
    SensorEvaluationContext,
    SkipReason,
    asset,
    asset_check,
    define_asset_job,
    sensor,
)

from oco_pipelines.resources import WarehouseResource
from oco_warehouse.settings import Settings, load_settings

GROUP: Final = "trends"
COSTS: Final = "int_cloud_cost_cells"
BUDGETS_INTERVAL_SECONDS: Final = 60
_SHOWN: Final = 20


@asset(
    group_name=GROUP,
    kinds={"python", "postgres"},
    deps=[COSTS, "int_cloud_charges"],
    automation_condition=AutomationCondition.eager(),
)
def cost_anomalies(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """Days on which cloud cost is not what it usually is, and what carries it. Tells people."""
    from oco_pipelines.trends.find_anomalies import find_anomalies

    started = time.monotonic()
    settings = load_settings()
    found = find_anomalies(
        warehouse.open(),
        datetime.now(UTC),
        settling_days=settings.cost_settling_days,
        floor_usd=settings.anomaly_floor_usd,
    )
    kept = found.kept
    context.log.info(
        "%d episodes in %d series, %d new, %d withdrawn",
        kept.found,
        found.series,
        kept.opened,
        kept.withdrawn,
    )
    return MaterializeResult(
        metadata={
            "rows": kept.found,
            "opened": kept.opened,
            "withdrawn": kept.withdrawn,
            "told": kept.told,
            "series": found.series,
            "window": f"until {found.settled}" if found.settled else "no cloud cost yet",
            "seconds": time.monotonic() - started,
        }
    )


@asset_check(asset=cost_anomalies, blocking=False)
def anomalies_agree_with_charges(warehouse: WarehouseResource) -> AssetCheckResult:
    """What an episode is said to have cost is what the charges of its days add up to."""
    from oco_pipelines.trends.anomaly_check import differing_anomalies

    differing = differing_anomalies(warehouse.open())
    return AssetCheckResult(
        passed=not differing,
        severity=AssetCheckSeverity.ERROR,
        description="; ".join(differing[:_SHOWN]) or None,
        metadata={"anomalies_that_differ": len(differing)},
    )


@asset(
    group_name=GROUP,
    kinds={"python", "postgres"},
    deps=[COSTS],
    automation_condition=AutomationCondition.eager(),
)
def cost_forecast(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What cloud cost will be at the month's end and in 90 days, and how far off it may be."""
    from oco_pipelines.trends.forecast_store import write_forecast

    started = time.monotonic()
    made = write_forecast(
        warehouse.open(), datetime.now(UTC), settling_days=load_settings().cost_settling_days
    )
    context.log.info("%d scopes, %d of them without a forecast", made.scopes, made.without)
    total = made.total
    return MaterializeResult(
        metadata={
            "rows": made.rows,
            "scopes": made.scopes,
            "scopes_without_forecast": made.without,
            "month_end_usd": str(total.expected_usd) if total else "none",
            "method": str(total.method) if total else "none",
            "wape": str(total.wape) if total else "none",
            "window": f"from {made.as_of}" if made.as_of else "no cloud cost yet",
            "seconds": time.monotonic() - started,
        }
    )


@asset_check(asset=cost_forecast, blocking=False)
def forecast_days_add_up(warehouse: WarehouseResource) -> AssetCheckResult:
    """The sums of a forecast are what its days add up to, to the last digit."""
    from oco_pipelines.trends.forecast_store import differing_forecasts

    differing = differing_forecasts(warehouse.open())
    return AssetCheckResult(
        passed=not differing,
        severity=AssetCheckSeverity.ERROR,
        description="; ".join(differing[:_SHOWN]) or None,
        metadata={"sums_that_differ": len(differing)},
    )


@asset(
    group_name=GROUP,
    kinds={"postgres"},
    automation_condition=AutomationCondition.on_missing(),
)
def cloud_budgets(warehouse: WarehouseResource) -> MaterializeResult[None]:
    """Budgets for cloud cost. People own them: `oco cloud-budgets import`."""
    started = time.monotonic()
    (row,) = warehouse.open().query(
        "SELECT count(*) AS rows, count(*) FILTER (WHERE enabled) AS enabled, "
        "coalesce(sum(amount_usd) FILTER (WHERE enabled), 0) AS usd FROM oco.cloud_budgets"
    )
    return MaterializeResult(
        metadata={
            "rows": row["rows"],
            "enabled": row["enabled"],
            "total_usd": str(row["usd"]),
            "window": "all budgets",
            "seconds": time.monotonic() - started,
        }
    )


@asset(
    group_name=GROUP,
    kinds={"python", "postgres"},
    deps=[COSTS, cloud_budgets],
    automation_condition=AutomationCondition.eager(),
)
def cloud_budget_status(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What cloud budgets have spent and will have spent. Tells people of thresholds."""
    from oco_pipelines.trends.budget_status import judge_budgets

    started = time.monotonic()
    now = datetime.now(UTC)
    done = judge_budgets(warehouse.open(), now, settling_days=load_settings().cost_settling_days)
    for line in done.unreadable:
        context.log.warning("a budget cannot be read and was not judged: %s", line)
    return MaterializeResult(
        metadata={
            "rows": done.periods,
            "budgets": done.budgets,
            "told": done.told,
            "unreadable": "; ".join(done.unreadable) or "none",
            "window": f"until {now:%Y-%m-%d} UTC",
            "seconds": time.monotonic() - started,
        }
    )


budgets_job = define_asset_job(
    "judge_cloud_budgets", selection=[cloud_budgets, cloud_budget_status]
)


@sensor(
    job=budgets_job,
    minimum_interval_seconds=BUDGETS_INTERVAL_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Judges cloud budgets when one was changed, and when a UTC day begins.",
)
def changed_cloud_budgets(
    context: SensorEvaluationContext, warehouse: WarehouseResource
) -> RunRequest | SkipReason:
    """One run for each state of the budgets and each day that was not seen before."""
    house = warehouse.open()
    (row,) = house.query(
        "SELECT count(*) AS rows, max(updated_at) AS newest, "
        "to_regclass('intermediate.int_cloud_cost_cells') IS NOT NULL AS built "
        "FROM oco.cloud_budgets"
    )
    if not row["rows"] or not row["built"]:
        return SkipReason("there is no cloud budget" if row["built"] else "no mart is built yet")
    cursor = f"{row['rows']}:{row['newest']}:{datetime.now(UTC):%Y-%m-%d}"
    if cursor == context.cursor:
        return SkipReason("no budget changed")
    context.update_cursor(cursor)
    return RunRequest(run_key=cursor)


def build(settings: Settings) -> Definitions:  # noqa: ARG001 - every domain is built alike
    """Definitions of the domain."""
    return Definitions(
        assets=[cost_anomalies, cost_forecast, cloud_budgets, cloud_budget_status],
        asset_checks=[anomalies_agree_with_charges, forecast_days_add_up],
        jobs=[budgets_job],
        sensors=[changed_cloud_budgets],
    )
