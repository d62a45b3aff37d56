"""A DR policy as the rest of the domain sees it. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from oco_pipelines.resilience.due import check_schedule
from oco_warehouse.errors import InvalidInputError

# Fields of the Backup spec that a policy may set as they are; the others follow from its columns.
SNAPSHOT_OPTIONS: Final = frozenset(
    {
        "csiSnapshotTimeout",
        "datamover",
        "defaultVolumesToFsBackup",
        "itemOperationTimeout",
        "snapshotMoveData",
        "snapshotVolumes",
        "volumeSnapshotLocations",
    }
)


@dataclass(frozen=True, slots=True)
class DrPolicy:
    """One row of oco.dr_policies.

    Attributes:
        cluster: kubeconfig context.
        retention: Velero's ttl of each backup.
        last_due_at: last due time that was handled; None before the first.
    """

    id: str
    name: str
    cluster: str
    namespaces: tuple[str, ...]
    schedule_cron: str
    time_zone: str
    retention: timedelta
    storage_location: str
    rpo_target: timedelta
    rto_target: timedelta
    created_at: datetime
    label_selector: dict[str, Any] | None = None
    snapshot_options: dict[str, Any] = field(default_factory=dict)
    protected: bool = False
    enabled: bool = True
    last_due_at: datetime | None = None

    @property
    def handled_until(self) -> datetime:
        """From when on due times count: nothing was due before the policy was made."""
        return self.last_due_at or self.created_at


def problems(policy: DrPolicy) -> list[str]:
    """What is wrong with a policy, a line each."""
    found = []
    try:
        check_schedule(policy.schedule_cron, policy.time_zone)
    except InvalidInputError as error:
        found.append(str(error))
    unknown = sorted(set(policy.snapshot_options) - SNAPSHOT_OPTIONS)
    if unknown:
        found.append(f"snapshot option {', '.join(unknown)} is unknown")
    if policy.retention < policy.rpo_target:
        found.append("retention is shorter than the RPO target: backups expire before they are due")
    return found
