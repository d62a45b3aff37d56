"""Restores, Schedules, storage locations and delete requests as Velero shows them. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from oco_pipelines.kubernetes_lists import Json
from oco_pipelines.resilience.backup import read_time
from oco_pipelines.resilience.phases import PROCESSED, Kind, is_known, reported_phase
from oco_warehouse.errors import UpstreamError

PLURALS: Final[dict[Kind, str]] = {
    Kind.LOCATION: "backupstoragelocations",
    Kind.RESTORE: "restores",
    Kind.SCHEDULE: "schedules",
    Kind.DELETION: "deletebackuprequests",
}


@dataclass(frozen=True, slots=True)
class VeleroObject:
    """One object as last seen.

    Attributes:
        phase: as reported; what an empty one means for its kind.
        detail: what matters of its spec and status.
    """

    kind: Kind
    name: str
    uid: str
    phase: str
    created_at: datetime | None
    detail: dict[str, Any]

    @property
    def phase_known(self) -> bool:
        """Whether this version knows the phase."""
        return is_known(self.kind, self.phase)


def read_object(cluster: str, kind: Kind, body: Json) -> VeleroObject:
    """What an object of the cluster says.

    Raises:
        UpstreamError: when it is not shaped as its kind.
    """
    try:
        metadata, spec = body["metadata"], body.get("spec") or {}
        status = body.get("status") or {}
        return VeleroObject(
            kind=kind,
            name=metadata["name"],
            uid=metadata["uid"],
            phase=reported_phase(kind, status.get("phase")),
            created_at=read_time(metadata.get("creationTimestamp")),
            detail=_DETAILS[kind](spec, status),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UpstreamError(f"cluster {cluster!r}: a {kind} cannot be read: {error!r}") from None


def deletes(one: VeleroObject) -> str:
    """Name of the backup that a request is deleting; empty when it has ended, well or badly.

    Processed with errors is a failed deletion: the backup is still there.
    """
    return "" if one.phase == PROCESSED else str(one.detail.get("backup") or "")


def failed_deletion(one: VeleroObject) -> bool:
    """Whether a delete request ended with errors: Velero calls that Processed, too."""
    return one.phase == PROCESSED and bool(one.detail.get("errors"))


def _restore(spec: Json, status: Json) -> dict[str, Any]:
    progress = status.get("progress") or {}
    return _known(
        backup=spec.get("backupName"),
        schedule=spec.get("scheduleName"),
        errors=status.get("errors"),
        warnings=status.get("warnings"),
        items_total=progress.get("totalItems"),
        items_restored=progress.get("itemsRestored"),
        failure=status.get("failureReason"),
        problems=status.get("validationErrors"),
        started_at=status.get("startTimestamp"),
        completed_at=status.get("completionTimestamp"),
    )


def _schedule(spec: Json, status: Json) -> dict[str, Any]:
    return _known(
        cron=spec.get("schedule"),
        paused=spec.get("paused"),
        last_backup=status.get("lastBackup"),
        problems=status.get("validationErrors"),
    )


def _location(spec: Json, status: Json) -> dict[str, Any]:
    storage = spec.get("objectStorage") or {}
    return _known(
        provider=spec.get("provider"),
        bucket=storage.get("bucket"),
        prefix=storage.get("prefix"),
        access_mode=spec.get("accessMode"),
        last_synced_at=status.get("lastSyncedTime"),
        last_validated_at=status.get("lastValidationTime"),
        message=status.get("message"),
    )


def _deletion(spec: Json, status: Json) -> dict[str, Any]:
    return _known(backup=spec.get("backupName"), errors=status.get("errors"))


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


_DETAILS: Final[dict[Kind, Callable[[Json, Json], dict[str, Any]]]] = {
    Kind.LOCATION: _location,
    Kind.RESTORE: _restore,
    Kind.SCHEDULE: _schedule,
    Kind.DELETION: _deletion,
}
