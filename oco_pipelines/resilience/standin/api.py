"""What the stand-in answers: (method, path, query, body) → (status, headers, body). No sockets.

Belongs here: routing, selectors, paging, strictness. Does not belong here: what objects are
(`objects`), what is served (`discovery`), or what Velero does (`velero`).
"""

import base64
import copy
import json
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from oco_pipelines.resilience.standin.discovery import discovery
from oco_pipelines.resilience.standin.objects import ApiError, Objects
from oco_pipelines.resilience.standin.patches import apply_patch
from oco_pipelines.resilience.standin.resources import RESOURCES, Json, Resource
from oco_pipelines.resilience.standin.schema import (
    metadata_problems,
    problems,
    prune,
    unknown_paths,
)
from oco_pipelines.resilience.standin.velero_schemas import SCHEMAS

# Pages that can be asked for at once; older ones have expired.
MOST_SNAPSHOTS: Final = 64


@dataclass(frozen=True, slots=True)
class Target:
    """The resource that a path names; `name` is empty for a collection."""

    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One answer in place of the real one: a status, how it is given, and whether work is done.

    Attributes:
        status: HTTP status; 0 gives no answer at all, as a timeout does.
        retry_after: seconds, sent as Retry-After.
        method: only for requests of this method; empty for any.
        path: only for requests whose path holds this.
        after: when True the request takes effect and only its answer is lost.
        times: how many requests get it.
    """

    status: int
    retry_after: int | None = None
    method: str = ""
    path: str = ""
    after: bool = False
    times: int = 1


@dataclass(slots=True)
class Api:
    """The REST surface over some objects.

    Attributes:
        faults: answers to give in place of real ones; of those that fit a request the first.
        seen: (method, path) of the last requests.
    """

    objects: Objects
    faults: deque[Fault] = field(default_factory=deque)
    seen: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=1000))
    _snapshots: OrderedDict[int, list[Json]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The next fault for a request, if one waits."""
        with self._lock:
            for number, fault in enumerate(self.faults):
                if fault.method in {"", method} and fault.path in path:
                    if fault.times > 1:
                        self.faults[number] = replace(fault, times=fault.times - 1)
                    else:
                        del self.faults[number]
                    return fault
            return None

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: Any, content_type: str
    ) -> tuple[int, Json]:
        """Status and JSON of one request that is not a watch.

        Raises:
            ApiError: what the API server refuses.
        """
        found = discovery(path)
        if found is not None:
            return 200, found
        target = route(path)
        if target.name:
            return self._one(method, target, query, body, content_type)
        if method == "GET":
            return 200, self.listing(target, query)
        if method == "POST":
            checked = _admit(target.resource, body, query)
            if query.get("dryRun"):
                return 201, checked
            return 201, self.objects.create(target.resource, target.namespace, checked)
        raise ApiError(405, "MethodNotAllowed", f"{method} is not served on {path}")

    def _one(
        self, method: str, target: Target, query: Mapping[str, str], body: Any, content_type: str
    ) -> tuple[int, Json]:
        where = (target.resource, target.namespace, target.name)
        if method == "GET":
            return 200, self.objects.get(*where)
        if method == "DELETE":
            wanted = (body.get("preconditions") or {}).get("uid") if isinstance(body, dict) else ""
            if wanted and self.objects.get(*where)["metadata"]["uid"] != wanted:
                raise ApiError(409, "Conflict", f"the UID is not {wanted}")
            gone = self.objects.delete(*where)
            details = {"name": target.name, "kind": target.resource.plural}
            details["uid"] = gone["metadata"]["uid"]
            return 200, {**_STATUS, "status": "Success", "details": details}
        if method == "PUT":
            return 200, self.objects.replace(*where, _admit(target.resource, body, query))
        if method == "PATCH":

            def edit(kept: Json) -> None:
                patched = apply_patch(kept, body, content_type, target.resource)
                merged = _admit(target.resource, patched, query)
                kept.clear()
                kept.update(merged)

            return 200, self.objects.change(*where, edit)
        raise ApiError(405, "MethodNotAllowed", f"{method} is not served on an object")

    def listing(self, target: Target, query: Mapping[str, str]) -> Json:
        """A list or a page of one.

        Raises:
            ApiError: 400 for a bad selector or limit, 410 for a page that is too old.
        """
        limit, start = _whole(query, "limit"), 0
        if query.get("continue"):
            number, version, start = _continued(query["continue"])
            # A page comes from the snapshot of the first one; ours live no longer than history.
            self.objects.since(version)
            found = self._snapshot(number)
        else:
            version, found = self.objects.list_all(target.resource, target.namespace)
            found = [body for body in found if selects(query, body)]
            number = self._keep(found) if limit and limit < len(found) else 0
        metadata: Json = {"resourceVersion": str(version)}
        if limit and start + limit < len(found):
            token = json.dumps([number, version, start + limit]).encode()
            metadata["continue"] = base64.urlsafe_b64encode(token).decode()
            metadata["remainingItemCount"] = len(found) - start - limit
        items = found[start : start + limit] if limit else found[start:]
        return {
            "apiVersion": target.resource.api_version,
            "kind": f"{target.resource.kind}List",
            "metadata": metadata,
            "items": items,
        }

    def _keep(self, found: list[Json]) -> int:
        with self._lock:
            number = next(reversed(self._snapshots), 0) + 1
            self._snapshots[number] = found
            if len(self._snapshots) > MOST_SNAPSHOTS:
                self._snapshots.popitem(last=False)
            return number

    def _snapshot(self, number: int) -> list[Json]:
        with self._lock:
            if number not in self._snapshots:
                raise ApiError(410, "Expired", "the provided continue parameter is too old")
            return self._snapshots[number]


