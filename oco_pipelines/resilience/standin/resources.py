"""The kinds that the stand-in serves."""

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

    @property
    def is_velero(self) -> bool:
        """Whether it is one of Velero's own."""
        return self.group == VELERO_GROUP


VELERO_GROUP: Final = "velero.io"
_VELERO: Final = (VELERO_GROUP, "v1")
_MOVER: Final = (VELERO_GROUP, "v2alpha1")
_RBAC: Final = ("rbac.authorization.k8s.io", "v1")
# In the order in which a restore makes them.
RESOURCES: Final = (
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",)),
    Resource("", "v1", "persistentvolumes", "PersistentVolume", False, ("pv",)),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",)),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",)),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "configmaps", "ConfigMap", short_names=("cm",)),
    Resource("", "v1", "services", "Service", True, ("svc",)),
    Resource("", "v1", "pods", "Pod", True, ("po",)),
    Resource("apps", "v1", "deployments", "Deployment", True, ("deploy",)),
    Resource("apps", "v1", "statefulsets", "StatefulSet", True, ("sts",)),
    Resource(*_RBAC, "clusterroles", "ClusterRole", namespaced=False),
    Resource(*_RBAC, "roles", "Role"),
    Resource(*_RBAC, "rolebindings", "RoleBinding"),
    Resource(*_VELERO, "backups", "Backup"),
    Resource(*_VELERO, "restores", "Restore"),
    Resource(*_VELERO, "schedules", "Schedule"),
    Resource(*_VELERO, "backupstoragelocations", "BackupStorageLocation", True, ("bsl",)),
    Resource(*_VELERO, "volumesnapshotlocations", "VolumeSnapshotLocation", True, ("vsl",)),
    Resource(*_VELERO, "deletebackuprequests", "DeleteBackupRequest"),
    Resource(*_VELERO, "downloadrequests", "DownloadRequest"),
    Resource(*_VELERO, "serverstatusrequests", "ServerStatusRequest", True, ("ssr",)),
    Resource(*_VELERO, "podvolumebackups", "PodVolumeBackup"),
    Resource(*_MOVER, "datauploads", "DataUpload"),
    Resource(*_MOVER, "datadownloads", "DataDownload"),
)
BY_KIND: Final = {resource.kind: resource for resource in RESOURCES}
GROUP_VERSIONS: Final = tuple(
    dict.fromkeys((resource.group, resource.version) for resource in RESOURCES)
)
