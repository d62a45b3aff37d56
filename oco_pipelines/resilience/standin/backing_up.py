"""What a backup takes out of a cluster, and what its volumes are. Pure but for reading objects."""

from collections.abc import Mapping
from typing import Final

from oco_pipelines.resilience.standin.objects import Objects
from oco_pipelines.resilience.standin.resources import BY_KIND, RESOURCES, Json, Resource

EXCLUDED_LABEL: Final = "velero.io/exclude-from-backup"
NAMESPACES, VOLUMES, CLAIMS = (
    BY_KIND[kind] for kind in ("Namespace", "PersistentVolume", "PersistentVolumeClaim")
)


def collect(objects: Objects, spec: Json) -> list[Json]:
    """The objects that a backup holds, in the order in which a restore makes them.

    Volumes come with their claims unless cluster-wide resources are excluded. A namespace is held
    when something in it is, or when no selector narrows the backup.
    """
    wanted = spec.get("includedNamespaces") or ["*"]
    refused = set(spec.get("excludedNamespaces") or [])
    held: list[Json] = []
    for namespace in objects.list_all(NAMESPACES)[1]:
        name = namespace["metadata"]["name"]
        if name in refused or not ("*" in wanted or name in wanted):
            continue
        inside = [
            body
            for resource in RESOURCES
            if resource.namespaced and takes(spec, resource)
            for body in objects.list_all(resource, name)[1]
            if _selected(spec, body["metadata"].get("labels") or {})
        ]
        if inside or not _narrowed(spec):
            held += [namespace, *inside]
    held += _cluster_wide(objects, spec, held)
    order = {resource.kind: number for number, resource in enumerate(RESOURCES)}
    return sorted(held, key=lambda body: order[body["kind"]])


def takes(spec: Json, resource: Resource) -> bool:
    """Whether a backup's or restore's filters let a kind in; Velero's own kinds never."""
    names = {resource.plural, f"{resource.plural}.{resource.group}"}
    included = set(spec.get("includedResources") or ["*"])
    excluded = set(spec.get("excludedResources") or [])
    return not resource.is_velero and bool(included & {"*", *names}) and not excluded & names


def volumes(held: list[Json]) -> list[Json]:
    """Claims of a backup that have a volume."""
    return [
        body
        for body in held
        if body["kind"] == CLAIMS.kind and (body.get("spec") or {}).get("volumeName")
    ]


def matches(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Whether labels meet a label selector; none is met by all."""
    chosen = selector or {}
    pairs = chosen.get("matchLabels") or {}
    return pairs.items() <= labels.items() and all(
        _meets(rule, labels) for rule in chosen.get("matchExpressions") or []
    )


def _meets(rule: Json, labels: Mapping[str, str]) -> bool:
    key, values = rule["key"], rule.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[rule["operator"]]


def _narrowed(spec: Json) -> bool:
    return bool(spec.get("labelSelector") or spec.get("orLabelSelectors"))


def _selected(spec: Json, labels: Mapping[str, str]) -> bool:
    if labels.get(EXCLUDED_LABEL) == "true":
        return False
    several = spec.get("orLabelSelectors") or []
    if several and not any(matches(one, labels) for one in several):
        return False
    return matches(spec.get("labelSelector"), labels)


def _cluster_wide(objects: Objects, spec: Json, held: list[Json]) -> list[Json]:
    whole = spec.get("includeClusterResources")
    if whole is False:
        return []
    claimed = {body["spec"]["volumeName"] for body in volumes(held)}
    return [
        body
        for resource in RESOURCES
        if not resource.namespaced and resource != NAMESPACES and takes(spec, resource)
        for body in objects.list_all(resource)[1]
        if whole or (resource == VOLUMES and body["metadata"]["name"] in claimed)
    ]
