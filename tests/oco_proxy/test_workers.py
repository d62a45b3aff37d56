"""Several processes behind one port, as `oco proxy --workers N` runs them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from oco_warehouse.database import Warehouse

pytestmark = pytest.mark.slow

BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 100}


def children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    # The resource tracker of multiprocessing is a child, too.
    return {
        int(child)
        for child in text.split()
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    }


def metrics_folder(pid: int) -> Path:
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return Path(dict(one.partition("=")[::2] for one in variables)["PROMETHEUS_MULTIPROC_DIR"])


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_workers_share_a_budget_and_a_killed_one_is_replaced(
    priced: Warehouse, process: Callable[..., Any], admin_headers: dict[str, str]
) -> None:
    priced.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', 'bot', 0.002)"
    )

    def call() -> int:
        headers = {"X-Agent-ID": "bot", "X-Standin": "tokens=100", "Connection": "close"}
        return httpx.post(
            f"{gateway.openai}/chat/completions", json=BODY, headers=headers, timeout=30
        ).status_code

    with process(workers=2) as (gateway, parent):
        assert eventually(lambda: len(children(parent.pid)) == 2)
        before = children(parent.pid)
        codes = [call() for _ in range(10)]
        gauge = metrics_folder(min(before)) / f"gauge_livesum_{min(before)}.db"
        assert eventually(gauge.exists)
        os.kill(min(before), signal.SIGKILL)
        assert eventually(lambda: len(children(parent.pid) - before) == 1)
        # What a dead worker last said of itself is not told for its successor.
        assert eventually(lambda: not gauge.exists())
        assert eventually(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 200)
        codes += [call() for _ in range(50)]
        answered = codes.count(200)
        rows = gateway.rows(answered)
        metrics = httpx.get(f"{gateway.url}/metrics", headers=admin_headers).text
        parent.terminate()
        assert parent.wait(30) == 0
    assert set(codes) == {200, 429}
    spent = priced.query("SELECT spent_usd FROM oco.budgets")[0]["spent_usd"]
    assert sum(row["cost_usd"] for row in rows) == spent <= Decimal("0.002")
    assert "oco_gateway_calls_total{" in metrics


def test_workers_that_cannot_start_end_with_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "oco_proxy", "--workers", "2"],
        env={
            **os.environ,
            "OCO_HOME": str(tmp_path),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "CEREBRA_PORT": "0",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "oco: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopping_gateway_takes_no_new_clients_and_finishes_its_calls(
    process: Callable[..., Any], workers: int
) -> None:
    with process(workers=workers) as (gateway, parent), ThreadPoolExecutor(4) as pool:
        if workers > 1:
            assert eventually(lambda: len(children(parent.pid)) == workers)
        calls = [
            pool.submit(
                httpx.post,
                f"{gateway.openai}/chat/completions",
                json=BODY,
                headers={"X-Standin": "delay=9"},
                timeout=30,
            )
            for _ in range(4)
        ]
        time.sleep(1)
        parent.terminate()
        address = urlsplit(gateway.url)

        def is_refused() -> bool:
            try:
                socket.create_connection((str(address.hostname), address.port), 1).close()
            except ConnectionRefusedError:
                return True
            return False

        assert eventually(is_refused, 6)
        assert not any(call.done() for call in calls)
        assert {call.result().status_code for call in calls} == {200}
        assert parent.wait(20) == 0
