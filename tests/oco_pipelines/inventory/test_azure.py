"""Subscriptions of Azure: Microsoft's own clients against a server on this machine."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from oco_pipelines.ingestion.source_kinds import kind_of
from oco_pipelines.inventory import checks
from oco_pipelines.inventory.azure_access import Azure as Client
from oco_pipelines.inventory.azure_collect import AzureCollected, collect
from oco_pipelines.inventory.azure_resources import TYPES, resource
from oco_pipelines.inventory.found import RECOMMENDATIONS
from oco_pipelines.inventory.pace import Pace
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.azure_inventory import parse_inventory
from oco_warehouse.cloud_accounts.reading import parse_accounts
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.resource_types import RESOURCE_TYPES
from tests.oco_pipelines.inventory.azure_standin import SUBSCRIPTION, TOKEN, Azure, azure
from tests.oco_pipelines.inventory.charges import load_charge

NOW = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
LAST_HOUR = datetime(2026, 11, 20, 11, tzinfo=UTC)
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Main/providers"


@pytest.fixture
def cloud() -> Iterator[Azure]:
    with azure() as server:
        yield server


@pytest.fixture
def account(cloud: Azure, tmp_path: Path) -> Callable[..., Account]:
    (tmp_path / "token").write_text(TOKEN)

    def make(**options: Any) -> Account:
        chosen = {"subscriptions": [SUBSCRIPTION], "endpoint": cloud.url, **options}
        entry = {
            "name": "main", "provider": "azure", "kind": "inventory", "options": chosen,
            "credentials": {"from": "file", "path": "token"},
        }  # fmt: skip
        (found,) = parse_accounts({"accounts": [entry]}, tmp_path)
        return found

    return make


@pytest.fixture
def run(warehouse: Warehouse, account: Callable[..., Account]) -> Callable[..., AzureCollected]:
    def once(now: datetime = NOW, page_size: int = 1000, **options: Any) -> AzureCollected:
        one = account(**options)
        client = Client(one, parse_inventory(one), Pace(1e9), page_size)
        return collect(warehouse, one, azure=client, now=now)

    return once


def row(kind: str, name: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": f"{GROUP}/{TYPES[kind]}/{name}", "name": name, "type": TYPES[kind],
        "location": "westeurope", "subscriptionId": SUBSCRIPTION, "resourceGroup": "Main",
        "tags": {"team": "web"}, "properties": properties, **more,
    }  # fmt: skip


def machine(name: str, state: str = "VM running", size: str = "Standard_D8s_v5") -> dict[str, Any]:
    disk = f"{GROUP}/Microsoft.Compute/disks/{name}-os"
    return row(
        "azure.vm", name,
        {
            "hardwareProfile": {"vmSize": size}, "timeCreated": "2026-01-02T03:04:05.1Z",
            "storageProfile": {"osDisk": {"managedDisk": {"id": disk}}, "dataDisks": []},
            "extended": {"instanceView": {"powerState": {"displayStatus": state}}},
        },
    )  # fmt: skip


def disk(name: str, **properties: Any) -> dict[str, Any]:
    return row(
        "azure.disk", name,
        {"diskSizeGB": 128, "diskState": "Unattached", "timeCreated": "2026-01-01T00:00:00Z"}
        | properties,
        sku={"name": "Premium_LRS"},
    )  # fmt: skip


def stored(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    rows = warehouse.query("SELECT * FROM oco.resources WHERE deleted_at IS NULL")
    return {row["resource_name"]: row for row in rows}


def test_every_kind_is_one_that_everybody_knows() -> None:
    assert set(TYPES) <= RESOURCE_TYPES


def test_a_machine_is_told_with_its_size_state_and_disks(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse
) -> None:
    cloud.rows = [machine("web-1")]
    run()
    found = stored(warehouse)["web-1"]
    assert (found["state"], found["size"]) == ("VM running", "Standard_D8s_v5")
    assert found["tags"] == {"team": "web"}
    assert found["facts"]["vcpu"] == 8
    assert (found["facts"]["family"], found["facts"]["generation"]) == ("D", 5)
    assert found["facts"]["created_at"] == "2026-01-02T03:04:05.100000+00:00"
    assert found["facts"]["volume_ids"] == [f"{GROUP}/Microsoft.Compute/disks/web-1-os".lower()]
    assert found["attributes"]["properties"]["hardwareProfile"]["vmSize"] == "Standard_D8s_v5"


def test_what_azure_does_not_date_began_when_it_was_first_seen_and_ends_with_it(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse
) -> None:
    cloud.rows = [machine("web-1", "VM deallocated"), machine("web-2", "VM stopped"), disk("data")]
    run()
    first = stored(warehouse)
    assert "stopped_since" not in first["web-2"]["facts"]
    run()
    again = stored(warehouse)
    for name, fact in (("web-1", "stopped_since"), ("data", "unattached_since")):
        seen = datetime.fromisoformat(first[name]["facts"][fact])
        assert first[name]["first_seen_at"] - seen < timedelta(seconds=1)
        assert again[name]["facts"][fact] == first[name]["facts"][fact]
    cloud.rows = [machine("web-1", "VM running"), disk("data", diskState="Attached")]
    run()
    for found in stored(warehouse).values():
        assert not found["facts"].keys() & {"stopped_since", "unattached_since"}


def test_every_page_is_read(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse
) -> None:
    cloud.rows = [disk(f"data-{number}") for number in range(23)]
    run(page_size=5)
    assert len(stored(warehouse)) == 23


def test_a_disk_that_is_gone_ends_and_a_snapshot_says_that_it_has_no_source(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse
) -> None:
    kept, gone = disk("kept"), disk("gone")
    cloud.rows = [
        kept, gone,
        *(row("azure.snapshot", f"of-{one['name']}",
              {"diskSizeGB": 128, "creationData": {"sourceResourceId": one["id"]}})
          for one in (kept, gone)),
    ]  # fmt: skip
    run()
    cloud.rows.remove(gone)
    assert run().collected.ended == 1
    found = stored(warehouse)
    assert "gone" not in found
    assert found["of-kept"]["facts"]["source_exists"] is True
    assert found["of-gone"]["facts"]["source_exists"] is False


@pytest.mark.parametrize(
    ("kind", "properties", "facts"),
    [
        ("azure.disk", {"diskState": "Attached"}, {"attached": True}),
        ("azure.publicip", {}, {"attached": False, "public": True}),
        ("azure.publicip", {"ipConfiguration": {"id": "/nic"}}, {"attached": True}),
        ("azure.loadbalancer", {"backendAddressPools": []}, {"targets": 0}),
        ("azure.networkinterface", {"virtualMachine": {"id": "/vm"}}, {"attached_to": "/vm"}),
        ("azure.sqldatabase", {"zoneRedundant": True}, {"multi_az": True}),
        ("azure.storage", {"allowBlobPublicAccess": True, "accessTier": "Hot"},
         {"public": True, "storage_class": "Hot"}),
    ],
)  # fmt: skip
def test_facts_of_a_kind(kind: str, properties: dict[str, Any], facts: dict[str, Any]) -> None:
    found = resource(kind, row(kind, "one", properties)).facts
    assert facts.items() <= dict(found).items()


def test_a_resource_is_called_as_on_the_bill(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse, tmp_path: Path
) -> None:
    spelt = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/MAIN/providers/{TYPES['azure.disk']}/a"
    load_charge(warehouse, tmp_path, "Microsoft", SUBSCRIPTION, spelt)
    cloud.rows = [disk("a"), disk("b")]
    run()
    found = stored(warehouse)
    assert found["a"]["resource_id"] == spelt
    assert found["b"]["resource_id"] == found["b"]["resource_id"].lower()


def test_metrics_arrive_as_they_were_measured(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse
) -> None:
    one = machine("web-1")
    cloud.rows, name = [one], one["id"].lower()
    cloud.series = {
        (name, "Percentage CPU"): {
            LAST_HOUR: {"average": 4.5, "maximum": 9, "minimum": 1, "total": 270, "count": 60}
        },
        (name, "Network In Total"): {
            LAST_HOUR: {"total": 36_000, "average": 600, "count": 60},
            LAST_HOUR - timedelta(hours=1): {"total": 36_000, "count": 60},
        },
        (name, "Network Out Total"): {LAST_HOUR: {"total": 7_200, "count": 60}},
        (name, "Available Memory Percentage"): {
            LAST_HOUR: {"average": 70, "minimum": 40, "maximum": 90, "count": 60}
        },
    }
    done = run()
    rows = warehouse.query(
        "SELECT metric, interval_start, average, maximum, sample_count FROM oco.resource_metrics "
        "ORDER BY metric"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("cpu_percent", LAST_HOUR, Decimal("4.5"), 9, 60),
        ("memory_percent", LAST_HOUR, 30, 60, 60),
        ("network_bytes_per_second", LAST_HOUR, 12, None, 60),
    ]
    assert (done.metric_requests, done.intervals) == (1, 3)


def test_a_metric_that_azure_does_not_know_costs_no_other(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse
) -> None:
    one = machine("web-1")
    cloud.rows, cloud.unknown = [one], {"Available Memory Percentage"}
    hour = {"average": 4.5, "maximum": 9, "total": 270, "count": 60}
    names = ("Percentage CPU", "Network In Total", "Network Out Total")
    cloud.series = {(one["id"].lower(), name): {LAST_HOUR: hour} for name in names}
    done = run()
    rows = warehouse.query("SELECT metric FROM oco.resource_metrics ORDER BY metric")
    assert [row["metric"] for row in rows] == ["cpu_percent", "network_bytes_per_second"]
    assert done.collected.problems == []
    # All at once, and each of the four by itself.
    assert done.metric_requests == 5


def test_only_what_is_new_is_read_again(run: Callable[..., AzureCollected], cloud: Azure) -> None:
    cloud.rows = [machine("web-1")]
    run()
    run(now=NOW + timedelta(hours=6))
    asked = [query["timespan"] for path, query in cloud.requests if "Insights/metrics" in path]
    assert asked == [
        "2026-11-06T12:00:00Z/2026-11-20T12:00:00Z",
        "2026-11-20T09:00:00Z/2026-11-20T18:00:00Z",
    ]


def test_a_resource_that_measures_nothing_holds_up_nobody(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse
) -> None:
    cloud.rows = [row("azure.loadbalancer", "basic", {}), machine("web-1")]
    cloud.failing = {"loadbalancers/basic/providers/Microsoft.Insights"}
    assert run().collected.problems == []


def test_what_advisor_recommends_is_kept_beside_what_the_resource_reports(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse
) -> None:
    cloud.rows = [machine("web-1"), machine("web-2")]
    cloud.advice = [
        {"id": f"/advice/{one['name']}", "properties": {
            "category": "Cost", "impact": "High", "impactedValue": one["name"],
            "shortDescription": {"problem": f"Resize {one['name']}"},
            "resourceMetadata": {"resourceId": one["id"]},
            "extendedProperties": {"savingsAmount": "41.50"}}}
        for one in cloud.rows
    ]  # fmt: skip
    assert run().advice == 2
    for name, found in stored(warehouse).items():
        (told,) = found["attributes"][RECOMMENDATIONS]
        assert f"Resize {name}" in str(told)
        assert "41.50" in str(told)


def test_a_subscription_that_may_not_be_seen_ends_nothing(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse
) -> None:
    cloud.rows = [machine("web-1")]
    run()
    cloud.visible = set()
    done = run()
    assert set(done.collected.missing) == {"Microsoft.Resources/subscriptions/resources/read"}
    assert set(stored(warehouse)) == {"web-1"}


@pytest.mark.parametrize(
    ("part", "permission", "kind"),
    [
        ("Insights/metrics", "Microsoft.Insights/metrics/read", "metrics"),
        ("Advisor", "Microsoft.Advisor/recommendations/read", "recommendations"),
    ],
)
def test_a_permission_that_is_missing_is_named_and_the_rest_is_listed(
    run: Callable[..., AzureCollected], cloud: Azure, warehouse: Warehouse,
    part: str, permission: str, kind: str,
) -> None:  # fmt: skip
    cloud.rows = [machine("web-1")]
    cloud.denied = {part}
    assert run().collected.missing == {permission: {kind}}
    assert set(stored(warehouse)) == {"web-1"}
    assert checks.permissions(warehouse) == [
        f"account main: {permission} is missing for {kind}: see `oco sources check main`"
    ]


def test_the_check_says_which_roles_are_missing(
    account: Callable[..., Account], cloud: Azure
) -> None:
    cloud.visible = set()
    one = account()
    token, subscription = kind_of(one).check(one)
    assert token.ok
    assert not subscription.ok
    assert '--role "Reader"' in subscription.remedy
    assert '--role "Monitoring Reader"' in subscription.remedy
    assert f'--scope "/subscriptions/{SUBSCRIPTION}"' in subscription.remedy


def test_the_check_finds_nothing_missing_where_all_may_be_seen(
    account: Callable[..., Account], cloud: Azure
) -> None:
    cloud.rows = [machine("web-1"), disk("data")]
    one = account()
    findings = kind_of(one).check(one)
    assert all(finding.ok for finding in findings)
    assert findings[1].detail.startswith("2 resources")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"subscriptions": "all"}, "subscriptions"),
        ({"subscriptions": ["main"]}, "'main'"),
        ({"metrics": "yes"}, "metrics"),
        ({"metric_days": 94}, "metric_days"),
        ({"region": "westeurope"}, "region"),
    ],
)
def test_a_wrong_option_is_named(
    account: Callable[..., Account], options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        account(**options)
