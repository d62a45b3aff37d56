"""Projects of Google Cloud: Google's own clients against a server on this machine."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from oco_pipelines.ingestion.source_kinds import kind_of
from oco_pipelines.inventory import checks
from oco_pipelines.inventory.found import RECOMMENDATIONS
from oco_pipelines.inventory.gcp_access import Gcp
from oco_pipelines.inventory.gcp_collect import GcpCollected, collect
from oco_pipelines.inventory.gcp_resources import TYPES, resource
from oco_pipelines.inventory.pace import Pace
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.gcp_inventory import parse_inventory
from oco_warehouse.cloud_accounts.reading import parse_accounts
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.resource_types import RESOURCE_TYPES
from tests.oco_pipelines.inventory.charges import load_charge
from tests.oco_pipelines.inventory.gcp_standin import PROJECT, Google, google

NOW = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
LAST_HOUR = datetime(2026, 11, 20, 11, tzinfo=UTC)
LINK = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"
NAME = f"//compute.googleapis.com/projects/{PROJECT}"
CPU = "compute.googleapis.com/instance/cpu/utilization"
RECEIVED, SENT = (
    f"compute.googleapis.com/instance/network/{name}_bytes_count" for name in ("received", "sent")
)


@pytest.fixture
def cloud() -> Iterator[Google]:
    with google() as server:
        yield server


@pytest.fixture
def account(cloud: Google, tmp_path: Path) -> Callable[..., Account]:
    def make(**options: Any) -> Account:
        chosen = {"projects": [PROJECT], "api_endpoint": cloud.url, **options}
        entry = {
            "name": "main", "provider": "gcp", "kind": "inventory", "options": chosen,
            "credentials": {"from": "environment"},
        }  # fmt: skip
        (found,) = parse_accounts({"accounts": [entry]}, tmp_path)
        return found

    return make


@pytest.fixture
def run(warehouse: Warehouse, account: Callable[..., Account]) -> Callable[..., GcpCollected]:
    def once(now: datetime = NOW, page_size: int = 1000, **options: Any) -> GcpCollected:
        one = account(**options)
        client = Gcp(one, parse_inventory(one), Pace(1e9), page_size)
        return collect(warehouse, one, gcp=client, now=now)

    return once


def asset(kind: str, path: str, **data: Any) -> dict[str, Any]:
    return {
        "name": f"{NAME}/{path}", "assetType": TYPES[kind][0],
        "resource": {"version": "v1", "data": {"name": path.rpartition("/")[2]} | data},
    }  # fmt: skip


def machine(name: str, number: int = 1, **data: Any) -> dict[str, Any]:
    return asset(
        "gcp.instance", f"zones/europe-west1-b/instances/{name}",
        **{
            "id": str(number), "status": "RUNNING", "zone": f"{LINK}/zones/europe-west1-b",
            "machineType": f"{LINK}/zones/europe-west1-b/machineTypes/n2-standard-8",
            "creationTimestamp": "2026-01-02T03:04:05.000-08:00", "labels": {"team": "web"},
            "disks": [{"source": f"{LINK}/zones/europe-west1-b/disks/{name}"}],
        } | data,
    )  # fmt: skip


def disk(name: str, number: int = 7, **data: Any) -> dict[str, Any]:
    return asset(
        "gcp.disk", f"zones/europe-west1-b/disks/{name}",
        **{
            "id": str(number), "sizeGb": "200", "status": "READY",
            "zone": f"{LINK}/zones/europe-west1-b",
            "type": f"{LINK}/zones/europe-west1-b/diskTypes/pd-ssd",
        } | data,
    )  # fmt: skip


def stored(warehouse: Warehouse) -> dict[tuple[str, str], dict[str, Any]]:
    rows = warehouse.query("SELECT * FROM oco.resources WHERE deleted_at IS NULL")
    return {(row["resource_type"], row["resource_name"]): row for row in rows}


def test_every_kind_is_one_that_everybody_knows() -> None:
    assert set(TYPES) <= RESOURCE_TYPES


def test_a_machine_is_told_with_its_size_state_and_disks(
    run: Callable[..., GcpCollected], cloud: Google, warehouse: Warehouse
) -> None:
    cloud.assets = [machine("web-1"), disk("web-1", users=[f"{LINK}/zones/x/instances/web-1"])]
    assert run().collected.problems == []
    found = stored(warehouse)["gcp.instance", "web-1"]
    assert (found["state"], found["size"], found["region"]) == (
        "RUNNING", "n2-standard-8", "europe-west1",
    )  # fmt: skip
    assert found["tags"] == {"team": "web"}
    assert found["facts"] == {
        "created_at": "2026-01-02T11:04:05+00:00", "vcpu": 8, "family": "n2", "generation": 2,
        "public": False, "interruptible": False,
        "volume_ids": [f"{NAME}/zones/europe-west1-b/disks/web-1"],
    }  # fmt: skip
    own = stored(warehouse)["gcp.disk", "web-1"]
    assert (own["size"], own["facts"]["size_gib"], own["facts"]["attached"]) == (
        "pd-ssd",
        200,
        True,
    )
    assert own["attributes"]["sizeGb"] == "200"


def test_every_page_is_read(
    run: Callable[..., GcpCollected], cloud: Google, warehouse: Warehouse
) -> None:
    cloud.assets = [disk(f"data-{number}", number) for number in range(23)]
    run(page_size=5)
    assert len(stored(warehouse)) == 23


def test_a_resource_is_called_as_on_the_bill_also_by_what_names_it(
    run: Callable[..., GcpCollected], cloud: Google, warehouse: Warehouse, tmp_path: Path
) -> None:
    spelt = f"{NAME}/zones/europe-west1-b/disks/4711"
    load_charge(warehouse, tmp_path, "Google Cloud", PROJECT, spelt)
    cloud.assets = [machine("web-1"), disk("web-1", 4711)]
    run()
    assert stored(warehouse)["gcp.disk", "web-1"]["resource_id"] == spelt
    assert stored(warehouse)["gcp.instance", "web-1"]["facts"]["volume_ids"] == [spelt]


def test_a_disk_that_is_gone_ends_and_a_snapshot_says_that_it_has_no_source(
    run: Callable[..., GcpCollected], cloud: Google, warehouse: Warehouse
) -> None:
    cloud.assets = [
        disk("kept", 1), disk("gone", 2),
        *(asset("gcp.snapshot", f"global/snapshots/of-{name}", diskSizeGb="200",
                sourceDisk=f"{LINK}/zones/europe-west1-b/disks/{name}")
          for name in ("kept", "gone")),
    ]  # fmt: skip
    run()
    del cloud.assets[1]
    assert run().collected.ended == 1
    found = stored(warehouse)
    assert found["gcp.snapshot", "of-kept"]["facts"]["source_exists"] is True
    assert found["gcp.snapshot", "of-gone"]["facts"]["source_exists"] is False


@pytest.mark.parametrize(
    ("kind", "data", "facts"),
    [
        ("gcp.instance", {"status": "TERMINATED", "lastStopTimestamp": "2026-11-01T00:00:00Z"},
         {"stopped_since": "2026-11-01T00:00:00+00:00"}),
        ("gcp.instance", {"machineType": "x/custom-4-8192"}, {"vcpu": 4, "memory_gib": 8}),
        ("gcp.instance", {"scheduling": {"provisioningModel": "SPOT"}}, {"interruptible": True}),
        ("gcp.instance",
         {"metadata": {"items": [{"key": "created-by", "value": "z/instanceGroupManagers/web"}]}},
         {"autoscaling_group": "web"}),
        ("gcp.compute-address", {"users": []}, {"attached": False, "public": True}),
        ("gcp.loadbalancer-forwarding-rule", {"loadBalancingScheme": "INTERNAL"},
         {"public": False}),
        ("gcp.sql-instance",
         {"databaseVersion": "POSTGRES_16", "settings": {"availabilityType": "REGIONAL"}},
         {"engine": "POSTGRES_16", "multi_az": True}),
        ("gcp.bucket", {"storageClass": "STANDARD"}, {"storage_class": "STANDARD"}),
    ],
)  # fmt: skip
def test_facts_of_a_kind(kind: str, data: dict[str, Any], facts: dict[str, Any]) -> None:
    assert facts.items() <= dict(resource(kind, PROJECT, "//x/y", data).facts).items()


def test_metrics_arrive_as_they_were_measured(
    run: Callable[..., GcpCollected], cloud: Google, warehouse: Warehouse
) -> None:
    cloud.assets = [machine("web-1", 11), machine("web-2", 12)]
    hour = timedelta(hours=1)
    gauge = {"ALIGN_MEAN": 0.045, "ALIGN_MAX": 0.09, "ALIGN_PERCENTILE_99": 0.08}
    cloud.series = {
        (CPU, "11", ""): {LAST_HOUR: gauge},
        (RECEIVED, "11", ""): {LAST_HOUR: {"ALIGN_RATE": 10}, LAST_HOUR - hour: {"ALIGN_RATE": 1}},
        (SENT, "11", ""): {LAST_HOUR: {"ALIGN_RATE": 2}},
        (CPU, "99", ""): {LAST_HOUR: gauge},
    }
    run()
    rows = warehouse.query(
        "SELECT metric, interval_start, interval_seconds, average, maximum, p99 "
        "FROM oco.resource_metrics ORDER BY metric"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("cpu_percent", LAST_HOUR, 3600, Decimal("4.5"), 9, 8),
        ("network_bytes_per_second", LAST_HOUR, 3600, 12, None, None),
    ]


def test_a_metric_that_a_project_never_had_holds_up_no_other(
    run: Callable[..., GcpCollected], cloud: Google, warehouse: Warehouse
) -> None:
    """Of a project without the Ops Agent Google says 404: it cannot find the metric."""
    cloud.assets = [machine("web-1", 11)]
    cloud.never_measured = {"agent.googleapis.com/memory/percent_used"}
    cloud.series = {(CPU, "11", ""): {LAST_HOUR: {"ALIGN_MEAN": 0.045}}}
    assert run().collected.problems == []
    (row,) = warehouse.query("SELECT metric, average FROM oco.resource_metrics")
    assert (row["metric"], row["average"]) == ("cpu_percent", Decimal("4.5"))


def test_stored_bytes_come_by_class_and_day(
    run: Callable[..., GcpCollected], cloud: Google, warehouse: Warehouse
) -> None:
    cloud.assets = [
        {"name": "//storage.googleapis.com/shop", "assetType": "storage.googleapis.com/Bucket",
         "resource": {"data": {"name": "shop", "location": "EU", "storageClass": "STANDARD"}}}
    ]  # fmt: skip
    day = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=1)
    kind = "storage.googleapis.com/storage/total_bytes"
    cloud.series = {
        (kind, "shop", "REGIONAL"): {day: {"ALIGN_MEAN": 5e9}},
        (kind, "shop", "NEARLINE"): {day: {"ALIGN_MEAN": 7e9}},
    }
    run()
    rows = warehouse.query("SELECT * FROM oco.resource_metrics ORDER BY metric")
    assert [(row["metric"], row["interval_start"], row["average"]) for row in rows] == [
        ("stored_bytes_nearline", day, 7 * 10**9),
        ("stored_bytes_regional", day, 5 * 10**9),
    ]


def test_only_what_is_new_is_read_again_and_newcomers_by_name(
    run: Callable[..., GcpCollected], cloud: Google
) -> None:
    cloud.assets = [machine("web-1", 11)]
    run()
    cloud.assets.append(machine("web-2", 12))
    run(now=NOW + timedelta(hours=6))
    asked = [
        (query["interval.startTime"][0], "one_of" in query["filter"][0], query["filter"][0][-13:])
        for path, query in cloud.requests
        if path.endswith("timeSeries") and CPU in query["filter"][0]
        and query["aggregation.perSeriesAligner"] == ["ALIGN_MEAN"]
    ]  # fmt: skip
    assert asked == [
        ("2026-11-06T12:00:00Z", False, asked[0][2]),
        ("2026-11-06T18:00:00Z", True, ' one_of("12")'),
        ("2026-11-20T09:00:00Z", True, ' one_of("11")'),
    ]


def test_what_google_recommends_is_kept_beside_what_the_resource_reports(
    run: Callable[..., GcpCollected], cloud: Google, warehouse: Warehouse
) -> None:
    cloud.assets = [machine("web-1")]
    cloud.advice = {
        "google.compute.instance.IdleResourceRecommender": [
            {
                "name": "projects/1/recommendations/abc", "description": "Stop web-1.",
                "content": {"operationGroups": [{"operations": [
                    {"action": "replace", "path": "/status",
                     "resource": f"{NAME}/zones/europe-west1-b/instances/web-1"}]}]},
            }
        ]
    }  # fmt: skip
    assert run().advice == 1
    (told,) = stored(warehouse)["gcp.instance", "web-1"]["attributes"][RECOMMENDATIONS]
    assert told["description"] == "Stop web-1."


@pytest.mark.parametrize(
    ("part", "permission", "kinds"),
    [
        ("/assets", "cloudasset.assets.listResource", set(TYPES)),
        ("/timeSeries", "monitoring.timeSeries.list", {"metrics"}),
        ("MachineTypeRecommender",
         "recommender.computeInstanceMachineTypeRecommendations.list", {"recommendations"}),
    ],
)  # fmt: skip
def test_a_permission_that_is_missing_is_named_and_nothing_ends(
    run: Callable[..., GcpCollected], cloud: Google, warehouse: Warehouse,
    part: str, permission: str, kinds: set[str],
) -> None:  # fmt: skip
    cloud.assets = [machine("web-1")]
    run()
    cloud.denied = {part}
    done = run(now=NOW + timedelta(hours=1))
    assert done.collected.missing == {permission: kinds}
    assert done.collected.ended == 0
    assert ("gcp.instance", "web-1") in stored(warehouse)
    (line,) = checks.permissions(warehouse)
    assert permission in line


def test_the_check_says_which_roles_are_missing(
    account: Callable[..., Account], cloud: Google
) -> None:
    cloud.denied = {"/assets", "/timeSeries"}
    one = account()
    findings = kind_of(one).check(one)
    assert [finding.ok for finding in findings] == [False, False]
    assert all("roles/cloudasset.viewer" in finding.remedy for finding in findings)
    cloud.denied = set()
    assert all(finding.ok for finding in kind_of(one).check(one))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"projects": []}, "projects"),
        ({"projects": ["NO"]}, "'NO'"),
        ({"api_endpoint": "http://example.com"}, "api_endpoint"),
        ({"metric_requests": 0}, "metric_requests"),
        ({"zone": "a"}, "zone"),
    ],
)
def test_a_wrong_option_is_named(
    account: Callable[..., Account], options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        account(**options)
