"""The gateway against the stand-in's faults, over real sockets."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from oco_pipelines.kubernetes_lists import MOST_RELISTS
from oco_pipelines.resilience import kubernetes_gateway as dialect
from oco_pipelines.resilience.kubernetes_calls import Patience
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, KubernetesGateway
from oco_pipelines.resilience.standin import StandinCluster
from oco_pipelines.resilience.standin.api import Fault
from oco_warehouse.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    UpstreamError,
    UpstreamThrottled,
    UpstreamUnavailable,
)


def a_backup(name: str, **spec: object) -> dict[str, object]:
    metadata = {"name": name, "labels": {"of": "test"}}
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": metadata,
        "spec": {"includedNamespaces": ["shop"], **spec},
    }


def posts(cluster: StandinCluster) -> int:
    return sum(method == "POST" for method, _ in cluster.api.seen)


def test_every_page_of_a_list_is_read(
    cluster: StandinCluster, gateway: KubernetesGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "PAGE_SIZE", 2)
    for number in range(5):
        gateway.create_velero("standin", BACKUPS, a_backup(f"b{number}"))
    found = gateway.list_velero("standin", BACKUPS, "of=test")
    assert [body["metadata"]["name"] for body in found] == [f"b{number}" for number in range(5)]
    assert gateway.list_velero("standin", BACKUPS, "of=other") == []
    lists = sum(method == "GET" and path.endswith(BACKUPS) for method, path in cluster.api.seen)
    assert lists == 4


@pytest.mark.parametrize("status", [429, 500, 503])
def test_call_is_tried_again_after_a_passing_fault(
    cluster: StandinCluster, gateway: KubernetesGateway, status: int
) -> None:
    cluster.api.faults.extend([Fault(status), Fault(status, retry_after=0)])
    gateway.create_velero("standin", BACKUPS, a_backup("again"))
    assert posts(cluster) == 3


def test_retry_after_is_honoured(cluster: StandinCluster, gateway: KubernetesGateway) -> None:
    cluster.api.faults.append(Fault(429, retry_after=1))
    started = time.monotonic()
    gateway.create_velero("standin", BACKUPS, a_backup("later"))
    assert time.monotonic() - started >= 1


def test_retry_after_beyond_the_deadline_ends_at_once(
    cluster: StandinCluster, gateway: KubernetesGateway
) -> None:
    cluster.api.faults.append(Fault(429, retry_after=60))
    with pytest.raises(UpstreamThrottled) as caught:
        gateway.create_velero("standin", BACKUPS, a_backup("never"))
    assert caught.value.retry_after == 60
    assert posts(cluster) == 1


def test_deadline_bounds_all_tries_together(cluster: StandinCluster) -> None:
    patience = Patience(deadline=0.5, first_pause=0.05, longest_pause=0.1)
    cluster.api.faults.extend([Fault(503)] * 100)
    started = time.monotonic()
    with pytest.raises(UpstreamUnavailable, match="503"):
        KubernetesGateway(cluster.kubeconfig, patience=patience).list_velero("standin", BACKUPS)
    assert time.monotonic() - started < 2


def test_cluster_that_never_answers_is_given_up(cluster: StandinCluster) -> None:
    patience = Patience(connect=0.2, read=0.2, deadline=0.5, first_pause=0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        text = cluster.kubeconfig.read_text().replace(cluster.url, f"http://127.0.0.1:{port}")
        cluster.kubeconfig.write_text(text)
        started = time.monotonic()
        with pytest.raises(UpstreamUnavailable, match="no answer"):
            KubernetesGateway(cluster.kubeconfig, patience=patience).list_velero("standin", BACKUPS)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda g: g.get_velero("standin", BACKUPS, "none"), NotFoundError),
        (lambda g: g.create_velero("standin", BACKUPS, a_backup("x", tll="1h")), InvalidInputError),
        (lambda g: g.create_velero("standin", BACKUPS, a_backup("x", ttl=1)), InvalidInputError),
        (lambda g: g.create_namespace("standin", "shop", {}), ConflictError),
        (lambda g: g.create_config_map("standin", "none", "c", {}, {}), NotFoundError),
        (lambda g: g.list_velero("elsewhere", BACKUPS), ConfigurationError),
    ],
)
def test_refusals_become_errors_of_our_own_and_are_not_repeated(
    cluster: StandinCluster,
    gateway: KubernetesGateway,
    call: Callable[[KubernetesGateway], object],
    error: type[Exception],
) -> None:
    with pytest.raises(error) as caught:
        call(gateway)
    assert "\n" not in str(caught.value)
    assert len(cluster.api.seen) <= 1


def test_wrong_token_is_refused_and_never_shown(
    cluster: StandinCluster, gateway: KubernetesGateway
) -> None:
    text = cluster.kubeconfig.read_text()
    token = text.split("token: ")[1].split()[0]
    cluster.kubeconfig.write_text(text.replace(token, "canary-token"))
    with pytest.raises(UpstreamError, match="401") as caught:
        gateway.list_velero("standin", BACKUPS)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "a: [", "kind: Config"])
def test_broken_kubeconfig_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="OCO_KUBECONFIG") as caught:
        KubernetesGateway(path).clusters()
    assert "\n" not in str(caught.value)


def test_expired_page_is_listed_anew(cluster: StandinCluster, gateway: KubernetesGateway) -> None:
    cluster.api.faults.append(Fault(410))
    assert gateway.list_velero("standin", BACKUPS) == []
    cluster.api.faults.extend([Fault(410)] * MOST_RELISTS)
    with pytest.raises(UpstreamError, match="expire"):
        gateway.list_velero("standin", BACKUPS)
