"""Violations open, stay and resolve by themselves, on a real warehouse."""

from decimal import Decimal

from oco_pipelines.policy.rules import BilledResource
from oco_pipelines.policy.store import keep_violations, read_policies, seed_policies
from oco_warehouse.database import Warehouse

BROKEN = BilledResource(
    {
        "provider": "aws",
        "account_id": "111",
        "resource_id": "vol-1",
        "resource_name": None,
        "tags": {"owner": "kim"},
        "service": "EBS",
        "region": "eu-west-1",
    },
    Decimal("12.345"),
)


def violations(warehouse: Warehouse) -> list[dict[str, object]]:
    return warehouse.query("SELECT * FROM oco.policy_violations ORDER BY detected_at")


def test_an_empty_table_is_seeded_once_and_a_used_one_never(warehouse: Warehouse) -> None:
    assert seed_policies(warehouse) == 1
    assert seed_policies(warehouse) == 0
    warehouse.execute("UPDATE oco.governance_policies SET name = 'mine', enabled = false")
    assert seed_policies(warehouse) == 0
    assert [policy.name for policy in read_policies(warehouse)] == ["mine"]


def test_a_violation_is_one_row_from_the_first_run_to_its_end(warehouse: Warehouse) -> None:
    seed_policies(warehouse)
    policy = read_policies(warehouse)[0]
    assert keep_violations(warehouse, policy, [BROKEN], 30).opened == 1
    again = keep_violations(warehouse, policy, [BROKEN], 30)
    assert (again.found, again.opened, again.resolved) == (1, 0, 0)
    (known,) = violations(warehouse)
    assert known["owner"] == "kim"
    assert known["evidence"]["cost_usd"] == "12.345"  # type: ignore[index]
    assert keep_violations(warehouse, policy, [], 30).resolved == 1
    (mended,) = violations(warehouse)
    assert mended["resolved_at"] is not None


def test_what_breaks_again_is_a_new_violation(warehouse: Warehouse) -> None:
    seed_policies(warehouse)
    policy = read_policies(warehouse)[0]
    for broken in ([BROKEN], [], [BROKEN]):
        keep_violations(warehouse, policy, broken, 30)
    first, second = violations(warehouse)
    assert first["resolved_at"] is not None
    assert second["resolved_at"] is None