_STATUS: Final[Json] = {"apiVersion": "v1", "kind": "Status", "metadata": {}}


def failure(error: ApiError) -> Json:
    """The Status object of a refusal."""
    return {
        **_STATUS,
        "status": "Failure",
        "reason": error.reason,
        "code": error.code,
        "message": error.message,
    }


def route(path: str) -> Target:
    """What a path names.

    Raises:
        ApiError: 404 for a path that is not served.
    """
    parts = [part for part in path.split("/") if part]
    group, version, rest = "", "", parts
    if parts[:1] == ["api"]:
        version, rest = (parts[1:2] or [""])[0], parts[2:]
    elif parts[:1] == ["apis"]:
        group, version, rest = (parts[1:2] or [""])[0], (parts[2:3] or [""])[0], parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    for resource in RESOURCES:
        same = (resource.group, resource.version) == (group, version)
        if same and rest and rest[0] == resource.plural and len(rest) <= 2:
            if resource.namespaced and len(rest) == 2 and not namespace:
                break
            return Target(resource, namespace, rest[1] if len(rest) == 2 else "")
    raise ApiError(404, "NotFound", "the server could not find the requested resource")


def selects(query: Mapping[str, str], body: Json) -> bool:
    """Whether an object meets labelSelector (equality and existence) and fieldSelector.

    Raises:
        ApiError: 400 for a selector that the stand-in does not know.
    """
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    terms = [term.strip() for term in query.get("labelSelector", "").split(",") if term.strip()]
    for term in terms:
        if any(mark in term for mark in ("(", " in ", " notin ")):
            raise ApiError(400, "BadRequest", f"selector {term!r} is not served by the stand-in")
        if "!=" in term:
            name, _, value = term.partition("!=")
            held = labels.get(name) != value
        elif "=" in term:
            name, _, value = term.replace("==", "=").partition("=")
            held = labels.get(name) == value
        else:
            held = _exists(term, labels)
        if not held:
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        name, _, value = term.replace("==", "=").partition("=")
        if name not in {"metadata.name", "metadata.namespace"}:
            raise ApiError(400, "BadRequest", f"field selector {name!r} is not served")
        if metadata.get(name.removeprefix("metadata.")) != value:
            return False
    return True


def _exists(term: str, labels: Mapping[str, str]) -> bool:
    return term[1:] not in labels if term.startswith("!") else term in labels


def _admit(resource: Resource, body: Any, query: Mapping[str, str]) -> Json:
    if not isinstance(body, dict):
        raise ApiError(400, "BadRequest", "body is not an object")
    admitted: Json = copy.deepcopy(body)
    given = (admitted.get("apiVersion"), admitted.get("kind"))
    if given != (resource.api_version, resource.kind):
        raise ApiError(400, "BadRequest", f"object is {given}, not a {resource.kind}")
    wrong = list(metadata_problems(admitted.get("metadata") or {}))
    schema = SCHEMAS.get(resource.kind)
    if schema is not None:
        unknown = unknown_paths(schema, admitted)
        if unknown and query.get("fieldValidation") == "Strict":
            fields = ", ".join(f'unknown field "{path}"' for path in unknown)
            raise ApiError(400, "BadRequest", f"strict decoding error: {fields}")
        prune(schema, admitted)
        wrong += problems(schema, admitted)
    if wrong:
        name = (admitted.get("metadata") or {}).get("name", "")
        kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
        raise ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {"; ".join(wrong)}')
    return admitted


def _continued(token: str) -> tuple[int, int, int]:
    try:
        number, version, start = json.loads(base64.urlsafe_b64decode(token))
        return int(number), int(version), int(start)
    except (ValueError, TypeError):
        raise ApiError(400, "BadRequest", "continue key is not valid") from None


def _whole(query: Mapping[str, str], name: str) -> int:
    try:
        return int(query.get(name) or 0)
    except ValueError:
        raise ApiError(400, "BadRequest", f"{name} is not a whole number") from None
