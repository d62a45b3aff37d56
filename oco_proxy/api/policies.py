"""Governance policies: made, read, changed, removed and tried. The ETag is the row's version."""

import json
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.document import answers, problems
from oco_proxy.api.etags import IfMatch, changes_of, check_unchanged, etag, needed
from oco_proxy.api.fields import answered
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    newest_page,
)
from oco_proxy.api.policy_shapes import (
    GovernancePolicies,
    GovernancePolicy,
    GovernancePolicyChange,
    NewGovernancePolicy,
    Trial,
    TrialResult,
    check_policy,
    check_shown,
)
from oco_proxy.api.policy_trial import try_rules
from oco_proxy.middleware.auth import operator, viewer
from oco_warehouse.errors import ConflictError, NotFoundError
from oco_warehouse.policy_rules import parse_rules

_JSON: Final = ("rules", "actions")
_COLUMNS: Final = """
    id::text AS id, name, description, policy_type, rules::text AS rules, severity, owner,
    actions::text AS actions, enabled, version, last_evaluated_at, last_error, last_found,
    (SELECT count(*) FROM oco.policy_violations AS violation
     WHERE violation.policy_id = governance_policies.id AND violation.resolved_at IS NULL)
        AS open_violations,
    created_at, updated_at
"""
_READ: Final = answers(200, GovernancePolicy, "The policy, with its ETag")
_TRIED: Final = answers(200, TrialResult, "What would be hit") | problems(409)


class GovernancePolicyController(Controller):
    """`/api/v1/policies`."""

    path = "/policies"
    tags = ("costs",)

    @get(
        guards=[viewer],
        summary="All governance policies, newest first",
        responses=answers(200, GovernancePolicies, "One page"),
    )
    async def list_policies(
        self, state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page:
        """With how the last evaluation of each ended."""
        page = await newest_page(
            state.services.pool, "oco.governance_policies", _COLUMNS, cursor, limit
        )
        page.items = [_decoded(item) for item in page.items]
        return page

    @get("/{policy_id:uuid}", guards=[viewer], summary="One governance policy", responses=_READ)
    async def get_policy(self, state: State, policy_id: FromPath[UUID]) -> Response[dict[str, Any]]:
        """With its ETag."""
        row = await state.services.pool.fetchrow(
            f"SELECT {_COLUMNS} FROM oco.governance_policies WHERE id = $1",  # noqa: S608 - constants
            policy_id,
        )
        return _answer(row, policy_id)

    @post(
        guards=[operator],
        summary="Make a governance policy",
        responses=answers(201, GovernancePolicy, "The policy, with its ETag") | problems(409),
    )
    async def make_policy(
        self, state: State, request: Request[Any, Any, Any], data: JSONBody[NewGovernancePolicy]
    ) -> Response[dict[str, Any]]:
        """Judged with the next evaluation; try its rules first to see what they would hit."""
        values = msgspec.structs.asdict(data)
        check_policy(values)
        async with state.services.pool.acquire() as connection, connection.transaction():
            try:
                row = await connection.fetchrow(
                    "INSERT INTO oco.governance_policies (name, rules, description, policy_type, "  # noqa: S608
                    "severity, owner, actions, enabled) "
                    "VALUES ($1, $2::text::jsonb, $3, $4, $5, $6, $7::text::jsonb, $8) "
                    f"RETURNING {_COLUMNS}",
                    *_encoded(values).values(),
                )
            except asyncpg.UniqueViolationError:
                raise ConflictError(f"there is a policy {data.name!r} already") from None
            await _note(connection, request, "create", row["id"], values)
        return _answer(row, row["id"], status=201)

    @patch(
        "/{policy_id:uuid}",
        guards=[operator],
        summary="Change a governance policy",
        responses=_READ | problems(409),
    )
    async def change_policy(
        self,
        state: State,
        request: Request[Any, Any, Any],
        policy_id: FromPath[UUID],
        data: JSONBody[GovernancePolicyChange],
        if_match: IfMatch = None,
    ) -> Response[dict[str, Any]]:
        """Needs `If-Match` with the ETag that was read, so that no change is overwritten unseen."""
        wanted = needed(if_match, "policy")
        changes = changes_of(data)
        check_policy(changes)
        settings = "".join(
            f", {name} = ${place}{'::text::jsonb' if name in _JSON else ''}"
            for place, name in enumerate(changes, 2)
        )
        async with state.services.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM oco.governance_policies WHERE id = $1 FOR UPDATE",  # noqa: S608
                policy_id,
            )
            if row is not None:
                check_unchanged(row, wanted, "policy")
            if row is not None and changes:
                try:
                    row = await connection.fetchrow(
                        f"UPDATE oco.governance_policies SET version = version + 1{settings} "  # noqa: S608
                        f"WHERE id = $1 RETURNING {_COLUMNS}",
                        policy_id,
                        *_encoded(changes).values(),
                    )
                except asyncpg.UniqueViolationError:
                    raise ConflictError(f"there is a policy {data.name!r} already") from None
                await _note(connection, request, "update", str(policy_id), changes)
        return _answer(row, policy_id)

    @delete("/{policy_id:uuid}", guards=[operator], summary="Remove a governance policy")
    async def remove_policy(
        self, state: State, request: Request[Any, Any, Any], policy_id: FromPath[UUID]
    ) -> None:
        """Its violations go with it; to keep them, disable it."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            gone = await connection.fetchval(
                "DELETE FROM oco.governance_policies WHERE id = $1 RETURNING name", policy_id
            )
            if gone is None:
                raise NotFoundError(f"there is no policy {policy_id}")
            await _note(connection, request, "delete", str(policy_id), {"name": gone})

    @post(
        "/check",
        guards=[operator],
        status_code=200,
        summary="Show what rules would hit now",
        responses=_TRIED,
    )
    async def check_rules(self, state: State, data: JSONBody[Trial]) -> dict[str, Any]:
        """Nothing is written."""
        check_shown(data.shown)
        parse_rules(data.rules)
        return await try_rules(state.services, data.rules, data.shown)


def _encoded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if name in _JSON else value for name, value in values.items()}


def _decoded(item: dict[str, Any]) -> dict[str, Any]:
    for name in _JSON:
        item[name] = json.loads(item[name])
    return item


async def _note(
    connection: Any,
    request: Request[Any, Any, Any],
    what: str,
    policy_id: str,
    changes: dict[str, Any],
) -> None:
    await audit(
        connection,
        request,
        action=f"governance_policy.{what}",
        entity_type="governance_policy",
        entity_id=policy_id,
        details={name: str(value) for name, value in _encoded(changes).items()},
    )


def _answer(row: Any, policy_id: object, status: int = 200) -> Response[dict[str, Any]]:
    if row is None:
        raise NotFoundError(f"there is no policy {policy_id}")
    return Response(_decoded(answered(row)), status_code=status, headers={"ETag": etag(row)})
