"""A whole stand-in cluster: API server, Velero and a kubeconfig."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from oco_pipelines.resilience.standin.api import Api
from oco_pipelines.resilience.standin.objects import Objects
from oco_pipelines.resilience.standin.server import ApiServer
from oco_pipelines.resilience.standin.velero import LOCATIONS, NAMESPACE, NAMESPACES, Velero


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
    objects = Objects()
    velero = Velero(objects, step_seconds)
    for namespace in dict.fromkeys((NAMESPACE, *namespaces)):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        objects.create(NAMESPACES, "", body)
    location = {
        "metadata": {"name": "default"},
        "spec": {"provider": "standin", "default": True, "objectStorage": {"bucket": "memory"}},
    }
    objects.create(LOCATIONS, NAMESPACE, location)
    velero.set_location("default", "Available")
    api = Api(objects)
    token = secrets.token_urlsafe(24)
    server = ApiServer(api, token, port, require_token=require_token)
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.1,), name="standin-api", daemon=True),
        threading.Thread(target=velero.run, name="standin-velero", daemon=True),
    ]
    try:
        _write_kubeconfig(kubeconfig, name, server.url, token)
        for thread in threads:
            thread.start()
        yield StandinCluster(name, server.url, kubeconfig, objects, velero, api)
    finally:
        velero.stop()
        server.closing.set()
        if threads[0].is_alive():
            server.shutdown()
        server.server_close()
        for thread in threads:
            if thread.is_alive():
                thread.join(5)


def _write_kubeconfig(path: Path, name: str, url: str, token: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": url}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(yaml.safe_dump(config))
