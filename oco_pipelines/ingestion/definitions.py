"""Assets focus_files and cloud_costs, what starts them, and the checks that hold their promises."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from dagster import (
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AutomationCondition,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    Definitions,
    DynamicPartitionsDefinition,
    Failure,
    MaterializeResult,
    RetryRequested,
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

from oco_pipelines.ingestion import cost_checks, source_kinds
from oco_pipelines.ingestion.accounts import kept_rows, load_accounts, refresh
from oco_pipelines.ingestion.changed_partitions import ask_for_changed
from oco_pipelines.problem_check import problem_check
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import INVENTORY
from oco_warehouse.errors import (
    ConflictError,
    InvalidInputError,
    OpenCloudOpsError,
    UpstreamError,
)
from oco_warehouse.settings import Settings

GROUP: Final = "ingestion"
COSTS: Final = "cloud_costs"
FILES: Final = DynamicPartitionsDefinition(name="focus_files")
SENSOR_SECONDS: Final = 60
_RETRIES: Final = 3
_RETRY_SECONDS: Final = 30


def focus_files_asset(settings: Settings) -> AssetsDefinition:
    """The asset over the source that the settings name."""

    @asset(name="focus_files", group_name=GROUP, partitions_def=FILES, kinds={"python", "postgres"})
    def focus_files(
        context: AssetExecutionContext, warehouse: WarehouseResource
    ) -> MaterializeResult[None]:
        """Cloud bills in FOCUS form, one partition a file; each replaces its own rows whole.

        A file that is loaded again changes nothing; a corrected one restates what it said before.
        Rows that cannot be loaded are kept with their reason in `oco.rejected_rows`.
        """
        from oco_pipelines.ingestion import sources
        from oco_pipelines.ingestion.cost_totals import totals_json
        from oco_pipelines.ingestion.focus_file import load_focus_file

        started = time.monotonic()
        key = context.partition_key
        try:
            mark = next((file.etag for file in sources.discover(settings) if file.key == key), "")
            with sources.local_copy(settings, key) as path:
                result = load_focus_file(warehouse.open(), key, path, run_id=context.run.run_id)
        except UpstreamError as error:
            raise RetryRequested(_RETRIES, seconds_to_wait=_RETRY_SECONDS) from error
        except (InvalidInputError, ConflictError) as error:
            raise Failure(description=str(error), allow_retries=False) from error
        for row in result.first_rejected:
            context.log.warning("row %d was rejected: %s", row.row_number, row.reason)
        first, last = result.window or ("nothing", "nothing")
        return MaterializeResult(
            metadata={
                "rows": result.accepted,
                "rejected": result.rejected,
                "inserted": result.inserted,
                "closed": result.closed,
                "status": result.status,
                "total": totals_json(result.totals_loaded),
                "window": f"{first} to {last}",
                "mark": mark,
                "seconds": time.monotonic() - started,
            }
        )

    return focus_files


def cloud_costs_asset(sources: Sequence[AssetKey]) -> AssetsDefinition:
    """The asset over everything that was loaded, from files and from the assets of accounts."""

    @asset(
        group_name=GROUP,
        kinds={"postgres"},
        deps=["focus_files", *sources],
        # One bad file must not hold back the others: a missing partition is no reason to wait.
        automation_condition=AutomationCondition.eager().without(
            ~AutomationCondition.any_deps_missing()
        ),
    )
    def cloud_costs(warehouse: WarehouseResource) -> MaterializeResult[None]:
        """Every cloud charge that is believed now, from all sources; held to the bills."""
        started = time.monotonic()
        totals = cost_checks.totals_by_provider(warehouse.open())
        days = [day for row in totals for day in (row["first_day"], row["last_day"])]
        return MaterializeResult(
            metadata={
                "rows": sum(row["charges"] for row in totals),
                "total": {
                    f"{row['provider']} {row['billing_currency']}": f"{row['billed_cost']:f}"
                    for row in totals
                },
                "window": f"{min(days)} to {max(days)}" if days else "no costs yet",
                "seconds": time.monotonic() - started,
            }
        )

    return cloud_costs


def focus_files_sensor(settings: Settings) -> SensorDefinition:
    """Finds new and changed files; a file is asked for once for each of its versions."""

    @sensor(
        name="focus_files_sensor",
        target=define_asset_job("focus_file", selection=["focus_files"]),
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Loads FOCUS files that are new or changed.",
    )
    def watch(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        from oco_pipelines.ingestion import sources

        try:
            there = {file.key: file.etag for file in sources.discover(settings)}
        except OpenCloudOpsError as error:
            return SkipReason(str(error))
        return ask_for_changed(context, AssetKey("focus_files"), FILES, there)

    return watch


def source_accounts_sensor(settings: Settings) -> SensorDefinition:
    """Looks at the accounts of the API: keeps them for the code server, tells who is refused."""

    @sensor(
        name="source_accounts_sensor",
        target=define_asset_job("cloud_costs_again", selection=[COSTS]),
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Looks at the accounts that are configured through the API.",
    )
    def look(warehouse: WarehouseResource) -> SkipReason:
        try:
            _, refused = refresh(settings, warehouse.open())
        except OpenCloudOpsError as error:
            return SkipReason(str(error))
        if refused:
            return SkipReason("; ".join(refused))
        if kept_rows(settings) != loaded:
            return SkipReason("accounts of the API changed: the definitions are to be loaded again")
        return SkipReason("the accounts of the API are as they were loaded")

    loaded = kept_rows(settings)
    return look


def ingestion_schedule(settings: Settings) -> ScheduleDefinition:
    """Reads every file again: what a sensor has missed is caught here."""

    @schedule(
        name="ingestion",
        cron_schedule=settings.ingestion_cron,
        execution_timezone="UTC",
        target=define_asset_job("ingest", selection=["focus_files"]),
        default_status=DefaultScheduleStatus.RUNNING,
        description="Reads all FOCUS files again; unchanged ones change nothing.",
    )
    def ingest(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        from oco_pipelines.ingestion import sources

        try:
            there = {file.key for file in sources.discover(settings)}
        except OpenCloudOpsError as error:
            yield SkipReason(str(error))
            return
        tick = context.scheduled_execution_time.isoformat()
        for key in context.instance.get_dynamic_partitions("focus_files"):
            if key in there:
                yield RunRequest(run_key=f"{key}:{tick}", partition_key=key)

    return ingest


def build(settings: Settings) -> Definitions:
    """Definitions of the domain, those of the accounts of OCO_SOURCES and of the API among them.

    Raises:
        InvalidInputError: when that file is wrong; one line.
    """
    error, warn = AssetCheckSeverity.ERROR, AssetCheckSeverity.WARN
    accounts = source_kinds.definitions(
        [one for one in load_accounts(settings) if one.kind != INVENTORY], settings
    )
    sources = [
        key
        for part in accounts
        for made in part.assets or ()
        if isinstance(made, AssetsDefinition)
        for key in sorted(made.keys)
    ]
    files = Definitions(
        assets=[focus_files_asset(settings), cloud_costs_asset(sources)],
        asset_checks=[
            problem_check(
                COSTS,
                "control_totals",
                "What was read = accepted + rejected, and accepted = loaded, to the last digit.",
                cost_checks.control_totals,
                error,
            ),
            problem_check(
                COSTS,
                "one_rate_a_month",
                "No currency is mixed: one rate per partition, currency and month.",
                cost_checks.currencies,
                error,
            ),
            problem_check(
                COSTS, "schema", "Rows are as the contract says.", cost_checks.schema, error
            ),
            problem_check(
                COSTS,
                "freshness",
                "Something was read in the last two days.",
                cost_checks.freshness,
                warn,
            ),
            problem_check(
                COSTS,
                "no_gap_in_days",
                "No account lacks a day of use between its first and its last.",
                cost_checks.gaps,
                warn,
            ),
        ],
        sensors=[focus_files_sensor(settings), source_accounts_sensor(settings)],
        schedules=[ingestion_schedule(settings)],
    )
    return Definitions.merge(files, *accounts)
