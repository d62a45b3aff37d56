"""The stand-in's objects: versions, conflicts, lists and the history that watches read.

Does not belong here: HTTP, or what Velero does with its objects.
"""

import copy
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from oco_pipelines.resilience.standin.resources import BY_KIND, Json, Resource

HISTORY: Final = 1000


class ApiError(Exception):
    """What the API server answers instead of an object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history: ADDED, MODIFIED or DELETED."""

    version: int
    type: str
    resource: Resource
    body: Json


class Objects:
    """All objects of one cluster, safe for many threads. Bodies go in and out as copies.

    Attributes:
        version: the newest resourceVersion.
        skew: how far the cluster's clock is ahead of ours.
    """

    def __init__(self) -> None:
        self.skew = timedelta(0)
        self._lock = threading.RLock()
        self.changed = threading.Condition(self._lock)
        self._bodies: dict[tuple[str, str, str], Json] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self.version = 0

    def now(self) -> datetime:
        """What the cluster's clock shows."""
        return datetime.now(UTC) + self.skew

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """One object.

        Raises:
            ApiError: 404 when there is none.
        """
        with self._lock:
            body = self._bodies.get((resource.kind, namespace, name))
            if body is None:
                raise _not_found(resource, name)
            return copy.deepcopy(body)

    def list_all(self, resource: Resource, namespace: str = "") -> tuple[int, list[Json]]:
        """(resourceVersion, objects by namespace and name); all namespaces when none is given."""
        with self._lock:
            found = [
                copy.deepcopy(body)
                for (kind, home, _), body in sorted(self._bodies.items(), key=lambda item: item[0])
                if kind == resource.kind and namespace in {"", home}
            ]
            return self.version, found

    def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        """Keep a new object.

        Raises:
            ApiError: 404 when the namespace is missing, 409 AlreadyExists when the name is taken.
        """
        with self._lock:
            metadata = dict(body.get("metadata") or {})
            name = (
                metadata.get("name") or f"{metadata.get('generateName', '')}{uuid.uuid4().hex[:5]}"
            )
            if (resource.kind, namespace, name) in self._bodies:
                message = f'{resource.plural} "{name}" already exists'
                raise ApiError(409, "AlreadyExists", message)
            if resource.namespaced and ("Namespace", "", namespace) not in self._bodies:
                raise _not_found(BY_KIND["Namespace"], namespace)
            metadata |= {"name": name, "uid": str(uuid.uuid4()), "generation": 1}
            metadata["creationTimestamp"] = timestamp(self.now())
            if resource.namespaced:
                metadata["namespace"] = namespace
            kept = {
                **copy.deepcopy(body),
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": metadata,
            }
            return self._keep("ADDED", resource, kept)

    def replace(self, resource: Resource, namespace: str, name: str, body: Json) -> Json:
        """Put a whole object in place of another.

        Raises:
            ApiError: 404, or 409 Conflict when its resourceVersion is not the newest.
        """
        with self._lock:
            before = self.get(resource, namespace, name)
            given = (body.get("metadata") or {}).get("resourceVersion")
            if given not in {None, "", before["metadata"]["resourceVersion"]}:
                message = f'{resource.plural} "{name}": the object has been modified'
                raise ApiError(409, "Conflict", message)
            metadata = {**(body.get("metadata") or {})}
            for fixed in ("name", "namespace", "uid", "creationTimestamp", "generation"):
                if fixed in before["metadata"]:
                    metadata[fixed] = before["metadata"][fixed]
            if body.get("spec") != before.get("spec"):
                metadata["generation"] += 1
            kept = {**copy.deepcopy(body), "metadata": metadata}
            kept |= {"apiVersion": resource.api_version, "kind": resource.kind}
            return self._keep("MODIFIED", resource, kept)

    def change(
        self, resource: Resource, namespace: str, name: str, edit: Callable[[Json], None]
    ) -> Json:
        """Edit an object in one step that nothing comes between."""
        with self._lock:
            body = self.get(resource, namespace, name)
            edit(body)
            return self.replace(resource, namespace, name, body)

    def delete(self, resource: Resource, namespace: str, name: str) -> Json:
        """Remove an object; a namespace goes with all that is in it."""
        with self._lock:
            body = self.get(resource, namespace, name)
            if resource.kind == "Namespace":
                inside = [key for key in self._bodies if key[1] == name]
                for kind, home, other in inside:
                    self.delete(BY_KIND[kind], home, other)
            del self._bodies[(resource.kind, namespace, name)]
            return self._record("DELETED", resource, body)

    def since(self, version: int) -> list[Change]:
        """Changes after a resourceVersion.

        Raises:
            ApiError: 410 when the history does not reach back that far.
        """
        with self._lock:
            oldest = self._history[0].version if self._history else self.version + 1
            if version + 1 < oldest:
                raise ApiError(410, "Expired", f"too old resource version: {version}")
            return [change for change in self._history if change.version > version]

    def forget_history(self) -> None:
        """Compact the history away: a watch or page from before answers 410."""
        with self._lock:
            self._history.clear()

    def _keep(self, type_: str, resource: Resource, body: Json) -> Json:
        metadata = body["metadata"]
        self._record(type_, resource, body)
        self._bodies[(resource.kind, metadata.get("namespace", ""), metadata["name"])] = body
        return copy.deepcopy(body)

    def _record(self, type_: str, resource: Resource, body: Json) -> Json:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self._history.append(Change(self.version, type_, resource, copy.deepcopy(body)))
        self.changed.notify_all()
        return copy.deepcopy(body)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def timestamp(at: datetime | None = None) -> str:
    """RFC 3339 to the second, as Kubernetes writes times."""
    return (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.plural} "{name}" not found')
