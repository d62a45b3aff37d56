"""What the API answers about recovery plans and drills."""

from datetime import datetime
from typing import Any

import msgspec


class Plan(msgspec.Struct, kw_only=True):
    """A recovery plan: what was asked for never changes, how it stands does."""

    id: str
    backup_id: str
    target_cluster: str
    namespaces: list[str]
    namespace_mapping: dict[str, str]
    existing_resource_policy: str
    purpose: str
    status: str
    preview: dict[str, Any]
    previewed_at: datetime | None
    waiting_for: str | None
    restore_name: str | None
    restore_phase: str | None
    items_total: int | None
    items_restored: int | None
    errors: int
    warnings: int
    verification: dict[str, Any]
    failure_reason: str | None
    requested_by: str
    approved_by: str | None
    created_at: datetime
    approved_at: datetime | None
    execution_requested_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None


class Plans(msgspec.Struct):
    """One page of them."""

    items: list[Plan]
    next_cursor: str | None


class ListedDrill(msgspec.Struct, kw_only=True):
    """A restore drill; its RTO is null unless it passed."""

    id: str
    policy_id: str
    policy_name: str
    due_at: datetime | None
    requested_by: str
    cluster: str
    status: str
    reason: str
    backup_id: str | None
    plan_id: str | None
    measured_rto_seconds: str | None
    started_at: datetime
    completed_at: datetime | None
    cleaned_at: datetime | None


class Drills(msgspec.Struct):
    """One page of them."""

    items: list[ListedDrill]
    next_cursor: str | None
