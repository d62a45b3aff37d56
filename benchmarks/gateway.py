"""What the gateway adds to a call: the same calls straight to a stand-in and through the gateway.

A budget is in force, every call is recorded, and both ways alternate call by call. Client, gateway
process and provider share the machine, so the throughput figure is a floor.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from benchmarks.report import Figures, arguments, spread, tell
from oco_cli.gateway import gateway_process
from oco_pipelines.llm.price_store import refresh_prices
from oco_proxy.standin.openai import run_standin
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.settings import load_settings

BODY = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "word " * 200}],
    "max_tokens": 50,
}
HEADERS = {"Authorization": "Bearer sk-bench", "X-Agent-ID": "bench"}
WARM_UP = 50


@contextmanager
def running_gateway(home: Path, provider: str) -> Iterator[str]:
    """A gateway process on fresh embedded servers, with prices and a budget."""
    with embedded_servers(load_settings({"OCO_HOME": str(home)})) as settings:
        migrations.upgrade(settings.warehouse_url())
        warehouse = Warehouse(settings.warehouse_url())
        refresh_prices(warehouse)
        warehouse.execute(
            "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', 'bench', 1000)"
        )
        with gateway_process(settings, provider) as address:
            yield f"{address}/api/v1/proxy/openai"


async def one(session: aiohttp.ClientSession, base: str) -> float:
    """One call; its milliseconds."""
    began = time.perf_counter()
    async with session.post(f"{base}/v1/chat/completions", json=BODY, headers=HEADERS) as answer:
        await answer.read()
        answer.raise_for_status()
    return (time.perf_counter() - began) * 1000


async def measure(direct: str, gateway: str, calls: int, rounds: int) -> Figures:
    """All figures."""
    figures: Figures = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        for _ in range(WARM_UP):
            await one(session, direct)
            await one(session, gateway)
        alone: dict[str, list[float]] = {direct: [], gateway: []}
        for _ in range(calls):
            for base, times in alone.items():
                times.append(await one(session, base))
        p50 = {base: statistics.median(times) for base, times in alone.items()}
        p99 = {base: statistics.quantiles(times, n=100)[98] for base, times in alone.items()}
        figures["direct_p50_ms"] = round(p50[direct], 3)
        figures["gateway_p50_ms"] = round(p50[gateway], 3)
        figures["added_p50_ms"] = round(p50[gateway] - p50[direct], 3)
        figures["added_p99_ms"] = round(p99[gateway] - p99[direct], 3)
        rates: dict[str, list[float]] = {direct: [], gateway: []}
        for _ in range(rounds):
            for base, found in rates.items():
                began = time.perf_counter()
                await asyncio.gather(*(_several(session, base, calls // 32) for _ in range(32)))
                found.append(calls // 32 * 32 / (time.perf_counter() - began))
    figures |= spread("direct_requests_per_second_at_32", rates[direct])
    figures |= spread("gateway_requests_per_second_at_32", rates[gateway])
    return figures


async def _several(session: aiohttp.ClientSession, base: str, calls: int) -> None:
    for _ in range(calls):
        await one(session, base)


def main() -> None:
    """Run as a program."""
    options = arguments("What the gateway adds to a call", calls=500, rounds=3)
    with (
        tempfile.TemporaryDirectory(prefix="oco-bench-") as folder,
        run_standin() as provider,
        running_gateway(Path(folder), provider.url) as gateway,
    ):
        figures = asyncio.run(measure(provider.url, gateway, options.calls, options.rounds))
    tell(figures, options.json)


if __name__ == "__main__":
    main()
