"""What is in a backup, what became of a restore, and what is in a cluster: the facts of recoveries.

Velero's own files are fetched through DownloadRequests, a cluster's objects through its lists.
"""

import gzip
import json
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oco_pipelines.kubernetes_lists import Json
from oco_pipelines.resilience import naming
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_warehouse.errors import NotFoundError, UpstreamError

DOWNLOADS: Final = "downloadrequests"
LARGEST_FILE: Final = 64 * 1024 * 1024
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 60.0
# What became of an object of a restore stands in brackets behind its name.
_OUTCOMES: Final = ("created", "updated", "skipped", "failed")

# {"v1/ConfigMap": ("shop/prices", …)}
ResourceList = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a cluster.

    Attributes:
        objects: of each kind that could be listed the names, as in a resource list.
        unread: kinds that could not be listed, with the reason.
        claims: phase of each PersistentVolumeClaim, by namespace/name.
    """

    objects: ResourceList = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)


def backup_contents(
    gateway: KubernetesGateway, cluster: str, backup: str, wait_seconds: float
) -> ResourceList:
    """The resource list of a backup.

    Raises:
        UpstreamError: when Velero does not hand it out in time or it cannot be read.
    """
    content = _download(gateway, cluster, "BackupResourceList", backup, wait_seconds)
    return _names(content, f"cluster {cluster!r}: resource list of backup {backup!r}")


def restore_outcomes(
    gateway: KubernetesGateway, cluster: str, restore: str, wait_seconds: float
) -> dict[str, ResourceList]:
    """What a restore did, as {created, updated, skipped or failed: resource list}.

    Raises:
        UpstreamError: as for `backup_contents`.
    """
    content = _download(gateway, cluster, "RestoreResourceList", restore, wait_seconds)
    listed = _names(content, f"cluster {cluster!r}: resource list of restore {restore!r}")
    sorted_out: dict[str, dict[str, list[str]]] = {outcome: {} for outcome in _OUTCOMES}
    for kind, names in listed.items():
        for name in names:
            plain, _, outcome = name.rstrip(")").rpartition("(")
            if outcome in sorted_out:
                sorted_out[outcome].setdefault(kind, []).append(plain)
    return {
        outcome: {kind: tuple(names) for kind, names in kinds.items()}
        for outcome, kinds in sorted_out.items()
    }


def cluster_contents(
    gateway: KubernetesGateway, cluster: str, kinds: Collection[str], namespaces: Collection[str]
) -> Found:
    """Which objects of some kinds are in some namespaces of a cluster, or cluster-wide.

    Args:
        gateway: reaches the cluster.
        cluster: kubeconfig context.
        kinds: as in a resource list: v1/ConfigMap, apps/v1/Deployment.
        namespaces: only these are looked into; those that do not exist hold nothing.

    Raises:
        UpstreamError: when the cluster does not answer.
    """
    objects: dict[str, tuple[str, ...]] = {}
    unread: dict[str, str] = {}
    claims: dict[str, str] = {}
    served: dict[str, dict[str, Json]] = {}
    for kind in sorted(kinds):
        group_version, _, name = kind.rpartition("/")
        if group_version not in served:
            served[group_version] = _served(gateway, cluster, group_version)
        resource = served[group_version].get(name)
        if resource is None:
            unread[kind] = "the cluster does not serve it"
            continue
        names: list[str] = []
        try:
            for body in _listed(gateway, cluster, group_version, resource, namespaces):
                names.append(_full_name(body))
                if name == "PersistentVolumeClaim":
                    claims[names[-1]] = (body.get("status") or {}).get("phase") or "Pending"
        except UpstreamError as error:
            unread[kind] = str(error)
            continue
        objects[kind] = tuple(names)
    return Found(objects, unread, claims)


def _served(gateway: KubernetesGateway, cluster: str, group_version: str) -> dict[str, Json]:
    """Resources of a group and version by kind, without subresources."""
    try:
        found = gateway.read_path(cluster, _root(group_version))
    except NotFoundError:
        return {}
    return {one["kind"]: one for one in found.get("resources") or [] if "/" not in one["name"]}


def _listed(
    gateway: KubernetesGateway,
    cluster: str,
    group_version: str,
    resource: Json,
    namespaces: Collection[str],
) -> Iterator[Json]:
    root, plural = _root(group_version), resource["name"]
    if not resource["namespaced"]:
        yield from gateway.list_path(cluster, f"{root}/{plural}")
        return
    for namespace in sorted(namespaces):
        yield from gateway.list_path(cluster, f"{root}/namespaces/{namespace}/{plural}")


def _root(group_version: str) -> str:
    return f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"


def _full_name(body: Json) -> str:
    metadata = body["metadata"]
    home = metadata.get("namespace")
    return f"{home}/{metadata['name']}" if home else str(metadata["name"])


def _download(
    gateway: KubernetesGateway, cluster: str, kind: str, name: str, wait_seconds: float
) -> Any:
    what = f"cluster {cluster!r}: {kind} of {name!r}"
    request = f"oco-{naming.slug(name, 40)}-{secrets.token_hex(5)}"
    body = {
        "apiVersion": "velero.io/v1",
        "kind": "DownloadRequest",
        "metadata": {"name": request, "labels": {naming.MANAGED_BY: naming.OWNER}},
        "spec": {"target": {"kind": kind, "name": name}},
    }
    gateway.create_velero(cluster, DOWNLOADS, body)
    try:
        url = _await_address(gateway, cluster, request, what, wait_seconds)
        return _fetch(url, what)
    finally:
        gateway.delete_velero(cluster, DOWNLOADS, request)


def _await_address(
    gateway: KubernetesGateway, cluster: str, request: str, what: str, wait_seconds: float
) -> str:
    end = time.monotonic() + wait_seconds
    pause = 0.05
    while True:
        status = gateway.get_velero(cluster, DOWNLOADS, request).get("status") or {}
        if status.get("downloadURL"):
            return str(status["downloadURL"])
        if time.monotonic() + pause > end:
            raise UpstreamError(f"{what} was not handed out by Velero within {wait_seconds:g} s")
        time.sleep(pause)
        pause = min(pause * 2, 2.0)


def _fetch(url: str, what: str) -> Any:
    import httpx

    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    try:
        with httpx.stream("GET", url, timeout=timeout, follow_redirects=False) as answer:
            answer.raise_for_status()
            raw = bytearray()
            for part in answer.iter_raw():
                raw += part
                if len(raw) > LARGEST_FILE:
                    raise UpstreamError(f"{what} is larger than {LARGEST_FILE} bytes")
    except httpx.HTTPError as error:
        # The address is signed: whoever has it may read the backup, so no message carries it.
        raise UpstreamError(f"{what} cannot be fetched: {type(error).__name__}") from None
    try:
        return json.loads(gzip.decompress(raw))
    except (OSError, EOFError, ValueError):
        raise UpstreamError(f"{what} is not gzipped JSON") from None


def _names(content: Any, what: str) -> ResourceList:
    if not isinstance(content, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in content.values()
    ):
        raise UpstreamError(f"{what} is not a list of names by kind")
    return {str(kind): tuple(names) for kind, names in sorted(content.items())}
