"""Kind cost_explorer of AWS: its assets, and what asks for them."""

import time
from collections.abc import Sequence
from datetime import date

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    Config,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    Definitions,
    MaterializeResult,
    RunRequest,
    ScheduleDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    asset,
    define_asset_job,
    sensor,
)

from oco_pipelines.ingestion import aws_cost_explorer, source_assets
from oco_pipelines.ingestion.aws_checks import check_cost_explorer
from oco_pipelines.ingestion.source_kinds import Finding
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts import aws_ce_options
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.settings import Settings


class CostExplorerRun(Config):
    """What a run by hand may say.

    Attributes:
        start: first day that is read again though it is final, as 2026-08-01.
    """

    start: str | None = None


class CostExplorer:
    """AWS Cost Explorer: sums of a day by service and usage type, at a cent a request."""

    provider = "aws"
    kind = "cost_explorer"

    def check(self, account: Account) -> list[Finding]:
        """Credentials, and a question of each kind that is asked."""
        return check_cost_explorer(account, aws_ce_options.parse_cost_explorer(account))

    def definitions(self, accounts: Sequence[Account], settings: Settings) -> Definitions:
        """An asset, a schedule and the sensor of the first run of each account."""
        return Definitions(
            assets=[_asset(account) for account in accounts],
            sensors=[_sensor(account) for account in accounts],
            schedules=[_schedule(account, settings) for account in accounts],
        )


def _asset(account: Account) -> AssetsDefinition:
    @asset(
        key=source_assets.asset_key(account),
        group_name=source_assets.GROUP,
        pool=source_assets.pool(account),
        kinds={"python", "postgres", "aws"},
        description="Days of Cost Explorer that are not final yet; each replaces its own rows.",
    )
    def cost_explorer(
        context: AssetExecutionContext, config: CostExplorerRun, warehouse: WarehouseResource
    ) -> MaterializeResult[None]:
        started = time.monotonic()
        with source_assets.failures_told():
            done = aws_cost_explorer.load_days(
                warehouse.open(),
                account,
                start=_day(config.start),
                run_id=context.run.run_id,
                say=context.log.warning,
            )
        return MaterializeResult(
            metadata=source_assets.load_metadata(
                done.results,
                days=len(done.results),
                estimated_days=done.estimated,
                requests=done.requests.sent,
                paid_requests=done.paid,
                paid_resource_requests=done.paid_resources,
                without_resources=done.without_resources,
                cost_usd=f"{aws_ce_options.PRICE_USD * done.paid:f}",
                seconds=time.monotonic() - started,
            )
        )

    return cost_explorer


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"start must be a day, as in 2026-08-01, not {text!r}") from None


def _sensor(account: Account) -> SensorDefinition:
    @sensor(
        name=f"{source_assets.source_name(account)}_{account.slug}_sensor",
        target=define_asset_job(
            f"{source_assets.source_name(account)}_{account.slug}_first",
            selection=[source_assets.asset_key(account)],
        ),
        minimum_interval_seconds=60,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Reads {account.name} for the first time, without waiting for the schedule.",
    )
    def watch(context: SensorEvaluationContext) -> RunRequest | SkipReason:
        if context.instance.get_latest_materialization_event(source_assets.asset_key(account)):
            return SkipReason("was read before: the schedule reads it again")
        return RunRequest(run_key="first")

    return watch


def _schedule(account: Account, settings: Settings) -> ScheduleDefinition:
    return ScheduleDefinition(
        name=f"{source_assets.source_name(account)}_{account.slug}",
        cron_schedule=settings.ingestion_cron,
        execution_timezone="UTC",
        target=define_asset_job(
            f"{source_assets.source_name(account)}_{account.slug}_again",
            selection=[source_assets.asset_key(account)],
        ),
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Reads the days of {account.name} that are not final yet.",
    )
