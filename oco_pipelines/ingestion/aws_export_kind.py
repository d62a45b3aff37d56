"""Kind data_export of AWS: its assets, sensors and schedules."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
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

from oco_pipelines.ingestion import aws_export, source_assets
from oco_pipelines.ingestion.aws_access import make_client
from oco_pipelines.ingestion.aws_checks import check_export
from oco_pipelines.ingestion.aws_export_manifest import StoredObject
from oco_pipelines.ingestion.changed_partitions import ask_for_changed, loaded_mark
from oco_pipelines.ingestion.source_kinds import Finding
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_export_options import parse_export
from oco_warehouse.errors import OpenCloudOpsError
from oco_warehouse.settings import Settings

_SENSOR_SECONDS: Final = 300
# AWS corrects the month before until its invoice is final.
_OPEN_PERIODS: Final = 2


class DataExport:
    """AWS Data Exports (CUR 2.0, FOCUS) and legacy Cost and Usage Reports on S3."""

    provider = "aws"
    kind = "data_export"

    def check(self, account: Account) -> list[Finding]:
        """Credentials, the list of deliveries, and one of their files."""
        return check_export(account, parse_export(account))

    def definitions(self, accounts: Sequence[Account], settings: Settings) -> Definitions:
        """An asset, a sensor and a schedule of each account."""
        return Definitions(
            assets=[_asset(account) for account in accounts],
            sensors=[_sensor(account) for account in accounts],
            schedules=[_schedule(account, settings) for account in accounts],
        )


def _periods(account: Account) -> dict[str, StoredObject]:
    options = parse_export(account)
    client = make_client(account, options.access, "s3")
    return aws_export.find_periods(account, options, client)


def _asset(account: Account) -> AssetsDefinition:
    @asset(
        key=source_assets.asset_key(account),
        group_name=source_assets.GROUP,
        partitions_def=source_assets.partitions(account),
        pool=source_assets.pool(account),
        kinds={"python", "postgres", "aws"},
        description="A billing period of the export; each delivery replaces it whole.",
    )
    def data_export(
        context: AssetExecutionContext, warehouse: WarehouseResource
    ) -> MaterializeResult[None]:
        started = time.monotonic()
        period = source_assets.part_of(context.partition_key)
        with source_assets.failures_told():
            done = aws_export.load_period(
                warehouse.open(), account, period, run_id=context.run.run_id
            )
        for row in done.result.first_rejected:
            context.log.warning("row %d was rejected: %s", row.row_number, row.reason)
        return MaterializeResult(
            metadata=source_assets.load_metadata(
                [done.result],
                mark=done.mark,
                delivery=done.delivery,
                files=done.files,
                bytes=done.requests.bytes,
                requests=done.requests.sent,
                seconds=time.monotonic() - started,
            )
        )

    return data_export


def _sensor(account: Account) -> SensorDefinition:
    @sensor(
        name=f"{source_assets.source_name(account)}_{account.slug}_sensor",
        target=define_asset_job(
            f"{source_assets.source_name(account)}_{account.slug}_changed",
            selection=[source_assets.asset_key(account)],
        ),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Loads billing periods of {account.name} that AWS has delivered anew.",
    )
    def watch(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        try:
            there = _periods(account)
        except OpenCloudOpsError as error:
            return SkipReason(str(error))
        marks = {
            source_assets.partition_key(account, period): aws_export.mark_of(manifest)
            for period, manifest in there.items()
        }
        return ask_for_changed(
            context, source_assets.asset_key(account), source_assets.partitions(account), marks
        )

    return watch


def _schedule(account: Account, settings: Settings) -> ScheduleDefinition:
    @schedule(
        name=f"{source_assets.source_name(account)}_{account.slug}",
        cron_schedule=settings.ingestion_cron,
        execution_timezone="UTC",
        target=define_asset_job(
            f"{source_assets.source_name(account)}_{account.slug}_again",
            selection=[source_assets.asset_key(account)],
        ),
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Reads the open periods of {account.name} again, and those that failed.",
    )
    def again(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        try:
            there = _periods(account)
        except OpenCloudOpsError as error:
            yield SkipReason(str(error))
            return
        tick = context.scheduled_execution_time.isoformat()
        known = context.instance.get_dynamic_partitions(f"account_{account.slug}")
        open_periods = sorted(there)[-_OPEN_PERIODS:]
        for period, manifest in there.items():
            key = source_assets.partition_key(account, period)
            if key not in known:
                continue
            loaded = loaded_mark(context.instance, source_assets.asset_key(account), key)
            if period in open_periods or loaded != aws_export.mark_of(manifest):
                yield RunRequest(run_key=f"{key}:{tick}", partition_key=key)

    return again
