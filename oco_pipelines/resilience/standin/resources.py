"""The kinds that the stand-in serves, and the structural schemas of Velero's."""

from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource; `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """Value of apiVersion in its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """Its name for one object."""
        return self.kind.lower()


_VELERO: Final = ("velero.io", "v1")
RESOURCES: Final = (
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",)),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",)),
    Resource("", "v1", "configmaps", "ConfigMap", short_names=("cm",)),
    Resource(*_VELERO, "backups", "Backup"),
    Resource(*_VELERO, "restores", "Restore"),
    Resource(*_VELERO, "schedules", "Schedule"),
    Resource(*_VELERO, "backupstoragelocations", "BackupStorageLocation", short_names=("bsl",)),
    Resource(*_VELERO, "deletebackuprequests", "DeleteBackupRequest"),
)
GROUP_VERSIONS: Final = (("", "v1"), _VELERO)

_STRINGS: Final = "string[]"
# Open objects are checked as objects only: the CRDs nest deeper than a stand-in needs to.
_FILTERS: Final[dict[str, str]] = {
    "includedNamespaces": _STRINGS,
    "excludedNamespaces": _STRINGS,
    "includedResources": _STRINGS,
    "excludedResources": _STRINGS,
    "labelSelector": "object",
    "orLabelSelectors": "object[]",
    "includeClusterResources": "boolean",
    "hooks": "object",
    "itemOperationTimeout": "string",
    "resourcePolicy": "object",
    "uploaderConfig": "object",
}
_BACKUP: Final[dict[str, str]] = {
    **_FILTERS,
    "metadata": "object",
    "includedClusterScopedResources": _STRINGS,
    "excludedClusterScopedResources": _STRINGS,
    "includedNamespaceScopedResources": _STRINGS,
    "excludedNamespaceScopedResources": _STRINGS,
    "snapshotVolumes": "boolean",
    "ttl": "string",
    "storageLocation": "string",
    "volumeSnapshotLocations": _STRINGS,
    "defaultVolumesToFsBackup": "boolean",
    "defaultVolumesToRestic": "boolean",
    "orderedResources": "object",
    "csiSnapshotTimeout": "string",
    "snapshotMoveData": "boolean",
    "datamover": "string",
    "volumeGroupSnapshotLabelKey": "string",
}
SPECS: Final[dict[str, dict[str, str]]] = {
    "Backup": _BACKUP,
    "Restore": {
        **_FILTERS,
        "backupName": "string",
        "scheduleName": "string",
        "namespaceMapping": "object",
        "restorePVs": "boolean",
        "restoreStatus": "object",
        "preserveNodePorts": "boolean",
        "existingResourcePolicy": "string",
        "resourceModifier": "object",
    },
    "Schedule": {
        "template": "object",
        "schedule": "string",
        "useOwnerReferencesInBackup": "boolean",
        "paused": "boolean",
        "skipImmediately": "boolean",
    },
    "BackupStorageLocation": {
        "provider": "string",
        "objectStorage": "object",
        "config": "object",
        "credential": "object",
        "default": "boolean",
        "accessMode": "string",
        "backupSyncPeriod": "string",
        "validationFrequency": "string",
    },
    "DeleteBackupRequest": {"backupName": "string"},
}
_TOP: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_TYPES: Final[dict[str, type]] = {"string": str, "boolean": bool, "object": dict}


def unknown_fields(kind: str, body: Json) -> list[str]:
    """Paths of fields that the schema of a Velero kind does not know; none for other kinds."""
    known = SPECS.get(kind)
    if known is None:
        return []
    spec = body.get("spec") or {}
    found = sorted(set(body) - _TOP)
    if isinstance(spec, dict):
        found += [f"spec.{name}" for name in sorted(set(spec) - set(known))]
    return found


def prune(kind: str, body: Json) -> None:
    """Drop unknown fields, as an API server does when nobody asked it to be strict."""
    for path in unknown_fields(kind, body):
        where, _, name = path.rpartition(".")
        (body[where] if where else body).pop(name)


def wrong_types(kind: str, body: Json) -> list[str]:
    """What the schema of a Velero kind refuses, a line each."""
    known = SPECS.get(kind)
    if known is None:
        return []
    spec = body.get("spec", {})
    if not isinstance(spec, dict):
        return ["spec: must be of type object"]
    found = [
        f"spec.{name}: must be of type {known[name].replace('[]', ' array')}"
        for name, value in spec.items()
        if name in known and not _fits(known[name], value)
    ]
    if spec.get("existingResourcePolicy", "none") not in {"none", "update", ""}:
        found.append("spec.existingResourcePolicy: must be none or update")
    if "status" in body and not isinstance(body["status"], dict):
        found.append("status: must be of type object")
    return found


def _fits(name: str, value: object) -> bool:
    if name.endswith("[]"):
        wanted = _TYPES[name.removesuffix("[]")]
        return isinstance(value, list) and all(isinstance(item, wanted) for item in value)
    return isinstance(value, _TYPES[name])
