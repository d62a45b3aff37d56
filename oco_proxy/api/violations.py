"""Violations of governance policies: listed, and by people given an owner or an exemption."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, patch
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.document import answers, problems
from oco_proxy.api.etags import IfMatch, check_unchanged, etag, needed
from oco_proxy.api.fields import Name, answered, in_utc, told
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Filter,
    Limit,
    Page,
    decode_cursor,
    to_page,
)
from oco_proxy.middleware.auth import operator, viewer
from oco_warehouse.errors import ConflictError, InvalidInputError, NotFoundError

Status = Literal["open", "exempt", "resolved"]
_MAX_REASON: Final = 2000
_SELECT: Final = """
SELECT v.id::text AS id, v.policy_id::text AS policy_id, p.name AS policy_name, v.provider,
       v.account_id, v.resource_id, v.description, v.severity, v.owner,
       v.evidence::text AS evidence,
       CASE WHEN v.resolved_at IS NOT NULL THEN 'resolved'
            WHEN v.exempt_until > now() THEN 'exempt' ELSE 'open' END AS status,
       v.exempt_until, v.exempt_reason, v.detected_at, v.last_seen_at, v.resolved_at, v.version
FROM oco.policy_violations v
JOIN oco.governance_policies p ON p.id = v.policy_id
"""
_LIST: Final = f"""
SELECT * FROM ({_SELECT}
    WHERE ($1::timestamptz IS NULL OR (v.detected_at, v.id::text) < ($1, $2))
      AND ($4::boolean IS NULL OR (v.resolved_at IS NULL) = $4)
      AND ($6::text IS NULL OR p.name = $6)
      AND ($7::text IS NULL OR v.severity = $7)
) AS found
WHERE $5::text IS NULL OR status = $5
ORDER BY detected_at DESC, id DESC
LIMIT $3
"""  # noqa: S608 - constants
_ONE: Final = f"{_SELECT} WHERE v.id = $1"
Reason = Annotated[str, told(min_length=1, max_length=_MAX_REASON)]


class ViolationChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What people say of a violation. An exemption needs both members; null for both ends it."""

    owner: Name | msgspec.UnsetType | None = msgspec.UNSET
    exempt_until: datetime | msgspec.UnsetType | None = msgspec.UNSET
    exempt_reason: Reason | msgspec.UnsetType | None = msgspec.UNSET


class Violation(msgspec.Struct, kw_only=True):
    """A violation as it is answered. An exempt one is open again when its exemption ends."""

    id: str
    policy_id: str
    policy_name: str
    provider: str
    account_id: str
    resource_id: str
    description: str
    severity: Literal["info", "warning", "critical"]
    owner: str | None
    evidence: dict[str, Any]
    status: Status
    exempt_until: datetime | None
    exempt_reason: str | None
    detected_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    version: int


class Violations(msgspec.Struct):
    """One page of them."""

    items: list[Violation]
    next_cursor: str | None


_READ: Final = answers(200, Violation, "The violation, with its ETag")


class ViolationController(Controller):
    """`/api/v1/violations`."""

    path = "/violations"
    tags = ("costs",)

    @get(
        guards=[viewer],
        summary="What breaks a policy",
        responses=answers(200, Violations, "One page"),
    )
    async def list_violations(
        self,
        state: State,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        open: FromQuery[bool | None] = None,  # noqa: A002
        status: FromQuery[Status | None] = None,
        policy: Filter = None,
        severity: Filter = None,
    ) -> Page:
        """Violations of governance policies, newest first; `open` ones may be exempt."""
        at, key = decode_cursor(cursor)
        rows = await state.services.pool.fetch(
            _LIST, at, key, limit + 1, open, status, policy, severity
        )
        page = to_page(rows, limit, "detected_at", "id")
        page.items = [_decoded(item) for item in page.items]
        return page

    @get("/{violation_id:uuid}", guards=[viewer], summary="One violation", responses=_READ)
    async def get_violation(
        self, state: State, violation_id: FromPath[UUID]
    ) -> Response[dict[str, Any]]:
        """With its ETag."""
        return _answer(await state.services.pool.fetchrow(_ONE, violation_id), violation_id)

    @patch(
        "/{violation_id:uuid}",
        guards=[operator],
        summary="Give a violation an owner or an exemption",
        responses=_READ | problems(409),
    )
    async def change_violation(
        self,
        state: State,
        request: Request[Any, Any, Any],
        violation_id: FromPath[UUID],
        data: JSONBody[ViolationChange],
        if_match: IfMatch = None,
    ) -> Response[dict[str, Any]]:
        """Needs `If-Match` with the ETag that was read. What is resolved changes no more."""
        wanted = needed(if_match, "violation")
        changes = _checked(data)
        settings = "".join(f", {name} = ${place}" for place, name in enumerate(changes, 2))
        async with state.services.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(f"{_ONE} FOR UPDATE OF v", violation_id)
            if row is None:
                raise NotFoundError(f"there is no violation {violation_id}")
            check_unchanged(row, wanted, "violation")
            if row["resolved_at"] is not None:
                raise ConflictError("the violation is resolved; there is nothing to exempt or own")
            if changes:
                await connection.execute(
                    f"UPDATE oco.policy_violations SET version = version + 1{settings} "  # noqa: S608
                    "WHERE id = $1",
                    violation_id,
                    *changes.values(),
                )
                await audit(
                    connection,
                    request,
                    action="policy_violation.update",
                    entity_type="policy_violation",
                    entity_id=str(violation_id),
                    details={name: str(value) for name, value in changes.items()},
                )
                row = await connection.fetchrow(_ONE, violation_id)
        return _answer(row, violation_id)


def _checked(data: ViolationChange) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if data.owner is not msgspec.UNSET:
        owner = data.owner
        if owner is not None and (not 0 < len(owner) <= 200 or not owner.isprintable()):
            raise InvalidInputError("owner must be one line of 1 to 200 characters")
        changes["owner"] = owner
    until, reason = data.exempt_until, data.exempt_reason
    if until is msgspec.UNSET and reason is msgspec.UNSET:
        return changes
    if until is msgspec.UNSET or reason is msgspec.UNSET or (until is None) != (reason is None):
        raise InvalidInputError("exempt_until and exempt_reason go together; null for both ends it")
    if until is not None and reason is not None:
        if until.tzinfo is None:
            raise InvalidInputError("exempt_until must say its zone, as in 2026-11-23T00:00:00Z")
        until = in_utc("exempt_until", until)
        if until <= datetime.now(UTC):
            raise InvalidInputError("exempt_until must be in the future")
        if not 0 < len(reason) <= _MAX_REASON or "\0" in reason:
            raise InvalidInputError(f"exempt_reason must have 1 to {_MAX_REASON} characters")
    return changes | {"exempt_until": until, "exempt_reason": reason}


def _decoded(item: dict[str, Any]) -> dict[str, Any]:
    item["evidence"] = json.loads(item["evidence"])
    return item


def _answer(row: Any, violation_id: UUID) -> Response[dict[str, Any]]:
    if row is None:
        raise NotFoundError(f"there is no violation {violation_id}")
    return Response(_decoded(answered(row)), headers={"ETag": etag(row)})
