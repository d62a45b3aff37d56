"""Budgets: made, read, changed and removed. The ETag is the row's version."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.budget_shapes import (
    Budget,
    BudgetChange,
    Budgets,
    NewBudget,
    check_limit,
    check_new,
    check_text,
    check_thresholds,
)
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
from oco_proxy.budget.limits import budget_from_row
from oco_proxy.budget.spending import spent_in
from oco_proxy.middleware.auth import operator, viewer
from oco_warehouse.database import LEDGER_LOCK, lock_key
from oco_warehouse.errors import ConflictError, NotFoundError
from oco_warehouse.money import plain

_COLUMNS: Final = (
    "id, scope, entity_id, name, limit_usd, spent_usd, period, rolling_interval, time_zone, "
    "enforcement, thresholds, period_start, period_end, version, enabled, created_at, updated_at"
)
_READ: Final = answers(200, Budget, "The budget, with its ETag")


class BudgetController(Controller):
    """`/api/v1/budgets`."""

    path = "/budgets"
    tags = ("llm",)

    @get(
        guards=[viewer],
        summary="All budgets, newest first",
        responses=answers(200, Budgets, "One page"),
    )
    async def list_budgets(
        self, state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page:
        """Limits and what their current period has spent."""
        page = await newest_page(state.services.pool, "oco.budgets", _COLUMNS, cursor, limit)
        page.items = [_plain(item) for item in page.items]
        return page

    @get("/{budget_id:str}", guards=[viewer], summary="One budget", responses=_READ)
    async def get_budget(self, state: State, budget_id: FromPath[str]) -> Response[dict[str, Any]]:
        """With its ETag."""
        row = await state.services.pool.fetchrow(
            f"SELECT {_COLUMNS} FROM oco.budgets WHERE id = $1",  # noqa: S608 - constants
            _known(budget_id),
        )
        return _answer(row, budget_id)

    @post(
        guards=[operator],
        summary="Make a budget",
        responses=answers(201, Budget, "The budget, with its ETag") | problems(409),
    )
    async def make_budget(
        self, state: State, request: Request[Any, Any, Any], data: JSONBody[NewBudget]
    ) -> Response[dict[str, Any]]:
        """What its period has spent so far counts from the start."""
        check_new(data)
        interval = None if data.rolling_seconds is None else timedelta(seconds=data.rolling_seconds)
        async with state.services.pool.acquire() as connection, connection.transaction():
            # No row may be written between our counting and our commit.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", lock_key(LEDGER_LOCK))
            try:
                row = await connection.fetchrow(
                    "INSERT INTO oco.budgets (scope, entity_id, name, limit_usd, period, "  # noqa: S608
                    "rolling_interval, time_zone, enforcement, thresholds) "
                    "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9) "
                    f"RETURNING {_COLUMNS}",
                    data.scope,
                    data.entity_id,
                    data.name,
                    data.limit_usd,
                    data.period,
                    interval,
                    data.time_zone,
                    data.enforcement,
                    sorted(set(data.thresholds)),
                )
            except asyncpg.UniqueViolationError:
                raise ConflictError(
                    f"{data.scope} {data.entity_id} has a budget for this period already"
                ) from None
            budget = budget_from_row(row)
            period = budget.period_at(datetime.now(UTC))
            spent = await spent_in(connection, budget.scope, budget.entity_id, period)
            row = await connection.fetchrow(
                "UPDATE oco.budgets SET spent_usd = $2, period_start = $3, period_end = $4 "  # noqa: S608
                f"WHERE id = $1 RETURNING {_COLUMNS}",
                budget.id,
                spent,
                period.start,
                period.end,
            )
            await audit(
                connection,
                request,
                action="budget.create",
                entity_type="budget",
                entity_id=budget.id,
                details={"limit_usd": plain(data.limit_usd)},
            )
        await state.services.keeper.limits.refresh(state.services.pool)
        return _answer(row, budget.id, status=201)

    @patch("/{budget_id:str}", guards=[operator], summary="Change a budget", responses=_READ)
    async def change_budget(
        self,
        state: State,
        request: Request[Any, Any, Any],
        budget_id: FromPath[str],
        data: JSONBody[BudgetChange],
        if_match: IfMatch = None,
    ) -> Response[dict[str, Any]]:
        """Needs `If-Match` with the ETag that was read, so that no change is overwritten unseen."""
        wanted = needed(if_match, "budget")
        changes = changes_of(data)
        if "limit_usd" in changes:
            check_limit(changes["limit_usd"])
        check_text("name", changes.get("name", ""))
        if "thresholds" in changes:
            check_thresholds(changes["thresholds"])
            changes["thresholds"] = sorted(set(changes["thresholds"]))
        settings = "".join(f", {name} = ${index}" for index, name in enumerate(changes, 2))
        async with state.services.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM oco.budgets WHERE id = $1 FOR UPDATE",  # noqa: S608
                _known(budget_id),
            )
            if row is not None:
                check_unchanged(row, wanted, "budget")
            if row is not None and changes:
                row = await connection.fetchrow(
                    f"UPDATE oco.budgets SET version = version + 1{settings} "  # noqa: S608
                    f"WHERE id = $1 RETURNING {_COLUMNS}",
                    budget_id,
                    *changes.values(),
                )
                details = {name: str(value) for name, value in answered(changes).items()}
                await audit(
                    connection,
                    request,
                    action="budget.update",
                    entity_type="budget",
                    entity_id=budget_id,
                    details=details,
                )
        await state.services.keeper.limits.refresh(state.services.pool)
        return _answer(row, budget_id)

    @delete("/{budget_id:str}", guards=[operator], summary="Remove a budget")
    async def remove_budget(
        self, state: State, request: Request[Any, Any, Any], budget_id: FromPath[str]
    ) -> None:
        """What was spent stays in the calls' rows."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            gone = await connection.fetchval(
                "DELETE FROM oco.budgets WHERE id = $1 RETURNING id", _known(budget_id)
            )
            if gone is None:
                raise NotFoundError(f"there is no budget {budget_id}")
            await audit(
                connection,
                request,
                action="budget.delete",
                entity_type="budget",
                entity_id=budget_id,
                details={},
            )
        await state.services.keeper.limits.refresh(state.services.pool)


def _known(budget_id: str) -> str:
    if "\0" in budget_id:
        raise NotFoundError("there is no such budget")
    return budget_id


def _answer(row: Any, budget_id: str, status: int = 200) -> Response[dict[str, Any]]:
    if row is None:
        raise NotFoundError(f"there is no budget {budget_id}")
    return Response(_plain(answered(row)), status_code=status, headers={"ETag": etag(row)})


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    interval = item.pop("rolling_interval")
    item["rolling_seconds"] = None if interval is None else int(interval.total_seconds())
    return item
