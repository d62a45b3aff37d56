"""A running gateway, a stand-in provider, and prices: what most gateway tests begin with."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar._openapi.plugin import OpenAPIPlugin
from litestar.openapi.spec import OpenAPI

from oco_proxy.serving import run_gateway
from oco_proxy.standin import Standin, run_standin
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings
from oco_warehouse.tokens import hash_token

WAIT_SECONDS = 60.0


@dataclass
class Gateway:
    """A gateway under test."""

    url: str
    warehouse: Warehouse
    spool: Path

    @property
    def openai(self) -> str:
        """What an SDK takes as its base URL."""
        return f"{self.url}/api/v1/proxy/openai/v1"

    def rows(self, count: int = 0) -> list[dict[str, Any]]:
        """All recorded calls, once there are at least `count` of them."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            rows = self.warehouse.query('SELECT * FROM oco.api_requests ORDER BY "timestamp"')
            if len(rows) >= count or time.monotonic() > deadline:
                return rows
            time.sleep(0.02)


@pytest.fixture(scope="session", autouse=True)
def document_made_once() -> Iterator[None]:
    """Deriving the API's document from its handlers is a third of what starting a gateway costs."""
    build = OpenAPIPlugin._build_openapi
    made: dict[tuple[str, ...], OpenAPI] = {}

    def build_once(plugin: OpenAPIPlugin) -> OpenAPI:
        routes = tuple(plugin.included_routes)
        if routes not in made:
            made[routes] = build(plugin)
        return made[routes]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenAPIPlugin, "_build_openapi", build_once)
        yield


@pytest.fixture(scope="session")
def standin_server() -> Iterator[Standin]:
    with run_standin() as standin:
        yield standin


@pytest.fixture
def standin(standin_server: Standin) -> Standin:
    standin_server.seen.clear()
    standin_server.answered = 0
    return standin_server


@pytest.fixture
def priced(warehouse: Warehouse) -> Warehouse:
    """A warehouse that knows a cheap model, a reasoning one and a free one."""
    prices = [("gpt-4o-mini", "0.15", "0.60", "0.075"), ("o4-mini", "1.10", "4.40", "0.275")]
    prices.append(("free-model", "0", "0", "0"))
    for model, *amounts in prices:
        warehouse.execute(
            "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, output_per_m_token,"
            " cached_input_per_m_token, price_version) VALUES ('openai', %s, %s, %s, %s, 'test-1')",
            [model, *map(Decimal, amounts)],
        )
    return warehouse


def environment(
    warehouse: Warehouse, redis_url: str, standin: Standin, home: Path, **more: str
) -> dict[str, str]:
    """Settings of a gateway under test."""
    return {
        "DATABASE_URL": warehouse.url,
        "REDIS_URL": redis_url,
        "OCO_HOME": str(home),
        "OCO_OPENAI_BASE_URL": standin.url,
        "CEREBRA_LOG_LEVEL": "debug",
        **more,
    }


@contextmanager
def serve(values: dict[str, str], warehouse: Warehouse) -> Iterator[Gateway]:
    """A gateway in a thread of this process."""
    settings = load_settings(values)
    with run_gateway(settings) as url:
        yield Gateway(url, warehouse, settings.spool)


@pytest.fixture
def start(
    priced: Warehouse, redis_url: str, standin: Standin, tmp_path: Path
) -> Iterator[Callable[..., Any]]:
    """Start a gateway with further settings: `with start(OCO_STREAM_USAGE="false") as gateway`."""

    def begin(**more: str) -> Any:
        return serve(environment(priced, redis_url, standin, tmp_path, **more), priced)

    return begin


@pytest.fixture
def gateway(start: Callable[..., Any]) -> Iterator[Gateway]:
    with start() as running:
        yield running


@pytest.fixture
def admin_headers(priced: Warehouse) -> dict[str, str]:
    """What the API's administrator sends."""
    priced.execute(
        "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role) "
        "VALUES ('admin', %s, 'oco_admin', 'admin')",
        [hash_token("oco_admin_test")],
    )
    return {"Authorization": "Bearer oco_admin_test"}


@contextmanager
def gateway_process(
    values: dict[str, str], warehouse: Warehouse, workers: int = 1
) -> Iterator[Any]:
    """A gateway in a process of its own; yields (Gateway, Popen)."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = load_settings(values)
    process = subprocess.Popen(
        [sys.executable, "-m", "oco_proxy", "--workers", str(workers)],
        env={**os.environ, **values, "CEREBRA_PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            assert process.poll() is None, "the gateway ended by itself"
            assert time.monotonic() < deadline, "the gateway did not start"
            try:
                httpx.get(f"{url}/healthz", timeout=1).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield Gateway(url, warehouse, settings.spool), process
    finally:
        if workers > 1:
            process.terminate()  # its workers would outlive a kill
        else:
            process.kill()
        process.wait(timeout=WAIT_SECONDS)


@pytest.fixture
def process(
    priced: Warehouse, redis_url: str, standin: Standin, tmp_path: Path
) -> Callable[..., Any]:
    """Start a gateway in a process of its own: `with process() as (gateway, popen)`."""

    def begin(workers: int = 1, **more: str) -> Any:
        values = environment(priced, redis_url, standin, tmp_path, **more)
        return gateway_process(values, priced, workers)

    return begin
