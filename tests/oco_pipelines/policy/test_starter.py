"""Each policy that ships hits one planted resource and leaves another one alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from oco_pipelines.policy.policy_store import read_policies, seed_policies
from oco_pipelines.policy.starter import starter_policies
from oco_warehouse.database import Warehouse
from oco_warehouse.policy_engine.dry_run import dry_run
from oco_warehouse.policy_rules import parse_rules
from tests.oco_pipelines.policy import planted

POLICIES: Final = {policy.name: policy for policy in starter_policies()}
Plant = Callable[[Warehouse], None]


def pair(kind: str, bad: dict[str, Any], good: dict[str, Any]) -> Plant:
    """Two resources with these facts, `bad` and `good`."""

    def plant(warehouse: Warehouse) -> None:
        planted.resource(warehouse, "bad", kind, facts=bad, tags={"owner": "kim", "env": "prod"})
        planted.resource(warehouse, "good", kind, facts=good, tags={"owner": "kim", "env": "prod"})

    return plant


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def untagged_spend(warehouse: Warehouse) -> None:
    planted.charge(warehouse, "1.01", resource_id="bad")
    planted.charge(warehouse, "1.00", resource_id="good")
    planted.charge(warehouse, "9", resource_id="tagged", tags={"team": "search"})


def owners(warehouse: Warehouse) -> None:
    planted.resource(warehouse, "bad", tags={"team": "search"})
    planted.resource(warehouse, "good", tags={"owner": "kim"})


def untagged_account(warehouse: Warehouse) -> None:
    planted.cost_cells(
        warehouse,
        ("bad", "EC2", None, "79", 0),
        ("bad", "EC2", "search", "300", 0),
        ("good", "EC2", None, "75", 0),
        ("good", "EC2", "search", "300", 0),
    )


def expensive(warehouse: Warehouse) -> None:
    planted.charge(warehouse, "5000.01", resource_id="bad")
    planted.charge(warehouse, "5000", resource_id="good")


def jump(warehouse: Warehouse) -> None:
    planted.cost_cells(
        warehouse,
        ("bad", "EC2", None, "151", 0),
        ("bad", "EC2", None, "100", 7),
        ("good", "EC2", None, "150", 0),
        ("good", "EC2", None, "100", 7),
    )


def budgets(warehouse: Warehouse) -> None:
    # Of the last no call has come since its period ended.
    for name, spent, ended in (("bad", 10, -1), ("good", 9, -1), ("over", 10, 1)):
        warehouse.execute(
            "INSERT INTO oco.budgets (id, scope, entity_id, limit_usd, spent_usd, period_start, "
            "period_end) VALUES (%s, 'team', %s, 10, %s, now() - interval '40 days', %s)",
            [name, name, spent, ago(ended)],
        )


def regions(warehouse: Warehouse) -> None:
    planted.charge(warehouse, "1", resource_id="bad", region="us-east-1")
    planted.charge(warehouse, "1", resource_id="good", region="eu-west-1")


def services(warehouse: Warehouse) -> None:
    planted.cost_cells(
        warehouse,
        ("bad", "Quantum Ledger", None, "2", 0),
        ("good", "Amazon Simple Storage Service", None, "2", 0),
        ("cheap", "Quantum Ledger", None, "1", 0),
    )


def idle(warehouse: Warehouse) -> None:
    old, stopped = {"created_at": ago(8)}, {"created_at": ago(8), "stopped_since": ago(1)}
    machines = (
        ("bad", 4, old), ("good", 6, old), ("new", 4, {"created_at": ago(6)}), ("off", 4, stopped),
    )  # fmt: skip
    for name, cpu, facts in machines:
        planted.resource(warehouse, name, facts=facts)
        planted.metric(warehouse, name, "cpu_percent", cpu)
        planted.metric(warehouse, name, "network_bytes_per_second", 999)
    planted.resource(warehouse, "unknown", facts=old)


def models(warehouse: Warehouse) -> None:
    planted.llm_usage(
        warehouse, ("bad", "openai", "o1-pro", 10, 0), ("good", "openai", "gpt-5", 9, 0)
    )


def unpriced(warehouse: Warehouse) -> None:
    planted.llm_usage(warehouse, ("a", "openai", "bad", 100, 6), ("a", "openai", "good", 100, 5))


def namespaces(warehouse: Warehouse) -> None:
    planted.resource(warehouse, "bad", "k8s.namespace", account="prod")
    planted.dr_policy(warehouse, "good", hours_old=1)


def recovery(warehouse: Warehouse) -> None:
    planted.dr_policy(warehouse, "bad", hours_old=25)
    planted.dr_policy(warehouse, "good", hours_old=23)


PLANTS: Final[dict[str, Plant]] = {
    "untagged-spend": untagged_spend,
    "resource-without-owner": owners,
    "account-mostly-untagged": untagged_account,
    "expensive-resource": expensive,
    "account-spend-jumps": jump,
    "budget-breached": budgets,
    "region-allow-list": regions,
    "service-allow-list": services,
    "idle-instance": idle,
    "unattached-volume": pair(
        "aws.ebs",
        {"attached": False, "created_at": ago(90), "unattached_since": ago(8)},
        {"attached": False, "created_at": ago(90), "unattached_since": ago(6)},
    ),
    "stopped-instance": pair(
        "gcp.instance", {"stopped_since": ago(31)}, {"stopped_since": ago(29)}
    ),
    "unused-address": pair("aws.network-addr", {"attached": False}, {"attached": True}),
    "old-snapshot": pair(
        "azure.snapshot",
        {"created_at": ago(181), "source_exists": False},
        {"created_at": ago(181), "source_exists": True},
    ),
    "unencrypted-storage": pair("aws.s3", {"encrypted": False}, {"encrypted": True}),
    "public-database-or-bucket": pair("gcp.bucket", {"public": True}, {}),
    "single-zone-database": pair("aws.rds", {"multi_az": False}, {"multi_az": True}),
    "model-allow-list": models,
    "unpriced-model-calls": unpriced,
    "namespace-without-backup": namespaces,
    "recovery-point-too-old": recovery,
}


def test_twenty_policies_ship_and_each_is_planted_for() -> None:
    assert len(POLICIES) == 20
    assert POLICIES.keys() == PLANTS.keys()


@pytest.mark.parametrize("name", PLANTS)
def test_a_shipped_policy_hits_what_breaks_it_and_nothing_else(
    warehouse: Warehouse, name: str
) -> None:
    PLANTS[name](warehouse)
    found = dry_run(warehouse, parse_rules(POLICIES[name].rules), 10)
    assert found.found == 1, found.hits
    hit = found.hits[0]
    assert "bad" in f"{hit['resource_id']} {hit['account_id']}"


def test_an_empty_table_is_seeded_once_and_a_used_one_never(warehouse: Warehouse) -> None:
    assert seed_policies(warehouse, starter_policies()) == 20
    assert seed_policies(warehouse, starter_policies()) == 0
    warehouse.execute("DELETE FROM oco.governance_policies WHERE name <> 'untagged-spend'")
    assert seed_policies(warehouse, starter_policies()) == 0
    assert [policy.name for policy in read_policies(warehouse)] == ["untagged-spend"]
