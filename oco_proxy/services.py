"""What lives as long as the gateway process: connections, caches, the spool, background loops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from oco_proxy.budget.admission import BudgetKeeper
from oco_proxy.budget.limits import Limits
from oco_proxy.budget.redis_link import RedisLink
from oco_proxy.budget.scripts import TIMEOUT_SECONDS, Scripts
from oco_proxy.ledger.spool import Spool
from oco_proxy.ledger.writer import LedgerWriter
from oco_proxy.middleware.metrics import Metrics
from oco_proxy.middleware.tokens import TokenBook
from oco_proxy.proxy.identity import Directory
from oco_proxy.proxy.prices import PriceCache
from oco_proxy.proxy.providers import Provider, load_providers
from oco_proxy.proxy.upstream import Upstream
from oco_proxy.proxy.watching import Lookout
from oco_proxy.router.book import RoutingBook
from oco_warehouse.database import POSTGRES_GONE, create_pool
from oco_warehouse.settings import Settings

_log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 10.0
ADOPT_SECONDS: Final = 10.0
_RESTART_SECONDS: Final = 1.0


@dataclass(slots=True)
class Services:
    """Everything that a request may use."""

    settings: Settings
    providers: dict[str, Provider]
    pool: "asyncpg.Pool[asyncpg.Record]"
    prices: PriceCache
    directory: Directory
    routing: RoutingBook
    tokens: TokenBook
    keeper: BudgetKeeper
    spool: Spool
    writer: LedgerWriter
    upstream: Upstream
    metrics: Metrics
    lookout: Lookout
    trials: asyncio.Semaphore


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open everything, run the background loops, and at the end drain the ledger.

    Raises:
        WarehouseUnreachable: when PostgreSQL does not answer at the start.
        ConfigurationError: when the spool's folder cannot be written.
    """
    async with AsyncExitStack() as stack:
        pool = await create_pool(settings.warehouse_url())
        stack.push_async_callback(_close_pool, pool)
        link = RedisLink(settings.cache_url(), TIMEOUT_SECONDS)
        stack.push_async_callback(link.close)
        upstream = await stack.enter_async_context(Upstream(settings.upstream_timeout_seconds))
        spool = Spool(settings.spool)
        stack.callback(spool.close)
        keeper = BudgetKeeper(
            Scripts(link), pool, Limits(), spool.gateway_id, settings.budget_failure_mode
        )
        writer = LedgerWriter(spool, pool, keeper)
        services = Services(
            settings=settings,
            providers=load_providers(settings),
            pool=pool,
            prices=PriceCache(),
            directory=Directory(),
            routing=RoutingBook(),
            tokens=TokenBook(pool),
            keeper=keeper,
            spool=spool,
            writer=writer,
            upstream=upstream,
            metrics=Metrics(),
            lookout=Lookout(),
            trials=asyncio.Semaphore(1),
        )
        await _prepare(services)
        loops = [
            asyncio.create_task(_supervise(name, loop), name=name)
            for name, loop in (
                ("budgets", keeper.run),
                ("ledger", writer.run),
                ("metrics", lambda: services.metrics.run(services)),
                ("prices", lambda: services.prices.run(pool)),
                ("directory", lambda: services.directory.run(pool)),
                ("routing", lambda: services.routing.run(pool)),
            )
        ]
        try:
            yield services
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            if not await writer.drain(DRAIN_SECONDS):
                _log.warning("ledger_not_drained", folder=spool.folder.path.name)


async def _prepare(services: Services) -> None:
    """Read what the first request needs, and first of all what dead processes left unwritten."""
    with contextlib.suppress(*POSTGRES_GONE):
        async with asyncio.timeout(ADOPT_SECONDS):
            await services.writer.adopt()
    for refresh in (
        services.prices.refresh,
        services.directory.refresh,
        services.keeper.limits.refresh,
        services.routing.refresh,
    ):
        try:
            await refresh(services.pool)
        except POSTGRES_GONE as error:
            _log.warning(
                "not_read_at_start", what=refresh.__qualname__, reason=type(error).__name__
            )


async def _supervise(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """A loop that fails unexpectedly says so and begins again."""
    while True:
        try:
            await loop()
        except Exception as error:
            causes = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
            names = [type(cause).__name__ for cause in causes]
            _log.error("loop_failed", loop=name, errors=names)
        await asyncio.sleep(_RESTART_SECONDS)


async def _close_pool(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        pool.terminate()
