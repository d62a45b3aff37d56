"""A Kubernetes cluster: its own client against an API server on this machine."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.source_kinds import kind_of
from oco_pipelines.inventory.k8s_access import LISTS, Kubernetes
from oco_pipelines.inventory.k8s_collect import KubernetesCollected, collect
from oco_pipelines.inventory.k8s_quantity import quantity
from oco_pipelines.inventory.k8s_resources import requests_of
from oco_pipelines.resilience.standin import standin_cluster
from oco_pipelines.resilience.standin.api import Fault
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.k8s_inventory import parse_inventory
from oco_warehouse.cloud_accounts.reading import parse_accounts
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError
from tests.loopback import served

TOKEN = "a-token-of-the-test"
PATHS = {path: name for name, (path, _) in LISTS.items()}


@dataclass
class Cluster:
    """What the server holds by list; `served` lists are there, `denied` ones are refused."""

    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    served: set[str] = field(default_factory=lambda: set(LISTS))
    denied: set[str] = field(default_factory=set)
    expire: int = 0
    url: str = ""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    state = Cluster()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            name, asked = PATHS[url.path], parse_qs(url.query)
            first = int(asked.get("continue", ["0"])[0])
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                self.answer(401, {})
            elif name in state.denied:
                self.answer(403, {})
            elif name not in state.served:
                self.answer(404, {})
            elif first and state.expire:
                state.expire -= 1
                self.answer(410, {})
            else:
                found, size = state.objects.get(name, []), int(asked["limit"][0])
                more = str(first + size) if first + size < len(found) else ""
                page = {"items": found[first : first + size], "metadata": {"continue": more}}
                self.answer(200, page)

        def answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with served(Handler) as address:
        state.url = address
        yield state


def kubeconfig(path: Path, url: str) -> None:
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "prod",
                "clusters": [{"name": "prod", "cluster": {"server": url}}],
                "users": [{"name": "reader", "user": {"token": TOKEN}}],
                "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "reader"}}],
            }
        )
    )  # fmt: skip


def account_of(folder: Path, **options: Any) -> Account:
    entry = {
        "name": "main", "provider": "kubernetes", "kind": "inventory",
        "options": {"cluster": "prod", **options},
        "credentials": {"from": "file", "path": "kubeconfig"},
    }  # fmt: skip
    (found,) = parse_accounts({"accounts": [entry]}, folder)
    return found


@pytest.fixture
def account(cluster: Cluster, tmp_path: Path) -> Callable[..., Account]:
    kubeconfig(tmp_path / "kubeconfig", cluster.url)
    return lambda **options: account_of(tmp_path, **options)


@pytest.fixture
def run(
    warehouse: Warehouse, account: Callable[..., Account]
) -> Callable[..., KubernetesCollected]:
    def once(page_size: int = 250) -> KubernetesCollected:
        one = account()
        client = Kubernetes(one, parse_inventory(one), page_size)
        return collect(warehouse, one, cluster=client)

    return once


def namespace(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"team": name},
                     "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"phase": "Active"},
    }  # fmt: skip


def spec(cpu: str, memory: str) -> dict[str, Any]:
    return {"containers": [{"resources": {"requests": {"cpu": cpu, "memory": memory}}}]}


def pod(where: str, cpu: str, memory: str, phase: str = "Running") -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": where}, "spec": spec(cpu, memory),
            "status": {"phase": phase}}  # fmt: skip


def usage(where: str, cpu: str, memory: str, window: str = "15.3s") -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": where}, "window": window,
            "timestamp": "2026-11-20T12:00:00Z",
            "containers": [{"name": "c", "usage": {"cpu": cpu, "memory": memory}}]}  # fmt: skip


def stored(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    rows = warehouse.query("SELECT * FROM oco.resources WHERE deleted_at IS NULL")
    return {row["resource_id"]: row for row in rows}


def shop(cluster: Cluster) -> None:
    cluster.objects = {
        "namespaces": [namespace("shop"), namespace("idle")],
        "pods": [
            pod("shop", "500m", "1Gi"), pod("shop", "1500m", "3Gi"),
            pod("shop", "64", "1Ti", "Succeeded"),
        ],
        "deployments": [
            {"metadata": {"name": "web", "namespace": "shop"},
             "spec": {"replicas": 3, "template": {"spec": spec("500m", "1Gi")}}}
        ],
        "metrics": [usage("shop", "250000000n", "512Mi"), usage("shop", "250m", "512Mi")],
    }  # fmt: skip


def test_namespaces_are_told_with_what_their_pods_request(
    run: Callable[..., KubernetesCollected], cluster: Cluster, warehouse: Warehouse
) -> None:
    shop(cluster)
    run()
    found = stored(warehouse)
    assert found["namespaces/shop"]["facts"] == {
        "created_at": "2026-01-01T00:00:00+00:00", "vcpu": 2, "memory_gib": 4,
    }  # fmt: skip
    assert found["namespaces/idle"]["facts"]["vcpu"] == 0
    assert found["namespaces/shop"]["tags"] == {"team": "shop"}
    assert found["namespaces/shop/deployments/web"]["facts"] == {"vcpu": 1.5, "memory_gib": 3}


def test_use_is_a_share_of_what_is_requested_and_said_of_the_moment_that_was_measured(
    run: Callable[..., KubernetesCollected], cluster: Cluster, warehouse: Warehouse
) -> None:
    shop(cluster)
    assert run().has_metrics
    rows = warehouse.query("SELECT * FROM oco.resource_metrics ORDER BY metric")
    told = [(row["metric"], row["average"], row["interval_seconds"]) for row in rows]
    assert told == [("cpu_percent", 25, 15), ("memory_percent", 25, 15)]
    assert {row["interval_start"] for row in rows} == {
        datetime(2026, 11, 20, 11, 59, 45, tzinfo=UTC)
    }


def test_a_cluster_without_a_metrics_server_tells_requests_alone(
    run: Callable[..., KubernetesCollected], cluster: Cluster, warehouse: Warehouse
) -> None:
    shop(cluster)
    cluster.served.remove("metrics")
    done = run()
    assert not done.has_metrics
    assert done.collected.problems == []
    assert stored(warehouse)["namespaces/shop"]["facts"]["vcpu"] == 2


def test_every_page_is_read_also_when_one_expires(
    run: Callable[..., KubernetesCollected], cluster: Cluster, warehouse: Warehouse
) -> None:
    cluster.objects = {"namespaces": [namespace(f"n{number}") for number in range(23)]}
    cluster.expire = 1
    run(page_size=5)
    assert len(stored(warehouse)) == 23


@pytest.mark.parametrize(
    ("denied", "permission", "kind"),
    [
        ("pods", "list pods", "k8s.namespace"),
        ("deployments", "list deployments.apps", "k8s.deployment"),
        ("metrics", "list pods.metrics.k8s.io", "metrics"),
    ],
)
def test_a_permission_that_is_missing_is_named_and_the_rest_is_listed(
    run: Callable[..., KubernetesCollected], account: Callable[..., Account], cluster: Cluster,
    warehouse: Warehouse, denied: str, permission: str, kind: str,
) -> None:  # fmt: skip
    shop(cluster)
    run()
    cluster.denied = {denied}
    done = run()
    assert done.collected.missing == {permission: {kind}}
    assert len(stored(warehouse)) == 3
    one = account()
    (missing,) = [finding for finding in kind_of(one).check(one) if not finding.ok]
    assert permission in missing.detail
    assert "kind: ClusterRole" in missing.remedy


def test_a_cluster_that_serves_no_pods_is_said_to(warehouse: Warehouse, tmp_path: Path) -> None:
    with standin_cluster(tmp_path / "kubeconfig", namespaces=["shop"]) as cluster:
        cluster.api.faults += [Fault(404, path="/pods"), Fault(404, path="/deployments")]
        one = account_of(tmp_path, metrics=False)
        done = collect(warehouse, one)
    assert done.collected.problems == [
        "account main: /api/v1/pods: the cluster does not serve it",
        "account main: /apis/apps/v1/deployments: the cluster does not serve it",
    ]
    assert stored(warehouse) == {}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", "0.25"), ("1500000n", "0.0015"), ("2", "2"), (".5", "0.5"), ("1e3", "1000"),
        ("128Mi", str(128 * 1024**2)), ("1Gi", str(1024**3)), ("1k", "1000"), ("1.5E", "15e17"),
    ],
)  # fmt: skip
def test_a_quantity_is_read(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1gi", "1ki", "-", "1e", "NaN"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="no quantity"):
        quantity(text)


@given(st.integers(0, 10**9))
def test_thousandths_add_up(thousandths: int) -> None:
    assert quantity(f"{thousandths}m") * 1000 == thousandths


def test_a_pod_requests_what_its_largest_beginner_needs_and_limits_where_it_requests_nothing() -> (
    None
):
    told = {
        "containers": [{"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}, {}],
        "initContainers": [{"resources": {"requests": {"cpu": "3"}}}],
        "overhead": {"cpu": "250m"},
    }
    found = requests_of(told)
    assert (found.cores, found.memory) == (Decimal("3.25"), 1024**3)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"cluster": ""}, "cluster"), ({"context": 1}, "context"), ({"region": "x"}, "region")],
)
def test_a_wrong_option_is_named(
    account: Callable[..., Account], options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        account(**options)
