"""Assets governance_policies and policy_violations."""

import time
from typing import Final

from dagster import (
    AssetExecutionContext,
    AutomationCondition,
    Definitions,
    MaterializeResult,
    asset,
)

from oco_pipelines.resources import WarehouseResource
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.settings import Settings

GROUP: Final = "policy"
DEFAULT_DAYS: Final = 30


@asset(
    group_name=GROUP,
    kinds={"postgres"},
    automation_condition=AutomationCondition.on_missing(),
)
def governance_policies(warehouse: WarehouseResource) -> MaterializeResult[None]:
    """The rules that spend is held to. People own them; an empty table begins with those that ship.

    To be rid of a shipped policy, disable it.
    """
    from oco_pipelines.policy.store import read_policies, seed_policies

    started = time.monotonic()
    house = warehouse.open()
    seeded = seed_policies(house)
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
    deps=["governance_policies", "focus_cost_and_usage", "optimization_recommendations"],
    automation_condition=AutomationCondition.eager(),
)
def policy_violations(
    context: AssetExecutionContext, warehouse: WarehouseResource
) -> MaterializeResult[None]:
    """What breaks a policy, since when, and what it costs. Resolves itself when it is mended."""
    from oco_pipelines.policy import store
    from oco_pipelines.policy.rules import compile_rule

    started = time.monotonic()
    house = warehouse.open()
    last_day = store.newest_cost_day(house)
    found = opened = resolved = 0
    unreadable: list[str] = []
    for policy in store.read_policies(house):
        days, broken_by = DEFAULT_DAYS, []
        if policy.enabled and last_day is not None:
            try:
                rule = compile_rule(policy.rules)
            except InvalidInputError as error:
                # Its open violations stay: an unreadable rule says nothing about them.
                unreadable.append(f"{policy.name}: {error}")
                context.log.warning("policy %s cannot be read: %s", policy.name, error)
                continue
            days = rule.days or DEFAULT_DAYS
            resources = store.read_billed_resources(house, last_day, days)
            broken_by = [resource for resource in resources if rule.holds(resource)]
        kept = store.keep_violations(house, policy, broken_by, days)
        found, opened, resolved = found + kept.found, opened + kept.opened, resolved + kept.resolved
    return MaterializeResult(
        metadata={
            "rows": found,
            "opened": opened,
            "resolved": resolved,
            "unreadable_policies": unreadable,
            "window": f"to {last_day}" if last_day else "no costs yet",
            "seconds": time.monotonic() - started,
        }
    )


def build(settings: Settings) -> Definitions:  # noqa: ARG001 - every domain is built alike
    """Definitions of the domain."""
    return Definitions(assets=[governance_policies, policy_violations])
