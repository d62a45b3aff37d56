"""Whether the process lives, and whether it can do its work."""

import asyncio
from typing import Any

from litestar import MediaType, Response, get
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware

from oco_proxy.api.document import answers
from oco_proxy.middleware.auth import TokenAuthentication, viewer
from oco_proxy.services import Services
from oco_warehouse.database import POSTGRES_GONE


@get(
    "/metrics",
    summary="Metrics in Prometheus' text format",
    tags=["health"],
    guards=[viewer],
    middleware=[DefineMiddleware(TokenAuthentication)],
    security=[{"token": []}],
    media_type=MediaType.TEXT,
)
async def metrics(state: State) -> Response[bytes]:
    """Needs an access token of the role viewer: Prometheus sends it as `authorization`."""
    services: Services = state.services
    exposition = await asyncio.to_thread(services.metrics.exposition)
    return Response(exposition, media_type="text/plain; version=0.0.4; charset=utf-8")


@get("/healthz", summary="Whether the process lives", tags=["health"])
async def healthz() -> dict[str, str]:
    """Answers as long as the event loop turns."""
    return {"status": "ok"}


@get(
    "/readyz",
    summary="Whether the gateway can take calls",
    tags=["health"],
    responses=answers(503, dict[str, Any], "Calls would be refused"),
)
async def readyz(state: State) -> Response[dict[str, Any]]:
    """503 when calls would be refused. A gone PostgreSQL or Redis alone only degrades."""
    services: Services = state.services
    try:
        await services.pool.fetchval("SELECT 1", timeout=2)
        warehouse = True
    except POSTGRES_GONE:
        warehouse = False
    ledger = services.writer.status()
    budgets = services.keeper.status()
    ready = services.spool.accepts and (warehouse or budgets["redis"])
    whole = ready and warehouse and budgets["redis"] and ledger["writes"]
    return Response(
        {
            "status": "ok" if whole else ("degraded" if ready else "unavailable"),
            "warehouse": warehouse,
            "redis": budgets["redis"],
            "budgets": budgets,
            "ledger": ledger,
            "prices": len(services.prices.table),
            "gateway_id": services.spool.gateway_id,
        },
        status_code=200 if ready else 503,
    )
