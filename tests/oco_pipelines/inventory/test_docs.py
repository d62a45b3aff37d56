"""What the documentation says to grant is what is asked for."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from oco_pipelines.inventory import azure_check, gcp_check
from oco_pipelines.inventory.aws_check import inventory_policy
from oco_pipelines.inventory.facts import FACTS
from oco_pipelines.inventory.k8s_check import CLUSTER_ROLE
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_inventory import parse_inventory

PAGE = (Path(__file__).parents[3] / "docs/inventory.md").read_text()


def test_the_policy_is_the_one_that_the_check_prints(account: Callable[..., Account]) -> None:
    found = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    options = parse_inventory(account(regions="all"))
    assert json.loads(found[1]) == json.loads(inventory_policy(options))


def test_roles_and_facts_are_all_there() -> None:
    assert f"```yaml\n{CLUSTER_ROLE}\n```" in PAGE
    for name in (*azure_check.ROLES, *gcp_check.ROLES, *gcp_check.SERVICES, *FACTS):
        assert name in PAGE, name
