"""The phases that Velero reports. The one definition of them."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Phases of a Backup; a Restore has the same without QUEUED, READY_TO_START and DELETING."""

    NEW = "New"
    QUEUED = "Queued"
    READY_TO_START = "ReadyToStart"
    FAILED_VALIDATION = "FailedValidation"
    IN_PROGRESS = "InProgress"
    WAITING = "WaitingForPluginOperations"
    WAITING_PARTIALLY_FAILED = "WaitingForPluginOperationsPartiallyFailed"
    FINALIZING = "Finalizing"
    FINALIZING_PARTIALLY_FAILED = "FinalizingPartiallyFailed"
    COMPLETED = "Completed"
    PARTIALLY_FAILED = "PartiallyFailed"
    FAILED = "Failed"
    DELETING = "Deleting"


# DELETING is not an end of the work but nothing good comes after it: it is not waited for.
ENDED: Final = frozenset(
    {
        Phase.FAILED_VALIDATION,
        Phase.COMPLETED,
        Phase.PARTIALLY_FAILED,
        Phase.FAILED,
        Phase.DELETING,
    }
)

# Ends after which a due time still has no recovery point. Whoever deletes a backup wants no other.
FAILED: Final = frozenset({Phase.FAILED_VALIDATION, Phase.PARTIALLY_FAILED, Phase.FAILED})


def has_ended(phase: str) -> bool:
    """Whether an object in this phase is done; a phase that we do not know is not."""
    return phase in ENDED


class Kind(StrEnum):
    """Kinds of Velero that are followed."""

    BACKUP = "Backup"
    RESTORE = "Restore"
    SCHEDULE = "Schedule"
    LOCATION = "BackupStorageLocation"
    DELETION = "DeleteBackupRequest"


AVAILABLE: Final = "Available"
PROCESSED: Final = "Processed"
_BACKUP_ONLY: Final = frozenset({Phase.QUEUED, Phase.READY_TO_START, Phase.DELETING})
# Every phase that each kind can report; an empty one is New, and of a location Unavailable.
PHASES: Final[dict[Kind, frozenset[str]]] = {
    Kind.BACKUP: frozenset(Phase),
    Kind.RESTORE: frozenset(Phase) - _BACKUP_ONLY,
    Kind.SCHEDULE: frozenset({"New", "Enabled", "FailedValidation"}),
    Kind.LOCATION: frozenset({AVAILABLE, "Unavailable"}),
    Kind.DELETION: frozenset({"New", "InProgress", PROCESSED}),
}
_EMPTY: Final = {Kind.LOCATION: "Unavailable"}


def reported_phase(kind: Kind, phase: str | None) -> str:
    """The phase of an object as it is kept: as reported, and what an empty one means."""
    return phase or _EMPTY.get(kind, Phase.NEW.value)


def is_known(kind: Kind, phase: str) -> bool:
    """Whether this version knows the phase."""
    return phase in PHASES[kind]
