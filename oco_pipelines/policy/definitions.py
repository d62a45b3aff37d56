"""Assets governance_policies and policy_violations, and the check that every policy was judged."""

import time
from typing import Final

from dagster import (
    AssetExecutionContext,
    AutomationCondition,
    Definitions,
    MaterializeResult,
    asset,
)

from oco_pipelines.problem_check import problem_check
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings

GROUP: Final = "policy"
_SHOWN: Final = 200


@asset(
    group_name=GROUP,
    kinds={"postgres"},
    automation_condition=AutomationCondition.on_missing(),
)
def governance_policies(warehouse: WarehouseResource) -> MaterializeResult[None]:
    """The rules that spend is held to. People own them; an empty table begins with those that ship.

    To be rid of a shipped policy, disable it.
    """
    from oco_pipelines.policy.policy_store import read_policies, seed_policies
    from oco_pipelines.policy.starter import starter_policies

    started = time.monotonic()
    house = warehouse.open()
    seeded = seed_policies(house, starter_policies())
    policies = read_policies(house)
    return MaterializeResult(
        metadata={
            "rows": len(policies),
            "enabled": sum(policy.enabled for policy in policies),
            "seeded": seeded,
            "seconds": time.monotonic() - started,
        }
    )


@asset(
    group_name=GROUP,
    kinds={"python", "postgres"},
    deps=[governance_policies, "resources", "int_cloud_cost_cells", "fct_llm_usage_daily"],
    automation_condition=AutomationCondition.eager(),
)
def policy_violations(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What breaks a policy, since when, and whose it is. It resolves itself when it is mended."""
    from oco_pipelines.policy.evaluation import evaluate_policies

    started = time.monotonic()
    done = evaluate_policies(warehouse.open())
    for name, error in done.failed.items():
        context.log.error("policy %s failed: %s", name, error)
    return MaterializeResult(
        metadata={
            "rows": done.found,
            "policies": done.judged,
            "opened": done.opened,
            "resolved": done.resolved,
            "failed_policies": [f"{name}: {error[:_SHOWN]}" for name, error in done.failed.items()],
            "overtaken_policies": done.overtaken,
            "window": "what the warehouse holds now",
            "seconds": time.monotonic() - started,
        }
    )


def failing_policies(warehouse: Warehouse) -> list[str]:
    """Enabled policies whose last evaluation failed, a line each."""
    rows = warehouse.query("""
        SELECT name, last_error FROM oco.governance_policies
        WHERE enabled AND last_error IS NOT NULL ORDER BY name
    """)
    return [f"{row['name']}: {row['last_error']}" for row in rows]


def build(settings: Settings) -> Definitions:  # noqa: ARG001 - every domain is built alike
    """Definitions of the domain."""
    every_policy_is_judged = problem_check(
        "policy_violations",
        "every_policy_is_judged",
        "No enabled policy failed when it was last evaluated.",
        failing_policies,
    )
    return Definitions(
        assets=[governance_policies, policy_violations], asset_checks=[every_policy_is_judged]
    )
