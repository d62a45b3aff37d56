"""One asset for each account of the kind `query`, by the month, and what starts it."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSelection,
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
    asset,
    define_asset_job,
    schedule,
    sensor,
)

from oco_pipelines.ingestion.azure_query_kind import open_query
from oco_pipelines.ingestion.changed_partitions import MAX_REQUESTS
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
from oco_warehouse.cloud_accounts.azure_query_options import QueryOptions
from oco_warehouse.settings import Settings

_SENSOR_SECONDS = 300


def build(accounts: Sequence[tuple[Account, QueryOptions]], settings: Settings) -> Definitions:
    """Asset, schedule and sensor of every account."""
    return Definitions(
        assets=[month_asset(account, options) for account, options in accounts],
        schedules=[restating(account, options, settings) for account, options in accounts],
        sensors=[beginning(account, options) for account, options in accounts],
    )


def month_asset(account: Account, options: QueryOptions) -> AssetsDefinition:
    """The asset of an account."""

    @asset(
        key=asset_key(account),
        group_name=GROUP,
        partitions_def=partitions(account),
        pool=pool(account),
        kinds={"azure", "postgres"},
        description=f"Costs of {options.scope.path} as Azure's Query API answers them: ActualCost "
        "is billed, AmortizedCost is effective. A month is replaced whole.",
    )
    def azure_month(
        context: AssetExecutionContext, warehouse: WarehouseResource
    ) -> MaterializeResult[None]:
        from oco_pipelines.ingestion.azure_query_load import load_month, read_partition

        started = time.monotonic()
        with failures_told():
            partition = read_partition(context.partition_key)
            query = open_query(account, options)
            query.log = context.log.warning
            try:
                result = load_month(
                    warehouse.open(),
                    partition,
                    query,
                    options.scope,
                    today=datetime.now(UTC).date(),
                    run_id=context.run.run_id,
                )
            finally:
                query.close()
        for row in result.first_rejected if result else ():
            context.log.warning("row %d was rejected: %s", row.row_number, row.reason)
        return MaterializeResult(
            metadata=load_metadata(
                [result] if result else [],
                requests=query.effort.requests,
                pages=query.effort.pages,
                seconds_waited=query.effort.waited,
                seconds=time.monotonic() - started,
            )
        )

    return azure_month


def restating(account: Account, options: QueryOptions, settings: Settings) -> ScheduleDefinition:
    """Reads the previous and the open month again: Azure restates both; and what is missing."""
    name = f"{source_name(account)}_{account.slug}"

    @schedule(
        name=f"{name}_restating",
        cron_schedule=settings.ingestion_cron,
        execution_timezone="UTC",
        target=define_asset_job(f"{name}_restated", AssetSelection.assets(asset_key(account))),
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Reads the previous and the open month of {account.name} again.",
    )
    def ask(context: ScheduleEvaluationContext) -> Iterator[RunRequest]:
        from oco_pipelines.ingestion.azure_query_load import restated

        moment = context.scheduled_execution_time
        today = moment.astimezone(UTC).date()
        done = context.instance.get_materialized_partitions(asset_key(account))
        missing = [key for key in wanted(account, options, today) if key not in done]
        since = options.since or date.min
        again = _keys(account, [month for month in restated(today) if month >= since])
        keys = list(dict.fromkeys([*again, *missing]))[:MAX_REQUESTS]
        context.instance.add_dynamic_partitions(partitions(account).name or "", keys)
        for key in keys:
            yield RunRequest(run_key=f"{key}:{moment.isoformat()}", partition_key=key)

    return ask


def beginning(account: Account, options: QueryOptions) -> SensorDefinition:
    """Asks for each month once, as soon as it is there; the schedule reads it again."""
    name = f"{source_name(account)}_{account.slug}"

    @sensor(
        name=f"{name}_beginning",
        target=define_asset_job(f"{name}_begun", AssetSelection.assets(asset_key(account))),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Reads months of {account.name} that were never read.",
    )
    def ask(context: SensorEvaluationContext) -> SensorResult:
        known = set(context.instance.get_dynamic_partitions(partitions(account).name or ""))
        there = wanted(account, options, datetime.now(UTC).date())
        new = [key for key in there if key not in known][:MAX_REQUESTS]
        return SensorResult(
            run_requests=[RunRequest(run_key=f"{key}:begun", partition_key=key) for key in new],
            dynamic_partitions_requests=[partitions(account).build_add_request(new)],
        )

    return ask


def wanted(account: Account, options: QueryOptions, today: date) -> list[str]:
    """Every partition that the account is to have, the newest first: it is what people look at."""
    from oco_pipelines.ingestion.azure_query_load import months, restated

    return _keys(account, months(options.since or restated(today)[0], today)[::-1])


def _keys(account: Account, months: Sequence[date]) -> list[str]:
    return [partition_key(account, f"{month:%Y-%m}") for month in months]
