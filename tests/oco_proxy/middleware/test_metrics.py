"""What Prometheus is told."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from oco_warehouse.database import Warehouse

BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "secret-words"}]}


def samples(text: str) -> dict[str, float]:
    """Sums over all labels by sample name."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_metrics_count_what_the_rows_say_and_name_nobody(
    priced: Warehouse, start: Callable[..., Any], admin_headers: dict[str, str]
) -> None:
    priced.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', 'bot-17', 1)"
    )
    with start() as gateway:
        for agent in ("bot-17", "bot-17", "other-18"):
            httpx.post(
                f"{gateway.openai}/chat/completions", json=BODY, headers={"X-Agent-ID": agent}
            )
        httpx.post(f"{gateway.openai}/chat/completions", content=b"{")
        rows = gateway.rows(3)
        assert httpx.get(f"{gateway.url}/metrics").status_code == 401
        text = httpx.get(f"{gateway.url}/metrics", headers=admin_headers).text
    found = samples(text)
    assert found["oco_gateway_calls_total"] == 3
    assert found["oco_gateway_refusals_total"] == 1
    assert found["oco_gateway_budget_check_seconds_count"] == 3
    cost = sum((row["cost_usd"] for row in rows), Decimal(0))
    assert Decimal(str(round(found["oco_gateway_cost_usd_total"], 12))).normalize() == cost
    tokens = sum(row["total_tokens"] for row in rows)
    assert found["oco_gateway_tokens_total"] == tokens
    assert found["oco_gateway_without_redis"] == 0
    for private in ("bot-17", "other-18", "secret-words"):
        assert private not in text
