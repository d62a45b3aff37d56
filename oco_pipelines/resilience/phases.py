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
