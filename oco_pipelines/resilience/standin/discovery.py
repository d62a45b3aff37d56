"""What the stand-in serves, as its clients ask for it: discovery and OpenAPI documents."""

from typing import Final

from oco_pipelines.resilience.standin.resources import GROUP_VERSIONS, RESOURCES, Json


def discovery(path: str) -> Json | None:
    """Discovery and OpenAPI documents; None for any other path."""
    path = path.rstrip("/")
    if path in _FIXED:
        return _FIXED[path]
    for group, version in GROUP_VERSIONS:
        if path == f"/{_root(group, version)}":
            return _resources(group, version)
        if path == f"/openapi/v3/{_root(group, version)}":
            return _openapi(group, version)
    return None


def _root(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _groups() -> list[Json]:
    versions: dict[str, list[Json]] = {}
    for group, version in GROUP_VERSIONS:
        if group:
            one = {"groupVersion": f"{group}/{version}", "version": version}
            versions.setdefault(group, []).append(one)
    return [
        {"name": group, "versions": served, "preferredVersion": served[0]}
        for group, served in versions.items()
    ]


def _resources(group: str, version: str) -> Json:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    return {
        "apiVersion": "v1",
        "kind": "APIResourceList",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [
            {
                "name": resource.plural,
                "singularName": resource.singular,
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "shortNames": list(resource.short_names),
                "verbs": verbs,
            }
            for resource in RESOURCES
            if (resource.group, resource.version) == (group, version)
        ],
    }


def _openapi(group: str, version: str) -> Json:
    """As much as kubectl reads to learn that the server validates fields itself."""
    paths: Json = {}
    for resource in RESOURCES:
        if (resource.group, resource.version) != (group, version):
            continue
        home = "namespaces/{namespace}/" if resource.namespaced else ""
        kind = {"group": group, "version": version, "kind": resource.kind}
        operation = {
            "x-kubernetes-group-version-kind": kind,
            "parameters": [
                {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
            ],
            "responses": {"200": {"description": "OK"}},
        }
        paths[f"/{_root(group, version)}/{home}{resource.plural}/{{name}}"] = {"patch": operation}
    return {
        "openapi": "3.0.0",
        "info": {"title": "stand-in", "version": "v1"},
        "paths": paths,
        "components": {"schemas": {}},
    }


_FIXED: Final[dict[str, Json]] = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0+standin", "platform": "any"},
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {"apiVersion": "v1", "kind": "APIGroupList", "groups": _groups()},
    "/openapi/v3": {
        "paths": {
            _root(*pair): {"serverRelativeURL": f"/openapi/v3/{_root(*pair)}?hash=1"}
            for pair in GROUP_VERSIONS
        }
    },
}
