"""Taking a Velero backup: its spec (pure), and its creation under a name that makes it unique."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from oco_pipelines.kubernetes_lists import Json
from oco_pipelines.resilience import naming
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, KubernetesGateway
from oco_pipelines.resilience.phases import Kind, reported_phase
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.usable import BackupState
from oco_warehouse.errors import ConflictError, UpstreamError

MISSING_ANNOTATION: Final = "opencloudops.io/missing-namespaces"
MANUAL: Final = "manual"


def build_backup(
    policy: DrPolicy,
    name: str,
    due_at: datetime | None,
    missing_namespaces: tuple[str, ...] = (),
    namespaces: tuple[str, ...] | None = None,
) -> Json:
    """The Backup object of a policy.

    Args:
        policy: what to back up.
        name: from `naming.backup_name`.
        due_at: the scheduled time; None when a person asked for it.
        missing_namespaces: wanted but not in the cluster now. Velero would pass over them in
            silence, so the object keeps the evidence.
        namespaces: what the policy's selector found; None takes those that it names.
    """
    annotations = {naming.POLICY_ANNOTATION: policy.name}
    if missing_namespaces:
        annotations[MISSING_ANNOTATION] = ",".join(missing_namespaces)
    spec: dict[str, Any] = {
        **policy.snapshot_options,
        "includedNamespaces": list(policy.namespaces if namespaces is None else namespaces),
        "storageLocation": policy.storage_location,
        "ttl": _go_duration(policy.retention),
    }
    if policy.label_selector:
        spec["labelSelector"] = policy.label_selector
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": name,
            "labels": {
                naming.MANAGED_BY: naming.OWNER,
                naming.POLICY_LABEL: policy.id,
                naming.DUE_LABEL: naming.stamp(due_at) if due_at else MANUAL,
            },
            "annotations": annotations,
        },
        "spec": spec,
    }


def create_backup(gateway: KubernetesGateway, policy: DrPolicy, body: Json) -> tuple[Json, bool]:
    """Create a backup, or adopt the one that an earlier try of ours has made.

    Returns:
        The object, and whether it was there already.

    Raises:
        ConflictError: when the name belongs to somebody else.
        InvalidInputError: when Velero's schema refuses it.
        UpstreamError: when the cluster refuses or does not answer.
    """
    name = body["metadata"]["name"]
    try:
        return gateway.create_velero(policy.cluster, BACKUPS, body), False
    except ConflictError:
        found = gateway.get_velero(policy.cluster, BACKUPS, name)
    wanted, labels = body["metadata"]["labels"], found["metadata"].get("labels") or {}
    if any(labels.get(label) != value for label, value in wanted.items()):
        raise ConflictError(
            f"cluster {policy.cluster!r} has a backup {name!r} that policy {policy.name!r} did not "
            "make; rename the policy or delete the backup"
        )
    return found, True


def read_backup(cluster: str, body: Json) -> BackupState:
    """What an object of the cluster says.

    Raises:
        UpstreamError: when it is not shaped as a Backup.
    """
    try:
        return _read_backup(cluster, body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UpstreamError(f"cluster {cluster!r}: a backup cannot be read: {error!r}") from None


def _read_backup(cluster: str, body: Json) -> BackupState:
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    progress, operations = status.get("progress") or {}, "backupItemOperations"
    annotations = metadata.get("annotations") or {}
    missing = set(filter(None, annotations.get(MISSING_ANNOTATION, "").split(",")))
    attempted = (
        "volumeSnapshotsAttempted",
        "csiVolumeSnapshotsAttempted",
        f"{operations}Attempted",
    )
    completed = (
        "volumeSnapshotsCompleted",
        "csiVolumeSnapshotsCompleted",
        f"{operations}Completed",
    )
    items = progress.get("itemsBackedUp")
    return BackupState(
        cluster=cluster,
        name=metadata["name"],
        uid=metadata["uid"],
        phase=reported_phase(Kind.BACKUP, status.get("phase")),
        namespaces=tuple(
            name for name in spec.get("includedNamespaces") or [] if name not in missing
        ),
        storage_location=spec.get("storageLocation") or "default",
        created_at=read_time(metadata.get("creationTimestamp")),
        started_at=read_time(status.get("startTimestamp")),
        completed_at=read_time(status.get("completionTimestamp")),
        expires_at=read_time(status.get("expiration")),
        items_total=progress.get("totalItems"),
        # Velero leaves a zero out of its status.
        items_backed_up=0 if items is None and progress else items,
        errors=int(status.get("errors") or 0),
        warnings=int(status.get("warnings") or 0),
        validation_errors=tuple(map(str, status.get("validationErrors") or [])),
        failure_reason=status.get("failureReason"),
        volume_operations_attempted=sum(int(status.get(name) or 0) for name in attempted),
        volume_operations_completed=sum(int(status.get(name) or 0) for name in completed),
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(annotations),
        missing_namespaces=tuple(sorted(missing)),
    )


def read_time(text: str | None) -> datetime | None:
    """A time as Kubernetes writes it, in UTC; None for none."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _go_duration(length: timedelta) -> str:
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s"
