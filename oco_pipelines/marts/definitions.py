"""The dbt models as one multi-asset; dbt's data tests are its asset checks."""

import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AutomationCondition,
    Definitions,
    Output,
)
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets
from psycopg import sql

from oco_pipelines.marts.project import (
    PROJECT_DIR,
    dbt_executable,
    ensure_manifest,
    profile_environment,
    target_dir,
)
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


def build(settings: Settings) -> Definitions:  # noqa: ARG001 - every domain is built alike
    """Assets of the dbt project; parses it first when its manifest is stale.

    Raises:
        DbtProjectError: when the project does not parse.
    """
    manifest = ensure_manifest()

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=MartsTranslator(),
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
                _forget(invocation.target_path)
        context.log.info("dbt build took %.1f s", time.monotonic() - started)

    resource = DbtCliResource(
        project_dir=str(PROJECT_DIR),
        profiles_dir=str(PROJECT_DIR),
        dbt_executable=dbt_executable(),
    )
    return Definitions(assets=[dbt_models], resources={"dbt": resource})


def _with_rows(context: AssetExecutionContext, house: Warehouse, event: DbtEvent) -> DbtEvent:
    """Adds how many rows a mart has.

    dagster-dbt would ask for relations of the database that the manifest was parsed with, which may
    be another one.
    """
    if not isinstance(event, Output):
        return event
    name = context.asset_key_for_output(event.output_name).path[-1]
    with house.transaction() as connection:
        table = connection.execute("SELECT to_regclass(%s) AS name", [f"{MARTS}.{name}"]).fetchone()
        if table is None or table["name"] is None:
            return event
        counting = sql.SQL("SELECT count(*) AS rows FROM {}").format(sql.Identifier(MARTS, name))
        counted = connection.execute(counting).fetchone()
    return event.with_metadata({**event.metadata, "rows": counted["rows"] if counted else 0})


def _forget(artifacts: Path) -> None:
    """Each invocation writes a folder of its own, and would for ever."""
    if artifacts != target_dir():
        shutil.rmtree(artifacts, ignore_errors=True)
