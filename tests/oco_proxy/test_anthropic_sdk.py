"""Anthropic's official SDK against the gateway, with only its base URL changed."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anthropic
import pytest

from oco_proxy.standin import Standin
from oco_warehouse.database import Warehouse

MODEL = "claude-haiku-4-5"
HELLO: Any = [{"role": "user", "content": "Say hello to everyone in the room, please."}]
LONG: Any = [{"role": "user", "content": "word " * 1000}]
TOOL: Any = {
    "name": "weather",
    "description": "The weather of a place",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}},
}


@pytest.fixture
def messages(start: Callable[..., Any], priced: Warehouse, standin: Standin) -> Callable[..., Any]:
    """Start a gateway before the stand-in: `with messages() as gateway`."""
    priced.execute(
        "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, output_per_m_token,"
        " cached_input_per_m_token, cache_write_per_m_token, cache_write_1h_per_m_token,"
        " tool_prices, price_version) VALUES ('anthropic', %s, 1, 5, 0.1, 1.25, 2,"
        """ '{"web_search": 0.01}', 'test-1')""",
        [MODEL],
    )
    return lambda **more: start(OCO_ANTHROPIC_BASE_URL=standin.url, **more)


def client(gateway: Any, **headers: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        base_url=f"{gateway.url}/api/v1/proxy/anthropic",
        api_key="sk-ant-test",
        default_headers=headers,
        max_retries=0,
    )


def test_a_message_is_answered_and_recorded_with_its_exact_cost(
    messages: Callable[..., Any], standin: Standin
) -> None:
    with messages() as gateway:
        answer = client(gateway, **{"X-Agent-ID": "bot"}).messages.create(
            model=MODEL, max_tokens=50, messages=HELLO
        )
        (row,) = gateway.rows(1)
    assert dict(standin.seen[0].headers)["authorization"] == "Bearer sk-ant-test"
    assert answer.content[0].type == "text"
    assert (row["input_tokens"], row["output_tokens"]) == (answer.usage.input_tokens, 12)
    assert row["cost_usd"] == (row["input_tokens"] + 12 * Decimal(5)) / 1_000_000
    assert (row["cost_status"], row["service_tier"]) == ("exact", "standard")
    assert (row["provider"], row["endpoint"], row["agent_id"]) == ("anthropic", "messages", "bot")


def test_cache_reads_and_both_lifetimes_of_writes_have_their_own_prices(
    messages: Callable[..., Any],
) -> None:
    text = {"type": "text", "text": "word " * 1000, "cache_control": {"type": "ephemeral"}}
    with messages() as gateway:
        answer = client(gateway).messages.create(
            model=MODEL, max_tokens=50, messages=[{"role": "user", "content": [text]}]
        )
        (row,) = gateway.rows(1)
    used = answer.usage
    read = used.cache_read_input_tokens or 0
    assert (read > 1000, used.cache_creation_input_tokens) == (True, 64)
    assert row["input_tokens"] == used.input_tokens + read + 64
    assert (row["cached_input_tokens"], row["cache_write_tokens"]) == (read, 64)
    tenths = used.input_tokens * 10 + read + 48 * Decimal("12.5") + 16 * 20 + 12 * 50
    assert row["cost_usd"] == tenths / 10_000_000


def test_a_stream_has_the_same_cost_as_a_plain_call(messages: Callable[..., Any]) -> None:
    with messages() as gateway:
        sdk = client(gateway)
        sdk.messages.create(model=MODEL, max_tokens=50, messages=LONG)
        with sdk.messages.stream(model=MODEL, max_tokens=50, messages=LONG) as stream:
            assert "".join(stream.text_stream) == "word " * 12
            assert stream.get_final_message().usage.output_tokens == 12
        plain, streamed = gateway.rows(2)
    assert plain["cost_usd"] == streamed["cost_usd"] > 0
    assert (plain["stream"], streamed["stream"]) == (False, True)
    assert streamed["cost_status"] == "exact"


def test_the_async_client_calls_tools_in_a_stream(messages: Callable[..., Any]) -> None:
    async def use(gateway: Any) -> Any:
        url = f"{gateway.url}/api/v1/proxy/anthropic"
        async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-test") as sdk:
            call = sdk.messages.stream(model=MODEL, max_tokens=50, messages=HELLO, tools=[TOOL])
            async with call as stream:
                return await stream.get_final_message()

    with messages() as gateway:
        answer = asyncio.run(use(gateway))
        (row,) = gateway.rows(1)
    assert (answer.stop_reason, answer.content[0].input) == ("tool_use", {"place": "Basel"})
    assert row["cost_status"] == "exact"


def test_counts_and_lists_are_free_and_a_batch_is_unpriced(messages: Callable[..., Any]) -> None:
    with messages() as gateway:
        sdk = client(gateway)
        assert sdk.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens > 0
        one: Any = {"model": MODEL, "max_tokens": 5, "messages": HELLO}
        sdk.messages.batches.create(requests=[{"custom_id": "a", "params": one}])
        rows = {row["endpoint"]: row for row in gateway.rows(2)}
    assert rows["messages.count_tokens"]["cost_usd"] == 0
    batch = rows["messages.batches"]
    assert (batch["cost_usd"], batch["cost_status"]) == (None, "unpriced")


def test_a_provider_that_breaks_off_leaves_a_partial_row_with_what_was_seen(
    messages: Callable[..., Any],
) -> None:
    with messages() as gateway:
        sdk = client(gateway, **{"X-Standin": "reset, tokens=40"})
        with (
            pytest.raises(Exception, match=r"(?i)peer|connection|incomplete"),
            sdk.messages.stream(model=MODEL, max_tokens=50, messages=LONG) as stream,
        ):
            stream.until_done()
        (row,) = gateway.rows(1)
    # The first counts say one token of output; what came says more.
    assert row["cost_status"] == "partial"
    assert 10 < row["output_tokens"] < 40
    assert row["cached_input_tokens"] > 0


@pytest.mark.parametrize("status", [400, 404, 429, 529])
def test_an_error_of_the_provider_passes_through_and_costs_nothing(
    messages: Callable[..., Any], status: int
) -> None:
    with messages() as gateway:
        sdk = client(gateway, **{"X-Standin": f"status={status}"})
        with pytest.raises(anthropic.APIStatusError, match="as you asked") as caught:
            sdk.messages.create(model=MODEL, max_tokens=50, messages=HELLO)
        (row,) = gateway.rows(1)
    assert caught.value.status_code == status
    assert (row["cost_usd"], row["error_type"]) == (0, f"http_{status}")


@pytest.mark.parametrize("shape", ["oco", "provider"])
def test_a_refusal_over_budget_is_read_by_the_sdk_and_not_repeated(
    messages: Callable[..., Any], priced: Warehouse, standin: Standin, shape: str
) -> None:
    priced.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd, enforcement)"
        " VALUES ('agent', 'bot', 0.00001, 'hard')"
    )
    with messages(OCO_ERROR_SHAPE=shape) as gateway:
        sdk = client(gateway, **{"X-Agent-ID": "bot"}).with_options(max_retries=3)
        with pytest.raises(anthropic.RateLimitError, match="budget of agent bot") as caught:
            sdk.messages.create(model=MODEL, max_tokens=5000, messages=HELLO)
    assert not standin.seen
    body: Any = caught.value.body
    if shape == "provider":
        assert body["type"] == "error"
        assert body["error"]["type"] == "rate_limit_error"
        assert body["error"]["code"] == "budget_exceeded"


def test_twenty_megabytes_pass(messages: Callable[..., Any], standin: Standin) -> None:
    text = "x" * (20 * 1024 * 1024)
    with messages() as gateway:
        client(gateway).messages.create(
            model=MODEL, max_tokens=5, messages=[{"role": "user", "content": text}]
        )
        (row,) = gateway.rows(1)
    assert len(standin.seen[0].body) > len(text)
    assert row["input_tokens"] > 5_000_000
