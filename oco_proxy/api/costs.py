"""Costs from the marts: what people read is what dbt built, nothing is computed here."""

from datetime import date
from typing import Final

import asyncpg
from litestar import get
from litestar.datastructures import State
from litestar.params import FromQuery

from oco_proxy.api.pagination import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, to_page
from oco_proxy.middleware.auth import viewer
from oco_proxy.middleware.problems import ProblemError
from oco_warehouse.errors import InvalidInputError

# `row_key` is the rest of the mart's grain, so that a page's end is one row and no other.
_DAILY: Final = """
SELECT * FROM (
    SELECT *, usage_date::timestamptz AS row_day,
           concat_ws('|', source, provider, service, account_id, region, team, charge_category)
               AS row_key
    FROM marts.fct_cost_daily
    WHERE ($4::date IS NULL OR usage_date >= $4) AND ($5::date IS NULL OR usage_date <= $5)
) AS daily
WHERE $1::timestamptz IS NULL OR (row_day, row_key) < ($1, $2)
ORDER BY row_day DESC, row_key DESC
LIMIT $3
"""


@get("/costs/daily", guards=[viewer], summary="Spend by day", tags=["costs"])
async def daily_costs(
    state: State,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    start: FromQuery[date | None] = None,
    end: FromQuery[date | None] = None,
) -> Page:
    """Rows of `marts.fct_cost_daily` from `start` to `end`, both inclusive, newest day first."""
    if start is not None and end is not None and start > end:
        raise InvalidInputError("start must not be after end")
    seen_at, seen_key = decode_cursor(cursor)
    try:
        rows = await state.services.pool.fetch(_DAILY, seen_at, seen_key, limit + 1, start, end)
    except asyncpg.UndefinedTableError:
        raise ProblemError(
            503, "marts_missing", "The marts are not built yet: run `oco demo` or materialise dbt."
        ) from None
    page = to_page(rows, limit, "row_day", "row_key")
    for item in page.items:
        del item["row_day"], item["row_key"]
    return page
