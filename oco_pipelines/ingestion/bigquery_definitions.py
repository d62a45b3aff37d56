"""Assets of accounts of the kind `bigquery`, the sensors that find changed days, the schedules."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
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

from oco_pipelines.ingestion.source_assets import (
    GROUP,
    asset_key,
    failures_told,
    load_metadata,
    partition_key,
    partitions,
    pool,
    source_name,
)
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.bigquery_options import parse_options
from oco_warehouse.errors import OpenCloudOpsError
from oco_warehouse.settings import Settings

# Looking at the table's description costs nothing; days are asked for only when it has changed.
SENSOR_SECONDS: Final = 300
# One tick asks for so many days at most; the next tick goes on from there.
MAX_DAYS: Final = 20


def build(accounts: Sequence[Account], settings: Settings) -> Definitions:
    """Everything of these accounts; no I/O."""
    return Definitions(
        assets=[export_asset(account) for account in accounts],
        sensors=[export_sensor(account) for account in accounts],
        schedules=[export_schedule(account, settings) for account in accounts],
    )


def export_asset(account: Account) -> AssetsDefinition:
    """The asset of an account: one partition for each day on which Google exported rows."""

    @asset(
        key=asset_key(account),
        group_name=GROUP,
        partitions_def=partitions(account),
        pool=pool(account),
        kinds={"python", "bigquery", "postgres"},
        description=(
            f"Costs of the billing export {parse_options(account).table}, by the day on which "
            "Google exported them; each day replaces its own rows whole."
        ),
    )
    def export(
        context: AssetExecutionContext, warehouse: WarehouseResource
    ) -> MaterializeResult[None]:
        from oco_pipelines.ingestion.bigquery_credentials import connect
        from oco_pipelines.ingestion.bigquery_days import day_of
        from oco_pipelines.ingestion.bigquery_load import load_day

        started = time.monotonic()
        with failures_told():
            client = connect(account, os.environ)
            day = day_of(context.partition_key)
            result = load_day(warehouse.open(), client, account, day, context.run.run_id)
        for row in result.first_rejected:
            context.log.warning("row %d was rejected: %s", row.row_number, row.reason)
        return MaterializeResult(
            metadata=load_metadata(
                [result],
                bytes_billed=client.spent.bytes_billed,
                requests=client.spent.requests,
                seconds=time.monotonic() - started,
            )
        )

    return export


def export_sensor(account: Account) -> SensorDefinition:
    """Asks for each day once for each of its states, some days a tick."""

    @sensor(
        name=f"{_name(account)}_sensor",
        target=define_asset_job(f"{_name(account)}_changed", selection=[asset_key(account)]),
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Loads days of {account.name} that are new, changed or gone.",
    )
    def watch(
        context: SensorEvaluationContext, warehouse: WarehouseResource
    ) -> SensorResult | SkipReason:
        from oco_pipelines.ingestion.bigquery_credentials import connect
        from oco_pipelines.ingestion.bigquery_load import find_changes
        from oco_pipelines.ingestion.bigquery_retry import SHORT

        cursor = json.loads(context.cursor or "{}")
        try:
            client = connect(account, os.environ, SHORT)
            state = client.state()
            today = _today()
            seen = f"{client.table} {state.modified.isoformat()} {state.rows} {today}"
            if seen == cursor.get("seen"):
                return SkipReason(f"{client.table} is as it was")
            changes = find_changes(warehouse.open(), client, account, today)
        except OpenCloudOpsError as error:
            return SkipReason(str(error))
        asked = cursor.get("asked", {})
        new = {
            day.isoformat(): mark
            for day, mark in changes.items()
            if asked.get(day.isoformat()) != mark
        }
        now = dict(list(new.items())[:MAX_DAYS])
        keys = {day: partition_key(account, day) for day in now}
        still = {day.isoformat() for day in changes}
        return SensorResult(
            run_requests=[
                # A day may come back to what it was before: the same mark is then another state.
                RunRequest(
                    run_key=f"{keys[day]}:{mark}:{state.modified.isoformat()}",
                    partition_key=keys[day],
                )
                for day, mark in now.items()
            ],
            dynamic_partitions_requests=[partitions(account).build_add_request([*keys.values()])],
            cursor=json.dumps(
                {
                    "seen": seen if len(now) == len(new) else "",
                    "asked": {day: mark for day, mark in asked.items() if day in still} | now,
                }
            ),
        )

    return watch


def export_schedule(account: Account, settings: Settings) -> ScheduleDefinition:
    """Asks again for what is not loaded as it is now: runs that failed, and corrected rates."""

    @schedule(
        name=_name(account),
        cron_schedule=settings.ingestion_cron,
        execution_timezone="UTC",
        target=define_asset_job(f"{_name(account)}_again", selection=[asset_key(account)]),
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Loads days of {account.name} whose load failed or whose rate was corrected.",
    )
    def again(
        context: ScheduleEvaluationContext, warehouse: WarehouseResource
    ) -> Iterator[RunRequest | SkipReason]:
        from oco_pipelines.ingestion.bigquery_credentials import connect
        from oco_pipelines.ingestion.bigquery_load import find_changes
        from oco_pipelines.ingestion.bigquery_retry import SHORT

        try:
            client = connect(account, os.environ, SHORT)
            changes = find_changes(warehouse.open(), client, account, _today(), and_rates=True)
        except OpenCloudOpsError as error:
            yield SkipReason(str(error))
            return
        keys = [partition_key(account, day.isoformat()) for day in changes][:MAX_DAYS]
        if not keys:
            yield SkipReason(f"every day of {client.table} is loaded as it is")
            return
        context.instance.add_dynamic_partitions(partitions(account).name or "", keys)
        tick = context.scheduled_execution_time.isoformat()
        for key in keys:
            yield RunRequest(run_key=f"{key}:{tick}", partition_key=key)

    return again


def _name(account: Account) -> str:
    return f"{source_name(account)}_{account.slug}"


def _today() -> date:
    return datetime.now(UTC).date()
