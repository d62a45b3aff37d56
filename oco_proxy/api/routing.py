"""Routing policies: made, read, changed and removed. The ETag is the row's version."""

from datetime import datetime
from typing import Annotated, Any, Final

import asyncpg
import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.budget_shapes import check_scope
from oco_proxy.api.document import answers, problems
from oco_proxy.api.etags import IfMatch, changes_of, check_unchanged, etag, needed
from oco_proxy.api.fields import Label, Name, OfScope, told
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    newest_page,
)
from oco_proxy.middleware.auth import operator, viewer
from oco_proxy.router.policies import Mode, Strategy
from oco_warehouse.errors import ConflictError, InvalidInputError, NotFoundError

MAX_MODELS: Final = 100
MAX_NAME: Final = 200
_COLUMNS: Final = (
    "id, scope, entity_id, name, strategy, mode, allowed_models, enabled, version, created_at, "
    "updated_at"
)


Models = Annotated[list[Name], told(min_items=1, max_items=MAX_MODELS)]


class NewPolicy(OfScope, kw_only=True, forbid_unknown_fields=True):
    """A routing policy to be made. `entity_id` `*` is everyone without a policy of their own."""

    strategy: Strategy
    mode: Mode = "dry_run"
    name: Label = ""
    allowed_models: Models | None = None
    enabled: bool = True


class PolicyChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may change of a policy; whom it is for may not."""

    strategy: Strategy | msgspec.UnsetType = msgspec.UNSET
    mode: Mode | msgspec.UnsetType = msgspec.UNSET
    name: Label | msgspec.UnsetType = msgspec.UNSET
    allowed_models: Models | msgspec.UnsetType | None = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class RoutingPolicy(msgspec.Struct, kw_only=True):
    """A routing policy as it is answered."""

    id: str
    scope: str
    entity_id: str
    name: str
    strategy: Strategy
    mode: Mode
    allowed_models: list[str] | None
    enabled: bool
    version: int
    created_at: datetime
    updated_at: datetime


class RoutingPolicies(msgspec.Struct):
    """One page of them."""

    items: list[RoutingPolicy]
    next_cursor: str | None


_READ: Final = answers(200, RoutingPolicy, "The policy, with its ETag")


class RoutingPolicyController(Controller):
    """`/api/v1/routing/policies`."""

    path = "/routing/policies"
    tags = ("llm",)

    @get(
        guards=[viewer],
        summary="All routing policies, newest first",
        responses=answers(200, RoutingPolicies, "One page"),
    )
    async def list_policies(
        self, state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page:
        """Enabled or not."""
        return await newest_page(
            state.services.pool, "oco.routing_policies", _COLUMNS, cursor, limit
        )

    @get("/{policy_id:str}", guards=[viewer], summary="One routing policy", responses=_READ)
    async def get_policy(self, state: State, policy_id: FromPath[str]) -> Response[dict[str, Any]]:
        """With its ETag."""
        row = await state.services.pool.fetchrow(
            f"SELECT {_COLUMNS} FROM oco.routing_policies WHERE id = $1",  # noqa: S608 - constants
            _known(policy_id),
        )
        return _answer(row, policy_id)

    @post(
        guards=[operator],
        summary="Make a routing policy",
        responses=answers(201, RoutingPolicy, "The policy, with its ETag") | problems(409),
    )
    async def make_policy(
        self, state: State, request: Request[Any, Any, Any], data: JSONBody[NewPolicy]
    ) -> Response[dict[str, Any]]:
        """In force on every gateway within a second; `dry_run` unless said otherwise."""
        check_scope(data.scope, data.entity_id)
        values = {
            "strategy": data.strategy,
            "mode": data.mode,
            "name": data.name,
            "allowed_models": data.allowed_models,
            "enabled": data.enabled,
        }
        _check(values)
        async with state.services.pool.acquire() as connection, connection.transaction():
            try:
                row = await connection.fetchrow(
                    "INSERT INTO oco.routing_policies (scope, entity_id, strategy, mode, name, "  # noqa: S608
                    "allowed_models, enabled) VALUES ($1, $2, $3, $4, $5, $6, $7) "
                    f"RETURNING {_COLUMNS}",
                    data.scope,
                    data.entity_id,
                    *values.values(),
                )
            except asyncpg.UniqueViolationError:
                raise ConflictError(
                    f"{data.scope} {data.entity_id} has a routing policy already"
                ) from None
            await _note(connection, request, "create", row["id"], values)
        await state.services.routing.refresh(state.services.pool)
        return _answer(row, row["id"], status=201)

    @patch(
        "/{policy_id:str}", guards=[operator], summary="Change a routing policy", responses=_READ
    )
    async def change_policy(
        self,
        state: State,
        request: Request[Any, Any, Any],
        policy_id: FromPath[str],
        data: JSONBody[PolicyChange],
        if_match: IfMatch = None,
    ) -> Response[dict[str, Any]]:
        """Needs `If-Match` with the ETag that was read, so that no change is overwritten unseen."""
        wanted = needed(if_match, "policy")
        changes = changes_of(data)
        _check(changes)
        settings = "".join(f", {name} = ${index}" for index, name in enumerate(changes, 2))
        async with state.services.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM oco.routing_policies WHERE id = $1 FOR UPDATE",  # noqa: S608
                _known(policy_id),
            )
            if row is not None:
                check_unchanged(row, wanted, "policy")
            if row is not None and changes:
                row = await connection.fetchrow(
                    f"UPDATE oco.routing_policies SET version = version + 1{settings} "  # noqa: S608
                    f"WHERE id = $1 RETURNING {_COLUMNS}",
                    policy_id,
                    *changes.values(),
                )
                await _note(connection, request, "update", policy_id, changes)
        await state.services.routing.refresh(state.services.pool)
        return _answer(row, policy_id)

    @delete("/{policy_id:str}", guards=[operator], summary="Remove a routing policy")
    async def remove_policy(
        self, state: State, request: Request[Any, Any, Any], policy_id: FromPath[str]
    ) -> None:
        """What it saved stays in the calls' rows."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            gone = await connection.fetchval(
                "DELETE FROM oco.routing_policies WHERE id = $1 RETURNING id", _known(policy_id)
            )
            if gone is None:
                raise NotFoundError(f"there is no routing policy {policy_id}")
            await _note(connection, request, "delete", policy_id, {})
        await state.services.routing.refresh(state.services.pool)


def _check(values: dict[str, Any]) -> None:
    name, models = values.get("name", ""), values.get("allowed_models")
    if "\0" in name or len(name) > MAX_NAME:
        raise InvalidInputError(f"name must be at most {MAX_NAME} characters without NUL")
    if models is None:
        return
    if not 1 <= len(models) <= MAX_MODELS:
        raise InvalidInputError(
            f"allowed_models must name 1 to {MAX_MODELS} models; leave it out to allow all"
        )
    if not all(0 < len(model) <= MAX_NAME and "\0" not in model for model in models):
        raise InvalidInputError(f"a model's name has 1 to {MAX_NAME} characters without NUL")


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
        action=f"routing_policy.{what}",
        entity_type="routing_policy",
        entity_id=policy_id,
        details={name: str(value) for name, value in changes.items()},
    )


def _known(policy_id: str) -> str:
    if "\0" in policy_id:
        raise NotFoundError("there is no such routing policy")
    return policy_id


def _answer(row: Any, policy_id: str, status: int = 200) -> Response[dict[str, Any]]:
    if row is None:
        raise NotFoundError(f"there is no routing policy {policy_id}")
    return Response(dict(row), status_code=status, headers={"ETag": etag(row)})
