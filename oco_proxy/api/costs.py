"""Costs from the marts: what people read is what dbt built, nothing is computed here."""

from datetime import date
from typing import Any, Final

from litestar import get
from litestar.datastructures import State
from litestar.params import FromQuery

from oco_proxy.middleware.auth import viewer
from oco_proxy.middleware.problems import ProblemError
from oco_warehouse.errors import InvalidInputError

MAX_ROWS: Final = 10_000


@get("/costs/daily", guards=[viewer], summary="Spend by day", tags=["costs"])
async def daily_costs(
    state: State, start: FromQuery[date | None] = None, end: FromQuery[date | None] = None
) -> list[dict[str, Any]]:
    """Rows of `marts.fct_cost_daily` from `start` to `end`, both inclusive, newest day first."""
    if start is not None and end is not None and start > end:
        raise InvalidInputError("start must not be after end")
    pool = state.services.pool
    columns = await pool.fetch(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = 'marts' AND table_name = 'fct_cost_daily'"
    )
    names = {row["column_name"] for row in columns}
    day = next((name for name in ("usage_date", "cost_date", "date", "day") if name in names), None)
    if day is None:
        raise ProblemError(
            503, "marts_missing", "The marts are not built yet: run `oco demo` or materialise dbt."
        )
    rows = await pool.fetch(
        f"SELECT * FROM marts.fct_cost_daily "  # noqa: S608 - a name from the list above
        f'WHERE ($1::date IS NULL OR "{day}" >= $1) AND ($2::date IS NULL OR "{day}" <= $2) '
        f'ORDER BY "{day}" DESC LIMIT $3',
        start,
        end,
        MAX_ROWS,
    )
    return [dict(row) for row in rows]
