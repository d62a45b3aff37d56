"""How DR policies, namespaces and storage locations stand: read-only lists, one statement each."""

import json
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from litestar import get
from litestar.datastructures import State

from oco_proxy.api.document import answers
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Filter,
    Limit,
    Page,
    decode_cursor,
    to_page,
)
from oco_proxy.middleware.auth import viewer
from oco_warehouse.durations import write_duration

_POLICIES: Final = """
SELECT policy.id::text AS policy_id, policy.name AS policy_name, policy.cluster, policy.enabled,
       policy.created_at, status.verdict, status.reasons, status.since, status.judged_at,
       judged.recovery_point_age, policy.rpo_target, judged.measured_rto, policy.rto_target,
       judged.readiness
FROM oco.dr_policies AS policy
LEFT JOIN oco.dr_policy_status AS status ON status.policy_id = policy.id
LEFT JOIN LATERAL (
    SELECT recovery_point_age, measured_rto, readiness FROM oco.dr_compliance
    WHERE policy_id = policy.id ORDER BY judged_at DESC, id DESC LIMIT 1) AS judged ON true
WHERE ($1::timestamptz IS NULL OR (policy.created_at, policy.id::text) < ($1, $2))
  AND ($4::text IS NULL OR policy.cluster = $4)
  AND ($5::text IS NULL OR status.verdict = $5)
ORDER BY policy.created_at DESC, policy.id::text DESC LIMIT $3
"""
_NAMESPACES: Final = """
SELECT cluster, namespace, policies, volumes, verdict, reasons, recovery_point_age, since,
       judged_at, cluster || '/' || namespace AS key
FROM oco.dr_namespaces
WHERE ($1::timestamptz IS NULL OR (since, cluster || '/' || namespace) < ($1, $2))
  AND ($4::text IS NULL OR cluster = $4)
  AND ($5::text IS NULL OR verdict = $5)
ORDER BY since DESC, cluster || '/' || namespace DESC LIMIT $3
"""
_LOCATIONS: Final = """
SELECT cluster, name, uid AS key, phase, phase_known, phase_since, detail::text AS detail,
       first_seen_at, last_seen_at, vanished_at
FROM oco.velero_objects
WHERE kind = 'BackupStorageLocation'
  AND ($1::timestamptz IS NULL OR (first_seen_at, uid) < ($1, $2))
  AND ($4::text IS NULL OR cluster = $4)
ORDER BY first_seen_at DESC, uid DESC LIMIT $3
"""


class PolicyStatus(msgspec.Struct, kw_only=True):
    """The newest verdict on a DR policy; null where it was never judged."""

    policy_id: str
    policy_name: str
    cluster: str
    enabled: bool
    created_at: datetime
    verdict: str | None
    reasons: list[str] | None
    since: datetime | None
    judged_at: datetime | None
    recovery_point_age: str | None
    rpo_target: str
    measured_rto: str | None
    rto_target: str
    readiness: str | None


class PolicyStatuses(msgspec.Struct):
    """One page of them."""

    items: list[PolicyStatus]
    next_cursor: str | None


class NamespaceStatus(msgspec.Struct, kw_only=True):
    """How a namespace is protected; NotCovered when it has volumes and no policy covers it."""

    cluster: str
    namespace: str
    policies: list[str]
    volumes: int
    verdict: str
    reasons: list[str]
    recovery_point_age: str | None
    since: datetime
    judged_at: datetime


class NamespaceStatuses(msgspec.Struct):
    """One page of them."""

    items: list[NamespaceStatus]
    next_cursor: str | None


class LocationStatus(msgspec.Struct, kw_only=True):
    """A storage location as it was last seen."""

    cluster: str
    name: str
    phase: str
    phase_known: bool
    phase_since: datetime
    detail: dict[str, Any]
    first_seen_at: datetime
    last_seen_at: datetime
    vanished_at: datetime | None


class LocationStatuses(msgspec.Struct):
    """One page of them."""

    items: list[LocationStatus]
    next_cursor: str | None


@get(
    "/dr/status",
    guards=[viewer],
    summary="How DR policies stand",
    tags=["resilience"],
    responses=answers(200, PolicyStatuses, "One page"),
)
async def list_policy_status(
    state: State,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    cluster: Filter = None,
    verdict: Filter = None,
) -> Page:
    """Each policy's newest verdict with its reasons, newest policy first."""
    return await _page(state, _POLICIES, "created_at", "policy_id", cursor, limit, cluster, verdict)


@get(
    "/dr/namespaces",
    guards=[viewer],
    summary="How namespaces are protected",
    tags=["resilience"],
    responses=answers(200, NamespaceStatuses, "One page"),
)
async def list_namespace_status(
    state: State,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    cluster: Filter = None,
    verdict: Filter = None,
) -> Page:
    """Those that policies cover, and those with volumes that none covers; last changed first."""
    page = await _page(state, _NAMESPACES, "since", "key", cursor, limit, cluster, verdict)
    for item in page.items:
        del item["key"]
    return page


@get(
    "/dr/locations",
    guards=[viewer],
    summary="How storage locations are",
    tags=["resilience"],
    responses=answers(200, LocationStatuses, "One page"),
)
async def list_location_status(
    state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, cluster: Filter = None
) -> Page:
    """Velero's storage locations as they were last seen, kept after they vanish."""
    page = await _page(state, _LOCATIONS, "first_seen_at", "key", cursor, limit, cluster)
    for item in page.items:
        del item["key"]
        item["detail"] = json.loads(item["detail"])
    return page


async def _page(
    state: State,
    statement: str,
    at: str,
    key: str,
    cursor: str | None,
    limit: int,
    *filters: str | None,
) -> Page:
    mark = decode_cursor(cursor)
    rows = await state.services.pool.fetch(statement, *mark, limit + 1, *filters)
    page = to_page(rows, limit, at, key)
    for item in page.items:
        item |= {
            name: write_duration(value)
            for name, value in item.items()
            if isinstance(value, timedelta)
        }
    return page


ROUTES: Final = (list_policy_status, list_namespace_status, list_location_status)
