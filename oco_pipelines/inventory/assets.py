"""What the inventory assets of all accounts have in common: each is listed by its own run."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
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

from oco_pipelines.ingestion import source_assets
from oco_pipelines.inventory.collecting import Collected, Say
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings

# Lists an account into the warehouse; returns what it did, and more of the run's metadata.
Collect = Callable[[Warehouse, Account, Say], tuple[Collected, dict[str, Any]]]


def build_accounts(
    accounts: Sequence[Account], settings: Settings, collect: Collect
) -> Definitions:
    """An asset, a schedule and the sensor of the first run of each account of a kind."""
    return Definitions(
        assets=[_asset(account, collect) for account in accounts],
        sensors=[_sensor(account) for account in accounts],
        schedules=[_schedule(account, settings) for account in accounts],
    )


def _asset(account: Account, collect: Collect) -> AssetsDefinition:
    @asset(
        key=source_assets.asset_key(account),
        group_name=source_assets.GROUP,
        pool=source_assets.pool(account),
        kinds={"python", "postgres", account.provider},
        description="What the account has, and how busy it was since it was read last.",
    )
    def inventory(
        context: AssetExecutionContext, warehouse: WarehouseResource
    ) -> MaterializeResult[None]:
        started = time.monotonic()
        with source_assets.failures_told():
            collected, more = collect(warehouse.open(), account, context.log.warning)
            if collected.transient is not None:
                # The rest is in the warehouse; asking again is for what did not answer.
                raise collected.transient
        return MaterializeResult(
            metadata=collected.metadata(**more, seconds=time.monotonic() - started)
        )

    return inventory


def _name(account: Account) -> str:
    return f"{source_assets.source_name(account)}_{account.slug}"


def _sensor(account: Account) -> SensorDefinition:
    @sensor(
        name=f"{_name(account)}_sensor",
        target=define_asset_job(
            f"{_name(account)}_first", selection=[source_assets.asset_key(account)]
        ),
        minimum_interval_seconds=60,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Lists {account.name} for the first time, without waiting for the schedule.",
    )
    def watch(context: SensorEvaluationContext) -> RunRequest | SkipReason:
        if context.instance.get_latest_materialization_event(source_assets.asset_key(account)):
            return SkipReason("was listed before: the schedule lists it again")
        return RunRequest(run_key="first")

    return watch


def _schedule(account: Account, settings: Settings) -> ScheduleDefinition:
    return ScheduleDefinition(
        name=_name(account),
        cron_schedule=settings.ingestion_cron,
        execution_timezone="UTC",
        target=define_asset_job(
            f"{_name(account)}_again", selection=[source_assets.asset_key(account)]
        ),
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Lists {account.name} again.",
    )
