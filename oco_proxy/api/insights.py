"""Insights, alerts, reports and unpriced models: what was found out about model spend."""

from typing import Annotated, Any, Literal

from litestar import MediaType, Response, get
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, QueryParameter

from oco_proxy.analytics import reading
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
from oco_warehouse.errors import NotFoundError

# Litestar hands a parameter named `scope` something else.
ScopeFilter = Annotated[str | None, QueryParameter(name="scope")]
ReportKind = Literal["daily", "weekly"]
# The page is ours and has no scripts: nothing in it may load or run anything.
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@get("/insights", guards=[viewer], summary="What is worth knowing about spend", tags=["llm"])
async def list_insights(
    state: State,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    kind: Filter = None,
    scope_name: ScopeFilter = None,
    open: FromQuery[bool | None] = None,  # noqa: A002
) -> Page:
    """Spikes, movers, forecasts of budgets, unregistered agents, unpriced models."""
    mark = decode_cursor(cursor)
    pool = state.services.pool
    rows = await reading.read_insights(pool, *mark, limit + 1, kind, scope_name, open)
    return to_page(rows, limit, "first_seen", "id")


@get("/alerts", guards=[viewer], summary="What was told", tags=["llm"])
async def list_alerts(
    state: State,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    kind: Filter = None,
    scope_name: ScopeFilter = None,
    open: FromQuery[bool | None] = None,  # noqa: A002
) -> Page:
    """Alerts and how many channels took them, wait for them, or were given up."""
    mark = decode_cursor(cursor)
    pool = state.services.pool
    rows = await reading.read_alerts(pool, *mark, limit + 1, kind, scope_name, open)
    return to_page(rows, limit, "created_at", "id")


@get("/reports", guards=[viewer], summary="Which reports there are", tags=["llm"])
async def list_reports(
    state: State,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    kind: FromQuery[ReportKind | None] = None,
) -> Page:
    """Daily and weekly ones, newest first."""
    mark = decode_cursor(cursor)
    rows = await reading.read_reports(state.services.pool, *mark, limit + 1, kind)
    page = to_page(rows, limit, "period_start", "key")
    for item in page.items:
        del item["key"]
    return page


@get(
    "/reports/{kind:str}/latest",
    guards=[viewer],
    summary="The newest report",
    tags=["llm"],
    responses=answers(200, dict[str, Any], "Its figures"),
)
async def latest_report(state: State, kind: FromPath[ReportKind]) -> Response[bytes]:
    """Its figures as JSON; amounts are decimal text in USD."""
    return await _latest(state, kind, html=False)


@get(
    "/reports/{kind:str}/latest.html",
    guards=[viewer],
    summary="Its page",
    tags=["llm"],
    media_type=MediaType.HTML,
)
async def latest_report_page(state: State, kind: FromPath[ReportKind]) -> Response[bytes]:
    """A page without scripts, as it was written."""
    return await _latest(state, kind, html=True)


@get("/models/unpriced", guards=[viewer], summary="Models without a price", tags=["llm"])
async def list_unpriced_models(state: State, limit: Limit = DEFAULT_LIMIT) -> Page:
    """Models that were called although nobody knows what they cost, most calls first."""
    return Page(await reading.unpriced_models(state.services.pool, limit), None)


async def _latest(state: State, kind: str, *, html: bool) -> Response[bytes]:
    found = await reading.latest_report(state.services.pool, kind)
    if found is None:
        raise NotFoundError(f"there is no {kind} report yet; the pipelines write the first one")
    _, text, page = found
    if not html:
        return Response(text.encode(), media_type="application/json")
    return Response(
        page.encode(),
        media_type="text/html",
        headers={"Content-Security-Policy": _PAGE_POLICY},
    )


ROUTES = (
    list_insights,
    list_alerts,
    list_reports,
    latest_report,
    latest_report_page,
    list_unpriced_models,
)
