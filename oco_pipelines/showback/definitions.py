"""Assets of what people state, the sensor that sees it change, and the check on rules.

The marts behind them are built by their automation conditions.
"""

import json
from typing import Final

from dagster import (
    AssetKey,
    AssetsDefinition,
    DefaultSensorStatus,
    Definitions,
    MaterializeResult,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    asset,
    define_asset_job,
    sensor,
)
from psycopg import sql

from oco_pipelines.problem_check import problem_check
from oco_pipelines.resources import WarehouseResource
from oco_pipelines.showback.rule_store import unusable_rules
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings

GROUP: Final = "showback"
SENSOR_SECONDS: Final = 60
# Table of schema oco → what it is.
STATED: Final = {
    "cost_allocations": "Rules that share cost out to teams, as people state them.",
    "invoices": "Invoices to hold the bills against, as people state them.",
    "teams": "Teams that are registered with the gateway.",
}


def stated_asset(table: str, description: str) -> AssetsDefinition:
    """The asset of a table that people write: a materialisation says that it changed."""

    @asset(name=table, group_name=GROUP, kinds={"postgres"}, description=description)
    def stated(warehouse: WarehouseResource) -> MaterializeResult[None]:
        with warehouse.open().transaction() as connection:
            counting = sql.SQL("SELECT count(*) AS rows FROM {}").format(
                sql.Identifier("oco", table)
            )
            counted = connection.execute(counting).fetchone()
        return MaterializeResult(metadata={"rows": counted["rows"] if counted else 0})

    return stated


def marks(warehouse: Warehouse) -> dict[str, str]:
    """A mark of the content of each stated table."""
    (row,) = warehouse.query("""
        SELECT (SELECT md5(coalesce(string_agg(r::text, '|' ORDER BY r::text), ''))
                FROM oco.cost_allocations AS r) AS cost_allocations,
               (SELECT md5(coalesce(string_agg(i::text, '|' ORDER BY i::text), ''))
                FROM oco.invoices AS i) AS invoices,
               (SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))
                FROM oco.teams AS t) AS teams
    """)
    return row


def stated_sensor() -> SensorDefinition:
    """Asks for the assets whose tables changed since it last looked."""

    @sensor(
        name="stated",
        target=define_asset_job("stated", selection=[*STATED]),
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Sees allocation rules, invoices and teams that people changed.",
    )
    def watch(
        context: SensorEvaluationContext, warehouse: WarehouseResource
    ) -> RunRequest | SkipReason:
        now = marks(warehouse.open())
        before: dict[str, str] = json.loads(context.cursor or "{}")
        changed = [table for table in STATED if before.get(table) != now[table]]
        if not changed:
            return SkipReason("no rule, no invoice and no team changed")
        context.update_cursor(json.dumps(now))
        return RunRequest(asset_selection=[AssetKey(table) for table in changed])

    return watch


def build(settings: Settings) -> Definitions:  # noqa: ARG001 - every domain is built alike
    """Definitions of the domain."""
    return Definitions(
        assets=[stated_asset(table, description) for table, description in STATED.items()],
        asset_checks=[
            problem_check(
                "cost_allocations",
                "rules_are_usable",
                "Every rule is one that an import would take, however it was written.",
                unusable_rules,
            )
        ],
        sensors=[stated_sensor()],
    )
