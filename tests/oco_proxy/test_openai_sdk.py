"""The official SDK against the gateway, with only its base URL changed."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest

from oco_proxy.standin import Standin
from oco_warehouse.database import Warehouse

HELLO: Any = [{"role": "user", "content": "Say hello to everyone in the room, please."}]


def client(gateway: Any, **headers: str) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=gateway.openai, api_key="sk-test", default_headers=headers, max_retries=0
    )


def test_a_plain_call_is_answered_and_recorded_with_its_exact_cost(gateway: Any) -> None:
    answer = client(gateway, **{"X-Agent-ID": "bot"}).chat.completions.create(
        model="gpt-4o-mini", messages=HELLO
    )
    (row,) = gateway.rows(1)
    assert answer.usage is not None
    assert row["input_tokens"] == answer.usage.prompt_tokens
    assert row["output_tokens"] == answer.usage.completion_tokens == 12
    expected = (row["input_tokens"] * Decimal("0.15") + 12 * Decimal("0.60")) / 1_000_000
    assert row["cost_usd"] == expected
    assert (row["cost_status"], row["price_version"]) == ("exact", "test-1")
    assert (row["agent_id"], row["endpoint"], row["status_code"]) == (
        "bot",
        "chat.completions",
        200,
    )
    assert row["stream"] is False


@pytest.mark.parametrize("amount", ["0.01", "50"])
def test_a_snapshot_that_answers_costs_what_was_stated_for_its_family(
    start: Callable[..., Any], priced: Warehouse, amount: str
) -> None:
    for model, source in (("gpt-4o-mini-2024-07-18", "genai-prices"), ("gpt-4o-mini", "override")):
        price = amount if source == "override" else "1"
        priced.execute(
            "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, "
            "output_per_m_token, source, price_version) VALUES ('openai', %s, %s, %s, %s, %s)",
            [model, Decimal(price), Decimal(price), source, source],
        )
    # Room for the call at the stated price and not at both: it is held and charged at that one.
    limit = Decimal(amount) * 4000 / 1_000_000
    priced.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd, period, enforcement) "
        "VALUES ('agent', 'bot', %s, 'month', 'hard')",
        [limit],
    )
    headers = {"X-Agent-ID": "bot", "X-Standin": "dated=2024-07-18,tokens=1000"}
    with start() as gateway:
        answer = client(gateway, **headers).chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, max_tokens=1000
        )
        (row,) = gateway.rows(1)
    assert answer.model == row["model"] == "gpt-4o-mini-2024-07-18"
    assert row["cost_usd"] == (row["input_tokens"] + 1000) * Decimal(amount) / 1_000_000 < limit
    assert (row["cost_status"], row["price_version"]) == ("exact", "override")


def test_a_stream_that_does_not_ask_for_usage_is_metered_and_shows_none(
    gateway: Any, standin: Standin
) -> None:
    stream = client(gateway).chat.completions.create(
        model="gpt-4o-mini", messages=HELLO, stream=True
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "word " * 12
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert b'"include_usage":true' in standin.seen[0].body
    (row,) = gateway.rows(1)
    assert (row["output_tokens"], row["cost_status"], row["stream"]) == (12, "exact", True)
    assert row["ttft_ms"] is not None


def test_a_stream_that_asks_for_usage_gets_it(gateway: Any) -> None:
    stream = client(gateway).chat.completions.create(
        model="gpt-4o-mini", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    last = list(stream)[-1]
    (row,) = gateway.rows(1)
    assert last.choices == [] and last.usage is not None
    assert last.usage.prompt_tokens == row["input_tokens"]


def test_with_the_setting_off_nothing_is_asked_for_and_the_row_is_an_estimate(
    start: Callable[..., Any], standin: Standin
) -> None:
    with start(OCO_STREAM_USAGE="false") as gateway:
        stream = client(gateway).chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, stream=True
        )
        list(stream)
        (row,) = gateway.rows(1)
    assert b"include_usage" not in standin.seen[0].body
    assert row["cost_status"] == "estimated"
    assert row["cost_usd"] > 0
    assert row["output_tokens"] in range(12, 16)


def test_the_async_client_streams_and_calls(gateway: Any) -> None:
    async def use() -> int:
        async with openai.AsyncOpenAI(base_url=gateway.openai, api_key="sk-test") as sdk:
            await sdk.chat.completions.create(model="o4-mini", messages=HELLO)
            stream = await sdk.chat.completions.create(model="o4-mini", messages=HELLO, stream=True)
            return len([chunk async for chunk in stream])

    assert asyncio.run(use()) == 14
    rows = gateway.rows(2)
    assert [row["reasoning_tokens"] for row in rows] == [4, 4]


def test_embeddings_and_model_lists_pass_and_are_recorded(gateway: Any) -> None:
    sdk = client(gateway)
    sdk.embeddings.create(model="gpt-4o-mini", input="some words to embed")
    assert [model.id for model in sdk.models.list()] == ["gpt-4o-mini"]
    by_endpoint = {row["endpoint"]: row for row in gateway.rows(2)}
    assert by_endpoint["embeddings"]["output_tokens"] == 0
    assert by_endpoint["embeddings"]["cost_status"] == "exact"
    assert by_endpoint["models"]["cost_usd"] == 0


def test_an_unknown_model_is_unpriced_and_its_tokens_are_kept(gateway: Any) -> None:
    client(gateway).chat.completions.create(model="gpt-99", messages=HELLO)
    (row,) = gateway.rows(1)
    assert (row["cost_usd"], row["cost_status"]) == (None, "unpriced")
    assert row["output_tokens"] == 12


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_an_error_of_the_provider_passes_through_and_costs_nothing(
    gateway: Any, status: int
) -> None:
    sdk = client(gateway, **{"X-Standin": f"status={status}"})
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert caught.value.status_code == status
    assert "as you asked" in caught.value.message
    (row,) = gateway.rows(1)
    assert (row["cost_usd"], row["error_type"]) == (0, f"http_{status}")
    assert row["input_tokens"] is None


def test_an_image_of_twenty_megabytes_passes_unchanged(gateway: Any, standin: Standin) -> None:
    picture = "data:image/png;base64," + "A" * (20 * 1024 * 1024)
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": picture}},
    ]
    messages: Any = [{"role": "user", "content": content}]
    client(gateway).chat.completions.create(model="gpt-4o-mini", messages=messages, max_tokens=5)
    (row,) = gateway.rows(1)
    assert json.loads(standin.seen[0].body)["messages"] == messages
    assert (row["status_code"], row["cost_status"]) == (200, "exact")


def test_an_sdk_that_repeats_itself_leaves_a_row_for_each_try(gateway: Any) -> None:
    patient = client(gateway, **{"X-Standin": "status=500"}).with_options(max_retries=2)
    with pytest.raises(openai.InternalServerError):
        patient.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    rows = gateway.rows(3)
    assert [(row["status_code"], row["cost_usd"]) for row in rows] == [(500, 0)] * 3


def test_a_client_that_gives_up_waiting_still_pays_what_the_provider_bills(
    gateway: Any, admin_headers: dict[str, str]
) -> None:
    budget = {"scope": "agent", "entity_id": "bot", "limit_usd": "1"}
    httpx.post(f"{gateway.url}/api/v1/budgets", json=budget, headers=admin_headers)
    hasty = client(gateway, **{"X-Standin": "delay=1", "X-Agent-ID": "bot"})
    with pytest.raises(openai.APITimeoutError):
        hasty.with_options(timeout=0.3).chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, max_tokens=50
        )
    (row,) = gateway.rows(1)
    assert (row["error_type"], row["cost_status"]) == ("client_closed", "exact")
    assert row["cost_usd"] > 0
    assert httpx.get(f"{gateway.url}/readyz").json()["budgets"]["holds"] == 0
