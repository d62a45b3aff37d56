"""Asset resources over everything that was listed, and the assets of accounts of kind inventory."""

import time
from collections.abc import Sequence
from typing import Any, Final

from dagster import (
    AssetCheckSeverity,
    AssetKey,
    AssetsDefinition,
    AutomationCondition,
    Definitions,
    MaterializeResult,
    asset,
)

from oco_pipelines.ingestion import source_kinds
from oco_pipelines.ingestion.accounts import load_accounts
from oco_pipelines.ingestion.sources import uses_sample
from oco_pipelines.inventory import checks
from oco_pipelines.problem_check import problem_check
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import INVENTORY
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings

GROUP: Final = "inventory"
RESOURCES: Final = "resources"
NO_SOURCE: Final = "no account of kind inventory is configured: see docs/inventory.md"


def resources_asset(
    from_sample: bool, accounts: Sequence[AssetKey], names: Sequence[str]
) -> AssetsDefinition:
    """The asset over the inventories of all accounts; from the sample where costs are, too.

    Args:
        from_sample: whether the sample stands in.
        accounts: assets of the accounts.
        names: of the accounts.
    """

    @asset(
        name=RESOURCES,
        group_name=GROUP,
        kinds={"python", "postgres"},
        deps=["cloud_costs", *accounts],
        # One account that cannot be listed must not hold back the others.
        automation_condition=AutomationCondition.eager().without(
            ~AutomationCondition.any_deps_missing()
        ),
    )
    def resources(warehouse: WarehouseResource) -> MaterializeResult[None]:
        """What exists in the clouds and how busy it is: the evidence of rules and policies."""
        from oco_pipelines.inventory.store import forget_other_sources

        started = time.monotonic()
        house = warehouse.open()
        forget_other_sources(house, names)
        if from_sample:
            from oco_pipelines.inventory.sample_inventory import write_sample

            write_sample(house)
        told = summary(house)
        if not from_sample and not accounts:
            told["note"] = NO_SOURCE
        return MaterializeResult(metadata={**told, "seconds": time.monotonic() - started})

    return resources


def summary(warehouse: Warehouse) -> dict[str, Any]:
    """Metadata of the asset: resources that exist by kind, and how far metrics reach."""
    kinds = warehouse.query(
        "SELECT resource_type, count(*) AS rows FROM oco.resources WHERE deleted_at IS NULL "
        "GROUP BY resource_type ORDER BY resource_type"
    )
    ends = warehouse.query(
        "SELECT min(interval_start) AS first, max(interval_start) AS last FROM oco.resource_metrics"
    )[0]
    return {
        "rows": sum(row["rows"] for row in kinds),
        "by_kind": {row["resource_type"]: row["rows"] for row in kinds},
        "window": f"{ends['first']} to {ends['last']}" if ends["last"] else "no metrics",
    }


def build(settings: Settings) -> Definitions:
    """Definitions of the domain, those of the accounts of kind inventory among them.

    Raises:
        InvalidInputError: when the file of accounts is wrong; one line.
    """
    wanted = [one for one in load_accounts(settings) if one.kind == INVENTORY]
    accounts = source_kinds.definitions(wanted, settings)
    keys = [
        key
        for part in accounts
        for made in part.assets or ()
        if isinstance(made, AssetsDefinition)
        for key in sorted(made.keys)
    ]
    whole = Definitions(
        assets=[resources_asset(uses_sample(settings), keys, [one.name for one in wanted])],
        asset_checks=[
            problem_check(
                RESOURCES,
                "no_permission_missing",
                "Every account may list what it is asked to.",
                checks.permissions,
            ),
            problem_check(
                RESOURCES,
                "every_listing_whole",
                "The newest listing of every kind came to its end.",
                checks.failures,
            ),
            problem_check(
                RESOURCES,
                "listed_lately",
                "Every account was listed in the last two days.",
                checks.freshness,
                AssetCheckSeverity.WARN,
            ),
        ],
    )
    return Definitions.merge(whole, *accounts)
