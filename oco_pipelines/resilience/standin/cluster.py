"""A whole stand-in cluster: API server, Velero and a kubeconfig."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from oco_pipelines.resilience.standin.api import Api
from oco_pipelines.resilience.standin.objects import Objects
from oco_pipelines.resilience.standin.server import ApiServer
from oco_pipelines.resilience.standin.storage import Storage
from oco_pipelines.resilience.standin.velero import LOCATIONS, NAMESPACE, NAMESPACES, Velero

# Its name is that of the storage location, too.
BUCKET: Final = "default"


@dataclass(frozen=True, slots=True)
class StandinCluster:
    """A running stand-in.

    Attributes:
        name: kubeconfig context.
        url: where its API listens.
        kubeconfig: file that names it.
        objects: its objects, for tests that look behind the API.
        velero: its Velero, with the knobs for faults.
        api: its API, with the knobs for faults.
    """

    name: str
    url: str
    kubeconfig: Path
    objects: Objects
    velero: Velero
    api: Api


@contextmanager
def standin_cluster(
    kubeconfig: Path,
    name: str = "standin",
    *,
    namespaces: Sequence[str] = ("default",),
    port: int = 0,
    step_seconds: float = 0.05,
    require_token: bool = False,
) -> Iterator[StandinCluster]:
    """Run a stand-in cluster in this process until the block ends.

    Args:
        kubeconfig: file that is written; only its owner can read it.
        name: name of its context.
        namespaces: namespaces to begin with, beside Velero's.
        port: on loopback; 0 for a free one.
        step_seconds: how long Velero stays in each phase.
        require_token: refuse requests without the token, as kubectl sends them over plain HTTP.

    Raises:
        OSError: when the port is taken or the file cannot be written.
    """
    with standin_clusters(
        kubeconfig,
        [name],
        namespaces=namespaces,
        port=port,
        step_seconds=step_seconds,
        require_token=require_token,
    ) as running:
        yield running[name]


@contextmanager
def standin_clusters(
    kubeconfig: Path,
    names: Sequence[str],
    *,
    namespaces: Sequence[str] = ("default",),
    port: int = 0,
    step_seconds: float = 0.05,
    sync_seconds: float = 60.0,
    require_token: bool = False,
) -> Iterator[dict[str, StandinCluster]]:
    """Run stand-in clusters that back up into one bucket, until the block ends.

    Args:
        kubeconfig: as for `standin_cluster`.
        names: names of their contexts; the first is the current one.
        namespaces: namespaces that the first begins with; the others have Velero's and `default`.
        port: of the first, the others follow it; 0 for free ones.
        step_seconds: as for `standin_cluster`.
        sync_seconds: how often a cluster looks for backups of the others.
        require_token: as for `standin_cluster`.

    Raises:
        OSError: when a port is taken or the file cannot be written.
    """
    storage, token = Storage(buckets={BUCKET}), secrets.token_urlsafe(24)
    with ExitStack() as stack:
        running = {}
        for number, name in enumerate(names):
            there = namespaces if number == 0 else ("default",)
            velero = Velero(_furnished(there), step_seconds, storage=storage)
            velero.sync_seconds = sync_seconds
            velero.set_location("default", "Available")
            api = Api(velero.objects)
            server = ApiServer(
                api, storage, token, port and port + number, require_token=require_token
            )
            velero.upkeep.address = server.url
            stack.enter_context(_served(server, velero))
            running[name] = StandinCluster(
                name, server.url, kubeconfig, velero.objects, velero, api
            )
        _write_kubeconfig(kubeconfig, {name: one.url for name, one in running.items()}, token)
        yield running


def _furnished(namespaces: Sequence[str]) -> Objects:
    """A cluster at its beginning: namespaces and a storage location."""
    objects = Objects()
    for namespace in dict.fromkeys((NAMESPACE, *namespaces)):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        objects.create(NAMESPACES, "", body)
    location = {
        "metadata": {"name": "default"},
        "spec": {"provider": "standin", "default": True, "objectStorage": {"bucket": BUCKET}},
    }
    objects.create(LOCATIONS, NAMESPACE, location)
    return objects


@contextmanager
def _served(server: ApiServer, velero: Velero) -> Iterator[None]:
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.1,), name="standin-api", daemon=True),
        threading.Thread(target=velero.run, name="standin-velero", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        velero.stop()
        server.closing.set()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join(5)


def _write_kubeconfig(path: Path, urls: dict[str, str], token: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(urls)),
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in urls.items()],
        "users": [{"name": "standin", "user": {"token": token}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "standin"}} for name in urls
        ],
    }
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(yaml.safe_dump(config))
