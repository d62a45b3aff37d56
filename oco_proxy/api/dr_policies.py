"""DR policies: made, read, changed and removed. The ETag is the row's version."""

import asyncio
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
from oco_proxy.api.dr_shapes import (
    JSON_COLUMNS,
    DrPolicies,
    DrPolicy,
    DrPolicyChange,
    NewDrPolicy,
    answered_policy,
)
from oco_proxy.api.etags import IfMatch, changes_of, check_unchanged, etag, needed
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
from oco_warehouse.dr_rules import DrPolicyRule, check_parts, read_rule
from oco_warehouse.errors import ConflictError, NotFoundError

_RULE: Final = tuple(DrPolicyRule.model_fields)
_COLUMNS: Final = (
    f"id::text AS id, {', '.join(_RULE)}, last_due_at, version, created_at, updated_at"
)
_LIST: Final = f"""
SELECT {_COLUMNS} FROM oco.dr_policies
WHERE ($1::timestamptz IS NULL OR (created_at, dr_policies.id::text) < ($1, $2))
  AND ($4::text IS NULL OR cluster = $4)
ORDER BY created_at DESC, dr_policies.id::text DESC LIMIT $3
"""  # noqa: S608 - constants
_READ: Final = answers(200, DrPolicy, "The policy, with its ETag")


class DrPolicyController(Controller):
    """`/api/v1/dr/policies`."""

    path = "/dr/policies"
    tags = ("resilience",)

    @get(
        guards=[viewer],
        summary="All DR policies, newest first",
        responses=answers(200, DrPolicies, "One page"),
    )
    async def list_dr_policies(
        self,
        state: State,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        cluster: Filter = None,
    ) -> Page:
        """Enabled or not."""
        at, key = decode_cursor(cursor)
        rows = await state.services.pool.fetch(_LIST, at, key, limit + 1, cluster)
        page = to_page(rows, limit, "created_at", "id")
        page.items = [answered_policy(item) for item in page.items]
        return page

    @get("/{policy_id:uuid}", guards=[viewer], summary="One DR policy", responses=_READ)
    async def get_dr_policy(
        self, state: State, policy_id: FromPath[UUID]
    ) -> Response[dict[str, Any]]:
        """With its ETag."""
        row = await state.services.pool.fetchrow(
            f"SELECT {_COLUMNS} FROM oco.dr_policies WHERE id = $1",  # noqa: S608 - constants
            policy_id,
        )
        return _answer(row, policy_id)

    @post(
        guards=[operator],
        summary="Make a DR policy",
        responses=answers(201, DrPolicy, "The policy, with its ETag") | problems(409),
    )
    async def make_dr_policy(
        self, state: State, request: Request[Any, Any, Any], data: JSONBody[NewDrPolicy]
    ) -> Response[dict[str, Any]]:
        """Nothing is due of it before now."""
        rule = await _checked(msgspec.structs.asdict(data))
        values = rule.values()
        async with state.services.pool.acquire() as connection, connection.transaction():
            places = ", ".join(_place(name, number) for number, name in enumerate(_RULE, 1))
            try:
                row = await connection.fetchrow(
                    f"INSERT INTO oco.dr_policies ({', '.join(_RULE)}) VALUES ({places}) "  # noqa: S608
                    f"RETURNING {_COLUMNS}",
                    *(_stored(name, values[name]) for name in _RULE),
                )
            except asyncpg.UniqueViolationError:
                raise ConflictError(f"there is a DR policy {rule.name!r} already") from None
            await _note(connection, request, "create", row["id"], {"name": rule.name})
        return _answer(row, row["id"], status=201)

    @patch("/{policy_id:uuid}", guards=[operator], summary="Change a DR policy", responses=_READ)
    async def change_dr_policy(
        self,
        state: State,
        request: Request[Any, Any, Any],
        policy_id: FromPath[UUID],
        data: JSONBody[DrPolicyChange],
        if_match: IfMatch = None,
    ) -> Response[dict[str, Any]]:
        """Needs `If-Match` with the ETag that was read, so that no change is overwritten unseen."""
        wanted = needed(if_match, "policy")
        changes = changes_of(data)
        check_parts(changes)
        async with state.services.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM oco.dr_policies WHERE id = $1 FOR UPDATE",  # noqa: S608
                policy_id,
            )
            if row is not None:
                check_unchanged(row, wanted, "policy")
            if row is not None and changes:
                before = answered_policy(dict(row))
                rule = await _checked({name: before[name] for name in _RULE} | changes)
                values = rule.values()
                settings = "".join(
                    f", {name} = {_place(name, number)}" for number, name in enumerate(changes, 2)
                )
                row = await connection.fetchrow(
                    f"UPDATE oco.dr_policies SET version = version + 1{settings} "  # noqa: S608
                    f"WHERE id = $1 RETURNING {_COLUMNS}",
                    policy_id,
                    *(_stored(name, values[name]) for name in changes),
                )
                changed = {name: str(value) for name, value in changes.items()}
                await _note(connection, request, "update", str(policy_id), changed)
        return _answer(row, policy_id)

    @delete("/{policy_id:uuid}", guards=[operator], summary="Remove a DR policy")
    async def remove_dr_policy(
        self, state: State, request: Request[Any, Any, Any], policy_id: FromPath[UUID]
    ) -> None:
        """Its backups stay, in Velero and in our records; its verdicts go with it."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            name = await connection.fetchval(
                "DELETE FROM oco.dr_policies WHERE id = $1 RETURNING name", policy_id
            )
            if name is None:
                raise NotFoundError(f"there is no DR policy {policy_id}")
            await _note(connection, request, "delete", str(policy_id), {"name": name})


async def _checked(values: dict[str, Any]) -> DrPolicyRule:
    # Not on the event loop: a schedule's years are walked through.
    return await asyncio.to_thread(read_rule, values)


def _place(name: str, number: int) -> str:
    return f"${number}::text::jsonb" if name in JSON_COLUMNS else f"${number}"


def _stored(name: str, value: Any) -> Any:
    return json.dumps(value) if name in JSON_COLUMNS and value is not None else value


async def _note(
    connection: Any,
    request: Request[Any, Any, Any],
    what: str,
    policy_id: str,
    details: dict[str, str],
) -> None:
    await audit(
        connection,
        request,
        action=f"dr_policy.{what}",
        entity_type="dr_policy",
        entity_id=policy_id,
        details=details,
    )


def _answer(row: Any, policy_id: object, status: int = 200) -> Response[dict[str, Any]]:
    if row is None:
        raise NotFoundError(f"there is no DR policy {policy_id}")
    body = answered_policy(dict(row))
    return Response(body, status_code=status, headers={"ETag": etag(row)})
