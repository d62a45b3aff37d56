"""The field that storms and chaos run on: real servers, gateway processes, and a provider."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from oco_cli.environment import process_environment
from oco_proxy.standin import run_standin
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings
from tests.faults.books import INPUT_PER_M, OUTPUT_PER_M, Books
from tests.faults.servers import Gateway, Postgres, Redis
from tests.faults.tally import Call, Ledger, added, tally

SETTLE_SECONDS = 60.0
READY_SECONDS = 30.0
MODEL = "gpt-4o-mini"
BODY: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "What happens when everything breaks at once?"}],
    "max_tokens": 1000,
}


@dataclass
class Field:
    """Servers, gateways and a provider."""

    warehouse: Warehouse
    postgres: Postgres
    redis: Redis
    books: Books
    gateways: list[Gateway]
    spool: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def give_budgets(self, limits: dict[str, Decimal]) -> None:
        """Give agents hard budgets, and the gateways a moment to hear of them."""
        for agent, limit in limits.items():
            self.warehouse.execute(
                "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', %s, %s)",
                [agent, limit],
            )
        time.sleep(1.2)

    async def call(
        self,
        session: aiohttp.ClientSession,
        gateway: Gateway,
        agent: str,
        knobs: str,
        leave_after: float | None = None,
    ) -> Call:
        """One call; with `leave_after` its client hangs up so long after the provider got it."""
        number = str(next(self._numbers))
        began = time.monotonic()
        post = asyncio.create_task(
            _post(session, gateway.url, agent, f"{knobs},agent={agent},call={number}")
        )
        if leave_after is not None:
            # The provider runs in a thread of its own, whose events this loop cannot wait for.
            while not post.done() and not self.books.has(number):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await asyncio.wait([post], timeout=leave_after)
            post.cancel()
        status, request_id, left = None, None, False
        try:
            status, request_id = await post
        except asyncio.CancelledError:
            left = True
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass  # it broke off, as in a killed gateway
        return Call(number, agent, began, time.monotonic(), status, request_id, left)

    def settled(self, agents: list[str], calls: list[Call]) -> dict[str, Any]:
        """Figures about agents once nothing is under way any more, or time is up."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self._unsettled() and time.monotonic() < deadline:
            time.sleep(0.1)
        figures: dict[str, Any] = {}
        for agent in agents:
            own = [call for call in calls if call.agent == agent]
            found = tally(own, self.books.asked(agent), self._ledger(agent))
            figures = added(figures, found) if figures else found
        return figures | {"leaked_holds": self._holds()}

    def wait_until_whole(self) -> bool:
        """Whether every gateway has all that it needs, after a while at most."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            states = [gateway.state() for gateway in self.gateways]
            if all(state is not None and state["status"] == "ok" for state in states):
                return True
            time.sleep(0.1)
        return False

    def _unsettled(self) -> bool:
        """Whether records wait anywhere: in a gateway, in its spool, or in a dead one's."""
        for gateway in self.gateways:
            state = gateway.state()
            if state is None or state["ledger"]["pending_bytes"] or not state["ledger"]["accepts"]:
                return True
            if state["budgets"]["unposted"] or state["budgets"]["holds"]:
                return True
        folders = [path for path in self.spool.iterdir() if path.is_dir()]
        return len(folders) > len(self.gateways)

    def _holds(self) -> int:
        states = [gateway.state() for gateway in self.gateways]
        return sum(state["budgets"]["holds"] for state in states if state is not None)

    def _ledger(self, agent: str) -> Ledger:
        rows = self.warehouse.query(
            "SELECT id, cost_usd FROM oco.api_requests WHERE agent_id = %s", [agent]
        )
        (budget,) = self.warehouse.query(
            "SELECT limit_usd, spent_usd FROM oco.budgets WHERE entity_id = %s", [agent]
        )
        return Ledger(
            [(row["id"], row["cost_usd"]) for row in rows], budget["limit_usd"], budget["spent_usd"]
        )


async def _post(
    session: aiohttp.ClientSession, url: str, agent: str, knobs: str
) -> tuple[int, str | None]:
    headers = {"X-Agent-ID": agent, "X-Standin": knobs, "Authorization": "Bearer sk-test"}
    path = f"{url}/api/v1/proxy/openai/v1/chat/completions"
    async with asyncio.timeout(90), session.post(path, json=BODY, headers=headers) as answer:
        await answer.read()
        return answer.status, answer.headers.get("x-oco-request-id")


@contextmanager
def play(
    home: Path, gateways: int, spool: Path | None = None, file_bytes: int | None = None
) -> Iterator[Field]:
    """Set everything up below a folder, and take it down again.

    Args:
        home: a folder that is not there yet.
        gateways: how many processes.
        spool: where they spool; a folder of the field's own if None.
        file_bytes: no file of theirs may be larger.
    """
    with ExitStack() as stack:
        postgres = Postgres(home)
        stack.callback(postgres.stop)
        cache = Redis(home)
        stack.callback(cache.stop)
        cache.start()
        settings = load_settings(
            {"OCO_HOME": str(home), "DATABASE_URL": postgres.create(), "REDIS_URL": cache.url}
        )
        migrations.upgrade(settings.warehouse_url())
        warehouse = Warehouse(settings.warehouse_url())
        warehouse.execute(
            "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, "
            "output_per_m_token, price_version) VALUES ('openai', %s, %s, %s, 'test-1')",
            [MODEL, INPUT_PER_M, OUTPUT_PER_M],
        )
        standin = stack.enter_context(run_standin())
        spool = spool or home / "spool"
        environment = {
            **process_environment(settings),
            "OCO_OPENAI_BASE_URL": standin.url,
            "OCO_SPOOL_DIR": str(spool),
            "CEREBRA_LOG_LEVEL": "warning",
        }
        running = [
            Gateway(environment, home / "logs" / f"gateway-{n}.log", file_bytes)
            for n in range(gateways)
        ]
        for gateway in running:
            gateway.start()
            stack.callback(gateway.stop)
        for gateway in running:
            gateway.wait()
        yield Field(warehouse, postgres, cache, Books(standin), running, spool)
