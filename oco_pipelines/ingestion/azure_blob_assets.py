"""One asset for each account of the kind `blob_export`, by the exports' periods; what starts it."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSelection,
    DagsterInstance,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    Definitions,
    MaterializeResult,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    asset,
    define_asset_job,
    schedule,
    sensor,
)

from oco_pipelines.ingestion.changed_partitions import (
    MAX_REQUESTS,
    ask_for_changed,
    loaded_mark,
)
from oco_pipelines.ingestion.source_assets import (
    GROUP,
    asset_key,
    failures_told,
    load_metadata,
    part_of,
    partition_key,
    partitions,
    pool,
    source_name,
)
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.azure_blob_options import ExportOptions
from oco_warehouse.errors import InvalidInputError, OpenCloudOpsError
from oco_warehouse.settings import Settings

_SENSOR_SECONDS: Final = 300


def build(accounts: Sequence[tuple[Account, ExportOptions]], settings: Settings) -> Definitions:
    """Asset, sensor and schedule of every account."""
    return Definitions(
        assets=[period_asset(account, options, settings) for account, options in accounts],
        sensors=[watching(account, options, settings) for account, options in accounts],
        schedules=[catching_up(account, options, settings) for account, options in accounts],
    )


def period_asset(account: Account, options: ExportOptions, settings: Settings) -> AssetsDefinition:
    """The asset of an account."""

    @asset(
        key=asset_key(account),
        group_name=GROUP,
        partitions_def=partitions(account),
        pool=pool(account),
        kinds={"azure", "postgres"},
        description=f"Costs that Azure exports to {options.url}: the newest run "
        "of a period replaces all that was loaded of it.",
    )
    def azure_period(
        context: AssetExecutionContext, warehouse: WarehouseResource
    ) -> MaterializeResult[None]:
        from oco_pipelines.ingestion import azure_blob_load as blobs

        started = time.monotonic()
        key = context.partition_key
        with failures_told():
            access = blobs.access_of(account, options)
            there = blobs.deliveries(blobs.stored_files(options, settings, access), options)
            delivery = there.get(part_of(key))
            if delivery is None:
                raise InvalidInputError(
                    f"{key}: {options.url} has no finished run of {options.main} of that period"
                )
            result = blobs.load_delivery(
                warehouse.open(),
                key,
                delivery,
                options,
                settings,
                access,
                today=datetime.now(UTC).date(),
                run_id=context.run.run_id,
            )
        for row in result.first_rejected if result else ():
            context.log.warning("row %d was rejected: %s", row.row_number, row.reason)
        return MaterializeResult(
            metadata=load_metadata(
                [result] if result else [],
                mark=delivery.mark,
                main_run=delivery.main.name,
                amortized_run=delivery.amortized.name if delivery.amortized else "none",
                seconds=time.monotonic() - started,
            )
        )

    return azure_period


def watching(account: Account, options: ExportOptions, settings: Settings) -> SensorDefinition:
    """Asks for each period once for each of its newest runs."""
    name = f"{source_name(account)}_{account.slug}"

    @sensor(
        name=f"{name}_watching",
        target=define_asset_job(f"{name}_found", AssetSelection.assets(asset_key(account))),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Loads periods of {account.name} whose newest run changed.",
    )
    def watch(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        try:
            there = _marks(account, options, settings)
        except OpenCloudOpsError as error:
            return SkipReason(str(error))
        return ask_for_changed(context, asset_key(account), partitions(account), there)

    return watch


def catching_up(account: Account, options: ExportOptions, settings: Settings) -> ScheduleDefinition:
    """Asks again for what is not loaded though the sensor has asked: its run failed."""
    name = f"{source_name(account)}_{account.slug}"

    @schedule(
        name=f"{name}_catching_up",
        cron_schedule=settings.ingestion_cron,
        execution_timezone="UTC",
        target=define_asset_job(f"{name}_again", AssetSelection.assets(asset_key(account))),
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Loads periods of {account.name} whose newest run could not be loaded.",
    )
    def ask(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        try:
            there = _marks(account, options, settings)
        except OpenCloudOpsError as error:
            yield SkipReason(str(error))
            return
        left = _not_loaded(context.instance, account, list(there), there)[:MAX_REQUESTS]
        context.instance.add_dynamic_partitions(partitions(account).name or "", left)
        for key in left:
            tick = context.scheduled_execution_time.isoformat()
            yield RunRequest(run_key=f"{key}:{tick}", partition_key=key)

    return ask


def _marks(account: Account, options: ExportOptions, settings: Settings) -> dict[str, str]:
    """{partition: mark of its newest runs}, the newest period first."""
    from oco_pipelines.ingestion import azure_blob_load as blobs

    files = blobs.stored_files(options, settings, blobs.access_of(account, options))
    found = blobs.deliveries(files, options)
    return {
        partition_key(account, period): found[period].mark for period in sorted(found, reverse=True)
    }


def _not_loaded(
    instance: DagsterInstance, account: Account, keys: Sequence[str], there: dict[str, str]
) -> list[str]:
    return [key for key in keys if loaded_mark(instance, asset_key(account), key) != there[key]]
