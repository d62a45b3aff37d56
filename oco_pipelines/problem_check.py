"""An asset check over the warehouse: a function finds problems, a line for each."""

from collections.abc import Callable
from typing import Final

from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetKey,
    asset_check,
)

from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse

Check = Callable[[Warehouse], list[str]]
_SHOWN: Final = 3


def problem_check(
    asset: str,
    name: str,
    description: str,
    find: Check,
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR,
    after: tuple[str, ...] = (),
) -> AssetChecksDefinition:
    """A check that passes when there is no problem.

    Args:
        asset: name of the asset that it judges.
        name: of the check.
        description: the promise, in one sentence.
        find: finds the problems; the first of them are shown.
        severity: what a problem is.
        after: assets that it reads beside, built before it in the same run.
    """

    @asset_check(
        asset=AssetKey(asset),
        name=name,
        description=description,
        additional_deps=[AssetKey(other) for other in after],
    )
    def check(warehouse: WarehouseResource) -> AssetCheckResult:
        problems = find(warehouse.open())
        return AssetCheckResult(
            passed=not problems,
            severity=severity,
            description="; ".join(problems[:_SHOWN]) or None,
            metadata={"problems": len(problems)},
        )

    return check
