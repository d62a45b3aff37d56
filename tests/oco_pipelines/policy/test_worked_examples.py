"""The figures of docs/policies.md are what the engine computes."""

from decimal import Decimal
from pathlib import Path

import yaml

from oco_pipelines.policy.policy_file import read_policy
from oco_pipelines.policy.starter import starter_policies
from oco_warehouse.database import Warehouse
from oco_warehouse.policy_engine.dry_run import DryRun, dry_run
from oco_warehouse.policy_rules import parse_rules
from tests.oco_pipelines.policy import planted

PAGE = (Path(__file__).parents[3] / "docs/policies.md").read_text()
SHIPPED = {policy.name: policy.rules for policy in starter_policies()}


def tried(warehouse: Warehouse, name: str) -> DryRun:
    return dry_run(warehouse, parse_rules(SHIPPED[name]), 10)


def figure(done: DryRun, name: str) -> Decimal:
    (hit,) = done.hits
    return Decimal(hit["evidence"][name])


def test_the_policy_that_the_page_shows_is_one() -> None:
    block = PAGE.split("```yaml\n", 1)[1].split("```", 1)[0]
    (entry,) = yaml.safe_load(block)["policies"]
    policy = read_policy(entry)
    assert (policy.name, policy.severity) == ("idle-and-expensive", "critical")


def test_share_without_a_team(warehouse: Warehouse) -> None:
    planted.cost_cells(
        warehouse,
        ("over", "EC2", None, "79.00", 0),
        ("over", "EC2", "search", "300.00", 3),
        ("at", "EC2", None, "75.00", 0),
        ("at", "EC2", "search", "300.00", 3),
    )
    share = figure(tried(warehouse, "account-mostly-untagged"), "untagged_spend_share_last_30d")
    assert f"{share:.2%}".replace("%", " %") == "20.84 %"
    assert "79 / 379 is\n20.84 %" in PAGE


def test_a_week_against_the_one_before(warehouse: Warehouse) -> None:
    planted.cost_cells(
        warehouse,
        ("over", "EC2", None, "151.00", 6),
        ("over", "EC2", None, "100.00", 7),
        ("at", "EC2", None, "150.00", 0),
        ("at", "EC2", None, "100.00", 13),
        ("new", "EC2", None, "900.00", 0),
    )
    change = figure(tried(warehouse, "account-spend-jumps"), "spend_change_pct_last_7d")
    assert change == 51
    assert "$151.00 after $100.00 is a change of 51 %" in PAGE


def test_cost_of_a_resource(warehouse: Warehouse) -> None:
    for days_ago, usd in ((0, "1.50"), (29, "2.25"), (30, "100.00")):
        planted.charge(warehouse, usd, days_ago=days_ago, resource_id="vol-1")
    cost = figure(tried(warehouse, "untagged-spend"), "cost_last_30d")
    assert f"`cost_last_30d` is ${cost}" in PAGE


def test_calls_without_a_price(warehouse: Warehouse) -> None:
    planted.llm_usage(warehouse, ("a", "openai", "x", 100, 6), ("a", "openai", "y", 100, 5))
    share = figure(tried(warehouse, "unpriced-model-calls"), "unpriced_share_last_7d")
    assert f"6 of 100 calls are {share:.0%}".replace("%", " %") in PAGE


def test_as_many_ship_and_are_enabled_as_the_page_says() -> None:
    enabled = sum(policy.enabled for policy in starter_policies())
    assert (len(SHIPPED), enabled) == (20, 15)
    assert "Twenty policies ship. Fifteen are enabled" in PAGE
