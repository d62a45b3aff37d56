"""Redis goes away in mid-traffic and comes back with its old memory: no cent is lost or doubled."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from oco_warehouse.database import Warehouse

BODY: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 1000,
}


class Switch:
    """A relay in front of Redis that can be cut and mended."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._on = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def url(self) -> str:
        login, at, _ = self._target.netloc.rpartition("@")
        return self._target._replace(netloc=f"{login}{at}127.0.0.1:{self.port}").geturl()

    def cut(self) -> None:
        self._on = False
        self._loop.call_soon_threadsafe(lambda: [w.close() for w in list(self._writers)])

    def mend(self) -> None:
        self._on = True

    def stop(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._on:
            writer.close()
            return
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        pairs = ((reader, there[1]), (there[0], writer))
        self._writers |= {writer, there[1]}
        with suppress(OSError):
            await asyncio.gather(*(self._copy(*pair) for pair in pairs))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@pytest.fixture
def switch(redis_url: str) -> Iterator[Switch]:
    if urlsplit(redis_url).hostname is None:
        # Only a server given by OCO_TEST_REDIS_URL can be so; the relay that cuts it speaks TCP.
        pytest.skip("Redis listens on a Unix socket only")
    made = Switch(redis_url)
    yield made
    made.stop()


def call(gateway: Any, knobs: str = "") -> int:
    headers = {"X-Agent-ID": "bot", "X-Standin": knobs}
    return httpx.post(
        f"{gateway.openai}/chat/completions", json=BODY, headers=headers, timeout=30
    ).status_code


def ready(gateway: Any, redis_answers: bool) -> bool:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        state = httpx.get(f"{gateway.url}/readyz", timeout=10).json()
        if state["redis"] is redis_answers and not state["budgets"]["unposted"]:
            return True
        time.sleep(0.1)
    return False


def test_budgets_hold_through_the_loss_and_the_return_of_redis(
    priced: Warehouse, start: Callable[..., Any], switch: Switch, redis_url: str
) -> None:
    limit = Decimal("0.01")
    priced.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', 'bot', %s)", [limit]
    )
    answered = 0
    with start(REDIS_URL=switch.url) as gateway:
        answered += [call(gateway, "tokens=900") for _ in range(3)].count(200)
        slow: list[int] = []
        threads = [
            threading.Thread(target=lambda: slow.append(call(gateway, "delay=2,tokens=900")))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        switch.cut()
        answered += [call(gateway, "tokens=900") for _ in range(3)].count(200)
        assert httpx.get(f"{gateway.url}/readyz").json()["redis"] is False
        for thread in threads:
            thread.join()
        answered += slow.count(200)
        gateway.rows(answered)
        switch.mend()
        assert ready(gateway, True)
        answered += [call(gateway, "tokens=900") for _ in range(3)].count(200)
        assert answered == 12
        while (status := call(gateway, "tokens=900")) == 200:
            answered += 1
        assert status == 429
        rows = gateway.rows(answered)
        time.sleep(0.5)
        client = redis.Redis.from_url(redis_url, decode_responses=True)
        (held,) = [
            int(client.hget(key, "held") or 0)
            for key in client.scan_iter("oco:*")
            if client.type(key) == "hash" and client.hexists(key, "spent")
        ]
    (budget,) = priced.query("SELECT spent_usd FROM oco.budgets")
    assert len(rows) == answered
    assert sum(row["cost_usd"] for row in rows) == budget["spent_usd"]
    assert limit * Decimal("0.9") <= budget["spent_usd"] <= limit
    assert held == 0
