"""Budgets: made, read, changed and removed. The ETag is the row's version."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.datastructures import State
from litestar.params import FromPath, HeaderParameter, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.document import answers, problems
from oco_proxy.api.fields import Label, Name, Scope, told
from oco_proxy.api.pagination import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, to_page
from oco_proxy.budget.limits import budget_from_row
from oco_proxy.budget.periods import zone
from oco_proxy.budget.spending import spent_in
from oco_proxy.middleware.auth import operator, viewer
from oco_proxy.middleware.problems import ProblemError
from oco_warehouse.database import LEDGER_LOCK, lock_key
from oco_warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from oco_warehouse.records import SCOPES

# Amounts stay exact in Redis' scripts below 2^53 nano-dollars.
MAX_LIMIT_USD: Final = Decimal(9_000_000)
_COLUMNS: Final = (
    "id, scope, entity_id, name, limit_usd, spent_usd, period, rolling_interval, time_zone, "
    "enforcement, thresholds, period_start, period_end, version, enabled, created_at, updated_at"
)
PeriodName = Literal["day", "week", "month", "quarter", "year", "rolling"]
IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description="ETag of what you read")
]


_LEAST_SECONDS: Final = 60
_MOST_SECONDS: Final = 366 * 86_400
_MOST_THRESHOLDS: Final = 20
LimitUsd = Annotated[Decimal, told(minimum=0, maximum=float(MAX_LIMIT_USD))]
RollingSeconds = Annotated[int, told(minimum=_LEAST_SECONDS, maximum=_MOST_SECONDS)]
Threshold = Annotated[Decimal, told(exclusive_minimum=0, maximum=10)]
Thresholds = Annotated[list[Threshold], told(max_items=_MOST_THRESHOLDS)]


class NewBudget(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A budget to be made."""

    scope: Scope
    entity_id: Name
    limit_usd: LimitUsd
    name: Label = ""
    period: PeriodName = "month"
    rolling_seconds: RollingSeconds | None = None
    time_zone: str = "UTC"
    enforcement: Literal["hard", "soft"] = "hard"
    thresholds: Thresholds = msgspec.field(
        default_factory=lambda: [Decimal("0.5"), Decimal("0.8"), Decimal(1)]
    )


class BudgetChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may change of a budget; its scope and period may not."""

    limit_usd: LimitUsd | msgspec.UnsetType = msgspec.UNSET
    name: Label | msgspec.UnsetType = msgspec.UNSET
    enforcement: Literal["hard", "soft"] | msgspec.UnsetType = msgspec.UNSET
    thresholds: Thresholds | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class Budget(msgspec.Struct, kw_only=True):
    """A budget as it is answered."""

    id: str
    scope: str
    entity_id: str
    name: str
    limit_usd: Decimal
    spent_usd: Decimal
    period: PeriodName
    rolling_seconds: int | None
    time_zone: str
    enforcement: Literal["hard", "soft"]
    thresholds: list[Decimal]
    period_start: datetime | None
    period_end: datetime | None
    version: int
    enabled: bool
    created_at: datetime
    updated_at: datetime


_READ: Final = answers(200, Budget, "The budget, with its ETag")


class BudgetController(Controller):
    """`/api/v1/budgets`."""

    path = "/budgets"
    tags = ("llm",)

    @get(guards=[viewer], summary="All budgets, newest first")
    async def list_budgets(
        self, state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page:
        """Limits and what their current period has spent."""
        at, key = decode_cursor(cursor)
        rows = await state.services.pool.fetch(
            f"SELECT {_COLUMNS} FROM oco.budgets "  # noqa: S608 - constants
            "WHERE ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2)) "
            "ORDER BY created_at DESC, id DESC LIMIT $3",
            at,
            key,
            limit + 1,
        )
        page = to_page(rows, limit, "created_at", "id")
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
        _check_new(data)
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
                details={"limit_usd": str(data.limit_usd)},
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
        if if_match is None:
            raise ProblemError(
                428, "if_match_required", "Send the budget's ETag as If-Match; GET returns it."
            )
        changes = {
            name: value
            for name in ("limit_usd", "name", "enforcement", "thresholds", "enabled")
            if (value := getattr(data, name)) is not msgspec.UNSET
        }
        if "limit_usd" in changes:
            _check_limit(changes["limit_usd"])
        _check_text("name", changes.get("name", ""))
        if "thresholds" in changes:
            _check_thresholds(changes["thresholds"])
            changes["thresholds"] = sorted(set(changes["thresholds"]))
        settings = "".join(f", {name} = ${index}" for index, name in enumerate(changes, 2))
        async with state.services.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM oco.budgets WHERE id = $1 FOR UPDATE",  # noqa: S608
                _known(budget_id),
            )
            if row is not None and if_match.strip() not in {_etag(row), "*"}:
                raise ProblemError(
                    412, "changed_meanwhile", "The budget was changed since you read it."
                )
            if row is not None and changes:
                row = await connection.fetchrow(
                    f"UPDATE oco.budgets SET version = version + 1{settings} "  # noqa: S608
                    f"WHERE id = $1 RETURNING {_COLUMNS}",
                    budget_id,
                    *changes.values(),
                )
                details = {name: str(value) for name, value in changes.items()}
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


def check_scope(scope: str, entity_id: str) -> None:
    """Whether a scope and an entity of it can be limited.

    Raises:
        InvalidInputError: when not.
    """
    tag = scope.startswith("tag:") and len(scope) > len("tag:")
    if scope not in SCOPES and not tag:
        raise InvalidInputError(f"scope must be one of {', '.join(SCOPES)} or tag:NAME")
    _check_text("scope", scope)
    _check_text("entity_id", entity_id)
    if not entity_id:
        raise InvalidInputError("entity_id must not be empty")


def _check_text(name: str, value: str) -> None:
    if "\0" in value or len(value) > 200:
        raise InvalidInputError(f"{name} must be at most 200 characters without NUL")


def _check_thresholds(thresholds: list[Decimal]) -> None:
    if len(thresholds) > _MOST_THRESHOLDS or not all(
        t.is_finite() and 0 < t <= 10 for t in thresholds
    ):
        raise InvalidInputError(
            "thresholds are at most 20 parts of the limit, as in [0.5, 0.8, 1.0]"
        )


def _check_new(data: NewBudget) -> None:
    check_scope(data.scope, data.entity_id)
    _check_text("name", data.name)
    _check_limit(data.limit_usd)
    _check_thresholds(data.thresholds)
    zone(data.time_zone)
    if (data.period == "rolling") != (data.rolling_seconds is not None):
        raise InvalidInputError("rolling_seconds goes with the period rolling, and only with it")
    if data.rolling_seconds is not None and not (
        _LEAST_SECONDS <= data.rolling_seconds <= _MOST_SECONDS
    ):
        raise InvalidInputError("rolling_seconds must be from a minute to a year")


def _check_limit(limit: Decimal) -> None:
    if not limit.is_finite() or not 0 <= limit <= MAX_LIMIT_USD:
        raise InvalidInputError(f"limit_usd must be from 0 to {MAX_LIMIT_USD}")


def _known(budget_id: str) -> str:
    if "\0" in budget_id:
        raise NotFoundError("there is no such budget")
    return budget_id


def _etag(row: Any) -> str:
    return f'"{row["version"]}"'


def _answer(row: Any, budget_id: str, status: int = 200) -> Response[dict[str, Any]]:
    if row is None:
        raise NotFoundError(f"there is no budget {budget_id}")
    return Response(_plain(dict(row)), status_code=status, headers={"ETag": _etag(row)})


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    interval = item.pop("rolling_interval")
    item["rolling_seconds"] = None if interval is None else int(interval.total_seconds())
    return item
