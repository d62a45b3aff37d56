"""What a restore makes of a backup's objects in a cluster.

As Velero does it: what exists is passed over in silence, or with a warning where it differs, unless
the restore says `update`; namespaces are renamed, names of namespaces inside objects are not; a
claim whose volume belongs to somebody else stays without one.
"""

import copy
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from oco_pipelines.resilience.standin.backing_up import (
    CLAIMS,
    NAMESPACES,
    VOLUMES,
    matches,
    takes,
)
from oco_pipelines.resilience.standin.objects import ApiError, Objects
from oco_pipelines.resilience.standin.resources import BY_KIND, Json
from oco_pipelines.resilience.standin.storage import full_name

_SET_BY_SERVER: Final = ("uid", "resourceVersion", "creationTimestamp", "generation")


@dataclass(slots=True)
class Restored:
    """What became of the objects of a restore.

    Attributes:
        total: objects that the restore is about; as in Velero, all of them count as restored.
        outcome: what became of each, as Velero writes it down: {"v1/ConfigMap": ["a/b(created)"]}.
        warnings: by namespace, "" for cluster-wide objects.
        errors: likewise.
    """

    total: int = 0
    outcome: dict[str, list[str]] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)

    def note(self, body: Json, what: str) -> None:
        """One object's outcome: created, updated, skipped or failed."""
        kind = f"{body['apiVersion']}/{body['kind']}"
        self.outcome.setdefault(kind, []).append(f"{full_name(body)}({what})")


def put_back(
    objects: Objects,
    held: list[Json],
    spec: Json,
    *,
    lost: Collection[str] = (),
    refused: Collection[str] = (),
    broken_volumes: bool = False,
    moved_data: bool = False,
) -> Restored:
    """Make a backup's objects again.

    Args:
        objects: the cluster.
        held: what the backup holds.
        spec: of the restore.
        lost: kind/namespace/name, in the backup, of objects that are left out without a word.
        refused: likewise of objects that the cluster refuses.
        broken_volumes: whether volumes come back unusable.
        moved_data: whether the backup holds the data itself: claims get volumes of their own then.
    """
    done = Restored()
    wanted = spec.get("includedNamespaces") or ["*"]
    mapping = spec.get("namespaceMapping") or {}
    renamed: dict[str, str] = {}
    for original in held:
        body = copy.deepcopy(original)
        resource, metadata = BY_KIND[body["kind"]], body["metadata"]
        home = metadata["name"] if resource == NAMESPACES else metadata.get("namespace", "")
        inside = not home or "*" in wanted or home in wanted
        if not inside or not takes(spec, resource) or not _cluster_wide(spec, body, home):
            continue
        if resource != NAMESPACES and not matches(
            spec.get("labelSelector"), metadata.get("labels") or {}
        ):
            continue
        if resource == VOLUMES and not _claimed(body, wanted):
            continue
        done.total += 1
        name = f"{body['kind']}/{full_name(original)}"
        if name in lost:
            continue
        _rename(body, mapping.get(home, home), mapping, renamed, objects)
        if name in refused:
            done.note(body, "failed")
            done.errors.setdefault(mapping.get(home, home), []).append(f"{name}: refused")
            continue
        if resource == CLAIMS:
            _bind(objects, body, held, broken=broken_volumes, fresh=moved_data)
        _make(objects, body, str(spec.get("existingResourcePolicy") or "none"), done)
    return done


def _cluster_wide(spec: Json, body: Json, home: str) -> bool:
    if home:
        return True
    # Left open, volumes come along with their claims and nothing else does.
    whole = spec.get("includeClusterResources")
    return bool(whole) or (whole is None and body["kind"] == VOLUMES.kind)


def _claimed(volume: Json, wanted: list[str]) -> bool:
    home = ((volume.get("spec") or {}).get("claimRef") or {}).get("namespace")
    return "*" in wanted or home is None or home in wanted


def _rename(
    body: Json, target: str, mapping: dict[str, str], renamed: dict[str, str], objects: Objects
) -> None:
    metadata, spec = body["metadata"], body.get("spec") or {}
    for fixed in _SET_BY_SERVER:
        metadata.pop(fixed, None)
    if body["kind"] == NAMESPACES.kind:
        metadata["name"] = target
    elif "namespace" in metadata:
        metadata["namespace"] = target
    if body["kind"] == VOLUMES.kind:
        claim = spec.get("claimRef") or {}
        home = claim.get("namespace", "")
        taken = _exists(objects, VOLUMES.kind, "", metadata["name"])
        if taken and mapping.get(home, home) != home:
            renamed[metadata["name"]] = metadata["name"] = f"velero-clone-{uuid.uuid4()}"
        if claim:
            spec["claimRef"] = {**claim, "namespace": mapping.get(home, home)}
    elif body["kind"] == CLAIMS.kind and spec.get("volumeName") in renamed:
        spec["volumeName"] = renamed[spec["volumeName"]]


def _bind(objects: Objects, body: Json, held: list[Json], *, broken: bool, fresh: bool) -> None:
    """Give a claim its volume, or none when that is somebody else's or is broken."""
    name, metadata = (body.get("spec") or {}).get("volumeName"), body["metadata"]
    if not name:
        return
    if fresh and not broken:
        body["spec"]["volumeName"] = f"pvc-{uuid.uuid4()}"
        body["status"] = {"phase": "Bound"}
        return
    wanted = {"namespace": metadata["namespace"], "name": metadata["name"]}
    owner = None
    if _exists(objects, VOLUMES.kind, "", name):
        claim = (objects.get(VOLUMES, "", name).get("spec") or {}).get("claimRef") or {}
        owner = {part: claim.get(part) for part in wanted} if claim else wanted
    kept = any(one["kind"] == VOLUMES.kind and one["metadata"]["name"] == name for one in held)
    lost = broken or (owner is not None and owner != wanted) or (owner is None and kept)
    body["status"] = {"phase": "Lost" if lost else "Bound"}


def _make(objects: Objects, body: Json, policy: str, done: Restored) -> None:
    resource, metadata = BY_KIND[body["kind"]], body["metadata"]
    home, name = metadata.get("namespace", ""), metadata["name"]
    try:
        objects.create(resource, home, body)
    except ApiError as error:
        if error.code != 409:
            done.note(body, "failed")
            done.errors.setdefault(home, []).append(error.message)
            return
        there = objects.get(resource, home, name)
        same = all(there.get(part) == body.get(part) for part in ("data", "spec", "subjects"))
        if resource == NAMESPACES or same or policy != "update":
            done.note(body, "skipped")
            if resource != NAMESPACES and not same:
                done.warnings.setdefault(home, []).append(
                    f"could not restore, {resource.kind} {name!r} already exists. Warning: the "
                    "in-cluster version is different than the backed-up version"
                )
            return
        objects.replace(resource, home, name, body)
        done.note(body, "updated")
        return
    done.note(body, "created")


def _exists(objects: Objects, kind: str, namespace: str, name: str) -> bool:
    try:
        objects.get(BY_KIND[kind], namespace, name)
    except ApiError:
        return False
    return True
