"""The dbt models as one multi-asset; dbt's data tests are its asset checks."""

import shutil
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AutomationCondition,
    Definitions,
    Output,
)
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    dbt_assets,
)
from psycopg import sql

from oco_pipelines.marts import commitment_checks, mart_checks
from oco_pipelines.marts.dbt_cli import DbtExecutable, keep_parsed
from oco_pipelines.marts.project import (
    PROJECT_DIR,
    dbt_executable,
    ensure_manifest,
    profile_environment,
    target_dir,
)
from oco_pipelines.marts.tag_assets import build as rules_for_tags
from oco_pipelines.problem_check import problem_check
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings

# One dbt at a time in the whole warehouse: two builds would swap each other's tables.
DBT_LOCK: Final = "dbt"
MARTS: Final = "marts"
# Unit tests judge code, not data: `dbt build` in CI runs them.
BUILD: Final = ("build", "--exclude-resource-type", "unit_test")

DbtEvent = (
    Output[Any] | AssetMaterialization | AssetObservation | AssetCheckResult | AssetCheckEvaluation
)


class MartsTranslator(DagsterDbtTranslator):
    """Names models as dbt does, groups them by folder, and builds them when their sources move."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        """A model's own name; a source's key is in its YAML."""
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return AssetKey(dbt_resource_props["name"])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """staging, intermediate or marts."""
        return str(dbt_resource_props["fqn"][1])

    def get_automation_condition(
        self, dbt_resource_props: Mapping[str, Any]
    ) -> AutomationCondition[AssetKey] | None:
        """Build once all of the sources that moved have come to rest."""
        if dbt_resource_props["resource_type"] != "model":
            return None
        return AutomationCondition.eager().without(~AutomationCondition.any_deps_missing())


def _checks(settings: Settings) -> list[AssetChecksDefinition]:
    warn = AssetCheckSeverity.WARN
    restated = partial(mart_checks.large_restatements, percent=settings.restatement_warn_percent)
    return [
        problem_check(
            "fct_cost_daily",
            "mart_totals",
            "The marts hold what cloud_costs believes, by provider, month and currency, exactly.",
            mart_checks.mart_totals,
            after=("int_cloud_cost_cells", "fct_showback_month"),
        ),
        problem_check(
            "focus_cost_and_usage",
            "no_mixed_currency",
            "Money of every mart says its currency.",
            mart_checks.mixed_currencies,
        ),
        problem_check(
            "fct_reconciliation",
            "invoices_match",
            "Every stated invoice is what the bills add up to.",
            mart_checks.invoices_that_differ,
        ),
        problem_check(
            "fct_restatements",
            "restatement_size",
            "No partition's newest load changed much of what its days cost before.",
            restated,
            warn,
        ),
        problem_check(
            "fct_commitment_daily",
            "commitment_identity",
            "Used + unused is what was paid for a commitment, where its bill lets it hold.",
            commitment_checks.broken_commitments,
        ),
        problem_check(
            "fct_commitment_daily",
            "commitment_identity_can_hold",
            "Every provider's bills let used + unused be held to what was paid.",
            commitment_checks.unstated_commitments,
            warn,
        ),
    ]


def build(settings: Settings) -> Definitions:
    """Assets of the dbt project; parses it first when its manifest is stale.

    Raises:
        DbtProjectError: when the project does not parse.
    """
    manifest = ensure_manifest()

    @dbt_assets(
        manifest=manifest,
        # An asset may write several tables, each of which is a source of dbt's.
        dagster_dbt_translator=MartsTranslator(
            DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)
        ),
        name="dbt_models",
    )
    def dbt_models(
        context: AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource
    ) -> Iterator[DbtEvent]:
        house = warehouse.open()
        started = time.monotonic()
        with house.exclusive(DBT_LOCK):
            with profile_environment(house.url):
                invocation = dbt.cli(BUILD, context=context)
            try:
                for event in invocation.stream():
                    yield _with_rows(context, house, event)
            finally:
                keep_parsed(invocation.target_path, target_dir())
                _forget(invocation.target_path)
        context.log.info("dbt build took %.1f s", time.monotonic() - started)

    resource = DbtExecutable(
        project_dir=str(PROJECT_DIR),
        profiles_dir=str(PROJECT_DIR),
        dbt_executable=dbt_executable(),
    )
    own = Definitions(
        assets=[dbt_models], asset_checks=_checks(settings), resources={"dbt": resource}
    )
    return Definitions.merge(own, rules_for_tags())


def _with_rows(context: AssetExecutionContext, house: Warehouse, event: DbtEvent) -> DbtEvent:
    """Adds how many rows a mart has.

    dagster-dbt would ask for relations of the database that the manifest was parsed with, which may
    be another one.
    """
    if not isinstance(event, Output):
        return event
    name = context.asset_key_for_output(event.output_name).path[-1]
    with house.transaction() as connection:
        # A view's rows are the raw table's: counting them would read all of it.
        table = connection.execute(
            "SELECT FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'r'",
            [f"{MARTS}.{name}"],
        ).fetchone()
        if table is None:
            return event
        counting = sql.SQL("SELECT count(*) AS rows FROM {}").format(sql.Identifier(MARTS, name))
        counted = connection.execute(counting).fetchone()
    return event.with_metadata({**event.metadata, "rows": counted["rows"] if counted else 0})


def _forget(artifacts: Path) -> None:
    """Each invocation writes a folder of its own, and would for ever."""
    if artifacts != target_dir():
        shutil.rmtree(artifacts, ignore_errors=True)
