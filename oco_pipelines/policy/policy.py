"""A policy as a file states it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy whose rules were checked.

    Attributes:
        rules: as JSON; `oco_warehouse.policy_rules` reads them.
        actions: Cloud Custodian's, for an export; they never run here.
        notes: what of the file has no meaning here, a line each.
    """

    name: str
    description: str
    policy_type: str
    severity: str
    owner: str | None
    rules: dict[str, Any]
    actions: list[Any]
    enabled: bool
    notes: tuple[str, ...] = field(default=())
