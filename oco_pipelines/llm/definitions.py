"""Assets model_pricing and api_requests, their schedule, sensor and check."""

import time
from typing import Final

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    Definitions,
    MaterializeResult,
    RunRequest,
    ScheduleDefinition,
    SensorEvaluationContext,
    SkipReason,
    asset,
    asset_check,
    define_asset_job,
    sensor,
)

from oco_pipelines.llm.alerts.sensor import alerts_sensor
from oco_pipelines.llm.insights.definitions import build as insights
from oco_pipelines.llm.ledger import budget_differences, ledger_totals
from oco_pipelines.llm.report.definitions import build as reports
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.price_providers import read_price_providers
from oco_warehouse.settings import Settings, load_settings

GROUP: Final = "llm"
PRICES_CRON: Final = "17 4 * * *"
LEDGER_INTERVAL_SECONDS: Final = 300
PRICES_INTERVAL_SECONDS: Final = 30
_SHOWN_DIFFERENCES: Final = 20


@asset(group_name=GROUP, kinds={"python", "postgres"})
def model_pricing(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What each model costs, with history. The gateway prices calls and reserves budgets with it.

    From the catalogue that ships with genai-prices, without network; prices that a person wrote are
    left alone, and the past is never rewritten.
    """
    from oco_pipelines.llm.price_catalogue import catalogue_version
    from oco_pipelines.llm.price_store import refresh_prices

    started = time.monotonic()
    house = warehouse.open()
    written = refresh_prices(house)
    total = house.query("SELECT count(*) AS rows FROM oco.model_pricing")[0]["rows"]
    context.log.info("%d of %d prices written", written, total)
    return MaterializeResult(
        metadata={
            "rows": total,
            "rows_written": written,
            "price_version": catalogue_version(),
            "seconds": time.monotonic() - started,
        }
    )


@asset(group_name=GROUP, kinds={"postgres"})
def api_requests(warehouse: WarehouseResource) -> MaterializeResult[None]:
    """The gateway's ledger: every call with its cost. Gateways write it; this is its audit."""
    started = time.monotonic()
    totals = ledger_totals(warehouse.open())
    window = f"{totals.first_at} to {totals.last_at}" if totals.requests else "no calls yet"
    return MaterializeResult(
        metadata={
            "rows": totals.requests,
            "total_usd": str(totals.cost_usd),
            "unpriced_calls": totals.unpriced,
            "window": window,
            "seconds": time.monotonic() - started,
        }
    )


@asset_check(asset=api_requests, blocking=False)
def budgets_agree_with_requests(warehouse: WarehouseResource) -> AssetCheckResult:
    """Every budget has spent what its requests of the period cost, to the last digit."""
    differences = budget_differences(warehouse.open())
    return AssetCheckResult(
        passed=not differences,
        severity=AssetCheckSeverity.ERROR,
        description="; ".join(map(str, differences[:_SHOWN_DIFFERENCES])) or None,
        metadata={"budgets_that_differ": len(differences)},
    )


@asset(group_name=GROUP, kinds={"postgres"}, deps=[model_pricing, api_requests])
def late_prices(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """Calls that had no price when they were recorded, priced by what held at their time.

    Their budgets move with them. What is left is unknown still: read `unpriced_model` insights.
    """
    from oco_pipelines.llm.repricing import reprice

    started = time.monotonic()
    lent = read_price_providers(load_settings().providers_file)
    done = reprice(warehouse.open(), price_providers=lent)
    context.log.info("%d of %d unpriced calls have a price now", done.priced, done.seen)
    return MaterializeResult(
        metadata={
            "rows": done.priced,
            "unpriced_calls": done.seen - done.priced,
            "total_usd": str(done.cost_usd),
            "window": "all calls without a price",
            "seconds": time.monotonic() - started,
        }
    )


ledger_job = define_asset_job("reconcile_ledger", selection=[api_requests])


@sensor(
    job=ledger_job,
    minimum_interval_seconds=LEDGER_INTERVAL_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Reconciles the ledger when calls were added, which moves the LLM marts.",
)
def new_api_requests(
    context: SensorEvaluationContext, warehouse: WarehouseResource
) -> RunRequest | SkipReason:
    """One run for each state of the ledger that was not seen before."""
    cursor = ledger_totals(warehouse.open()).cursor
    if cursor == context.cursor:
        return SkipReason("no call was added")
    context.update_cursor(cursor)
    return RunRequest(run_key=cursor)


reprice_job = define_asset_job("reprice", selection=[late_prices])


@sensor(
    job=reprice_job,
    minimum_interval_seconds=PRICES_INTERVAL_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Prices late what was unpriced, once prices changed.",
)
def new_prices(
    context: SensorEvaluationContext, warehouse: WarehouseResource
) -> RunRequest | SkipReason:
    """One run for each state of the price table that was not seen before."""
    (row,) = warehouse.open().query(
        "SELECT count(*) AS rows, max(updated_at) AS newest FROM oco.model_pricing"
    )
    cursor = f"{row['rows']}:{row['newest']}"
    if cursor == context.cursor:
        return SkipReason("no price changed")
    context.update_cursor(cursor)
    return RunRequest(run_key=cursor)


def build(settings: Settings) -> Definitions:  # noqa: ARG001 - every domain is built alike
    """Definitions of the domain."""
    prices = ScheduleDefinition(
        name="model_pricing_daily",
        cron_schedule=PRICES_CRON,
        execution_timezone="UTC",
        target=[model_pricing, late_prices],
        default_status=DefaultScheduleStatus.RUNNING,
        description="Reads the price catalogue again, and prices late what it can.",
    )
    own = Definitions(
        assets=[model_pricing, api_requests, late_prices],
        asset_checks=[budgets_agree_with_requests],
        jobs=[ledger_job, reprice_job],
        schedules=[prices],
        sensors=[new_api_requests, new_prices, alerts_sensor()],
    )
    return Definitions.merge(own, insights(), reports())
