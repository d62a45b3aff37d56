"""What a DR policy is on the API's border; the rules themselves are in `oco_warehouse.dr_rules`."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec

from oco_proxy.api.fields import told
from oco_warehouse.dr_rules import (
    LOCATION_PATTERN,
    MOST_CLUSTER,
    MOST_KEPT,
    MOST_NAME,
    MOST_NAMESPACES,
    NAMESPACE_PATTERN,
)
from oco_warehouse.durations import write_duration

_NO_NUL: Final = "^[^\\x00]*$"
JSON_COLUMNS: Final = frozenset({"namespace_selector", "label_selector", "snapshot_options"})
PolicyName = Annotated[str, told(min_length=1, max_length=MOST_NAME, pattern=_NO_NUL)]
ClusterName = Annotated[str, told(min_length=1, max_length=MOST_CLUSTER, pattern=_NO_NUL)]
Description = Annotated[str, told(max_length=500, pattern=_NO_NUL)]
Namespaces = Annotated[
    list[Annotated[str, told(pattern=NAMESPACE_PATTERN)]], told(max_items=MOST_NAMESPACES)
]
Cron = Annotated[str, told(max_length=200, description="Five fields, in the policy's time zone")]
Zone = Annotated[str, told(max_length=100, description="An IANA name")]
Length = Annotated[str, told(pattern="^([0-9]+[dhms])+$", description="As in 30d, 8h or 1h30m")]
Kept = Annotated[int, told(minimum=0, maximum=MOST_KEPT)]
Location = Annotated[str, told(pattern=LOCATION_PATTERN)]
Selector = Annotated[
    dict[str, Any], told(description="A label selector: matchLabels, matchExpressions")
]
Options = Annotated[dict[str, Any], told(description="Fields of Velero's Backup spec")]


class NewDrPolicy(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A DR policy to be made, with either `namespaces` or a `namespace_selector`."""

    name: PolicyName
    cluster: ClusterName
    schedule_cron: Cron
    rpo_target: Length
    rto_target: Length
    description: Description = ""
    namespaces: Namespaces = msgspec.field(default_factory=list)
    namespace_selector: Selector | None = None
    label_selector: Selector | None = None
    time_zone: Zone = "UTC"
    retention: Length = "30d"
    keep_at_least: Kept = 1
    storage_location: Location = "default"
    snapshot_options: Options = msgspec.field(default_factory=dict)
    drill_cron: Cron | None = None
    protected: bool = False
    enabled: bool = True


class DrPolicyChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may change of a DR policy; its name and its cluster may not: backups carry them."""

    schedule_cron: Cron | msgspec.UnsetType = msgspec.UNSET
    rpo_target: Length | msgspec.UnsetType = msgspec.UNSET
    rto_target: Length | msgspec.UnsetType = msgspec.UNSET
    description: Description | msgspec.UnsetType = msgspec.UNSET
    namespaces: Namespaces | msgspec.UnsetType = msgspec.UNSET
    namespace_selector: Selector | msgspec.UnsetType | None = msgspec.UNSET
    label_selector: Selector | msgspec.UnsetType | None = msgspec.UNSET
    time_zone: Zone | msgspec.UnsetType = msgspec.UNSET
    retention: Length | msgspec.UnsetType = msgspec.UNSET
    keep_at_least: Kept | msgspec.UnsetType = msgspec.UNSET
    storage_location: Location | msgspec.UnsetType = msgspec.UNSET
    snapshot_options: Options | msgspec.UnsetType = msgspec.UNSET
    drill_cron: Cron | msgspec.UnsetType | None = msgspec.UNSET
    protected: bool | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class DrPolicy(msgspec.Struct, kw_only=True):
    """A DR policy as it is answered."""

    id: str
    name: str
    cluster: str
    schedule_cron: str
    rpo_target: str
    rto_target: str
    description: str
    namespaces: list[str]
    namespace_selector: dict[str, Any] | None
    label_selector: dict[str, Any] | None
    time_zone: str
    retention: str
    keep_at_least: int
    storage_location: str
    snapshot_options: dict[str, Any]
    drill_cron: str | None
    protected: bool
    enabled: bool
    last_due_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class DrPolicies(msgspec.Struct):
    """One page of them."""

    items: list[DrPolicy]
    next_cursor: str | None


def answered_policy(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is answered: lengths as text, JSON as values."""
    return {name: _told(name, value) for name, value in row.items()}


def _told(name: str, value: Any) -> Any:
    if isinstance(value, timedelta):
        return write_duration(value)
    return json.loads(value) if name in JSON_COLUMNS and value is not None else value
