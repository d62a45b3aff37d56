"""The rule for what is a recovery point. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from oco_pipelines.resilience.phases import Kind, Phase, is_known


@dataclass(frozen=True, slots=True)
class BackupState:
    """What Velero says about one backup.

    Attributes:
        cluster: kubeconfig context.
        name: name of the Backup.
        uid: Kubernetes UID.
        phase: as reported; empty counts as New.
        namespaces: included namespaces.
        storage_location: name of the BackupStorageLocation.
        created_at: metadata.creationTimestamp.
        started_at: status.startTimestamp.
        missing_namespaces: wanted, and not there when it was taken.
        being_deleted: whether a delete request for it is at work.
    """

    cluster: str
    name: str
    uid: str
    phase: str
    namespaces: tuple[str, ...]
    storage_location: str | None
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None
    items_total: int | None
    items_backed_up: int | None
    errors: int
    warnings: int
    validation_errors: tuple[str, ...]
    failure_reason: str | None
    volume_operations_attempted: int
    volume_operations_completed: int
    labels: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict)
    missing_namespaces: tuple[str, ...] = ()
    being_deleted: bool = False


def why_unusable(
    backup: BackupState,
    expected_namespaces: Collection[str],
    available_locations: Collection[str],
    now: datetime,
) -> str:
    """Why a backup is no recovery point now, in one line; empty when it is one.

    Args:
        backup: the backup as last seen.
        expected_namespaces: what its policy wants in it; empty for a foreign backup.
        available_locations: storage locations of the cluster that are Available.
        now: aware.
    """
    unsound = why_unsound(backup, expected_namespaces, now)
    if unsound or backup.storage_location in available_locations:
        return unsound
    return f"storage location {backup.storage_location!r} is not available"


def why_unsound(backup: BackupState, expected_namespaces: Collection[str], now: datetime) -> str:
    """Why a backup is no recovery point even where its storage location is available."""
    return next(_problems(backup, expected_namespaces, now), "")


def _problems(
    backup: BackupState,
    expected_namespaces: Collection[str],
    now: datetime,
) -> Iterator[str]:
    missing = sorted({*expected_namespaces, *backup.missing_namespaces} - set(backup.namespaces))
    everything = not backup.namespaces or "*" in backup.namespaces
    attempted, completed = backup.volume_operations_attempted, backup.volume_operations_completed
    if not is_known(Kind.BACKUP, backup.phase):
        yield f"phase is {backup.phase}, which this version does not know"
    if backup.phase != Phase.COMPLETED:
        yield f"phase is {backup.phase}, not Completed"
    if backup.being_deleted:
        yield "it is being deleted"
    if backup.started_at is None:
        yield "it has no start time"
    if not backup.items_backed_up:
        yield "it holds no items"
    elif backup.items_total is not None and backup.items_backed_up < backup.items_total:
        yield f"it holds {backup.items_backed_up} of {backup.items_total} items"
    if missing and not everything:
        yield f"namespaces are missing: {', '.join(missing)}"
    if completed < attempted:
        yield f"{completed} of {attempted} volume operations completed"
    if backup.expires_at is not None and backup.expires_at <= now:
        yield "it has expired"
