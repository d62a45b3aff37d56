"""From a call of a model without a price to a budget's alert at a webhook, over real servers."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from dagster import build_sensor_context

from oco_pipelines.llm.alerts.sensor import alerts_sensor
from oco_pipelines.llm.insights.run import find_all
from oco_pipelines.llm.insights.store import keep_findings
from oco_pipelines.llm.ledger import budget_differences
from oco_pipelines.llm.repricing import reprice
from oco_pipelines.resources import WarehouseResource
from oco_proxy.serving import run_gateway
from oco_proxy.standin import run_standin
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings
from oco_warehouse.tokens import hash_token
from tests.loopback import served

TOKEN = "oco_operator_e2e"
WAIT_SECONDS = 20.0


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook's address and what it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with served(Handler) as address:
        yield f"{address}/", got


def rows(warehouse: Warehouse, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = warehouse.query("SELECT * FROM oco.api_requests")
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def tick(warehouse: Warehouse) -> str | None:
    resources = {"warehouse": WarehouseResource(database_url=warehouse.url)}
    return alerts_sensor().evaluate_tick(build_sensor_context(resources=resources)).skip_message


def test_a_late_price_moves_the_budget_and_its_alert_arrives(
    warehouse: Warehouse,
    redis_url: str,
    tmp_path: Path,
    hook: tuple[str, list[dict[str, Any]]],
) -> None:
    address, got = hook
    warehouse.execute(
        "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role) "
        "VALUES ('operator', %s, 'oco_', 'operator')",
        [hash_token(TOKEN)],
    )
    with run_standin() as standin:
        settings = load_settings(
            {
                "DATABASE_URL": warehouse.url,
                "REDIS_URL": redis_url,
                "OCO_HOME": str(tmp_path),
                "OCO_OPENAI_BASE_URL": standin.url,
            }
        )
        with run_gateway(settings) as url:
            client = httpx.Client(
                base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20
            )
            with client:
                budget = {
                    "scope": "team",
                    "entity_id": "search",
                    "limit_usd": "0.0001",
                    "enforcement": "soft",
                }
                client.post("/budgets", json=budget).raise_for_status()
                channel = {"name": "hook", "kind": "webhook", "target": address}
                client.post("/channels", json=channel).raise_for_status()
                for _ in range(3):
                    client.post(
                        "/proxy/openai/v1/chat/completions",
                        headers={"X-Team-ID": "search", "Authorization": "Bearer key"},
                        json={
                            "model": "mystery-1",
                            "messages": [{"role": "user", "content": "hello"}],
                            "max_tokens": 20,
                        },
                    ).raise_for_status()
                calls = rows(warehouse, 3)
                assert [call["cost_status"] for call in calls] == ["unpriced"] * 3
                (unpriced,) = client.get("/models/unpriced").json()["items"]
                assert (unpriced["model"], unpriced["requests"]) == ("mystery-1", 3)
                for kind, found in find_all(warehouse, datetime.now(UTC)):
                    keep_findings(warehouse, kind, found)
                assert tick(warehouse) == "0 alerts raised, 1 delivered, 0 failed"
                price = {
                    "provider": "openai",
                    "model": "mystery-1",
                    "input_per_m_token": "10",
                    "output_per_m_token": "40",
                }
                client.put("/models/prices", json=price).raise_for_status()
                done = reprice(warehouse)
                (stands,) = client.get("/budgets").json()["items"]
                assert done.priced == 3
                assert Decimal(stands["spent_usd"]) == done.cost_usd > 0
                assert budget_differences(warehouse) == []
                assert client.get("/models/unpriced").json()["items"] == []
                tick(warehouse)
                told = {(alert["kind"], alert["threshold"]) for alert in got}
                assert told == {
                    ("unpriced_model", None),
                    ("budget_threshold", "0.5"),
                    ("budget_threshold", "0.8"),
                    ("budget_threshold", "1"),
                }
                listed = client.get("/alerts", params={"kind": "budget_threshold"}).json()["items"]
                assert [(alert["delivered"], alert["pending"]) for alert in listed] == [(1, 0)] * 3
                assert tick(warehouse) == "0 alerts raised, 0 delivered, 0 failed"
