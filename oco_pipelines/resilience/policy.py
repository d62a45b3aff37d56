"""A DR policy as the rest of the domain sees it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from oco_warehouse.dr_rules import read_rule, selects
from oco_warehouse.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class DrPolicy:
    """One row of oco.dr_policies.

    Attributes:
        cluster: kubeconfig context.
        namespaces: as the policy names them; empty where its selector says them.
        keep_at_least: so many newest usable recovery points are kept whatever their age.
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
    namespace_selector: dict[str, Any] | None = None
    label_selector: dict[str, Any] | None = None
    snapshot_options: dict[str, Any] = field(default_factory=dict)
    keep_at_least: int = 1
    drill_cron: str | None = None
    protected: bool = False
    enabled: bool = True
    last_due_at: datetime | None = None

    @property
    def handled_until(self) -> datetime:
        """From when on due times count: nothing was due before the policy was made."""
        return self.last_due_at or self.created_at

    def namespaces_in(self, present: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
        """The namespaces that the policy wants backed up.

        Args:
            present: those of its cluster, each with its labels.

        Returns:
            Those that it names, whether they are there or not; or all that its selector finds.
        """
        if self.namespace_selector is None:
            return self.namespaces
        return tuple(
            sorted(n for n, labels in present.items() if selects(self.namespace_selector, labels))
        )


# What people may not change of a row, or what nobody writes.
_OWN: Final = frozenset({"id", "created_at", "last_due_at"})


def problems(policy: DrPolicy) -> list[str]:
    """What is wrong with a policy, a line each: rows may be older than the rules."""
    values = {name: getattr(policy, name) for name in policy.__slots__ if name not in _OWN}
    try:
        read_rule(values)
    except InvalidInputError as error:
        return [str(error)]
    return []
