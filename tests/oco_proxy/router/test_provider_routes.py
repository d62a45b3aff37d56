"""Anthropic's and Google's SDKs under a policy: another model serves, and the row says which."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anthropic
import pytest
from google import genai
from google.genai import types

from oco_proxy.standin import Standin
from oco_warehouse.database import Warehouse

AGENT = {"X-Agent-ID": "bot"}
MESSAGES: Any = [{"role": "user", "content": "Say hello."}]
# Model asked for, model that serves: USD a million tokens in and out.
PRICES = {
    ("anthropic", "claude-sonnet-4-5"): ("3", "15"),
    ("anthropic", "claude-haiku-4-5"): ("1", "5"),
    ("gemini", "gemini-2.5-pro"): ("1.25", "10"),
    ("gemini", "gemini-2.5-flash"): ("0.3", "2.5"),
}


@pytest.fixture
def gateway(
    start: Callable[..., Any],
    policy: Callable[..., str],
    priced: Warehouse,
    standin: Standin,
    request: pytest.FixtureRequest,
) -> Any:
    """Not started yet: `with gateway() as running`; the parameter is the policy's mode."""
    for (provider, model), amounts in PRICES.items():
        priced.execute(
            "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, output_per_m_token,"
            " price_version) VALUES (%s, %s, %s, %s, 'test-1')",
            [provider, model, *map(Decimal, amounts)],
        )
    policy("balanced", request.param)
    return lambda: start(OCO_ANTHROPIC_BASE_URL=standin.url, OCO_GEMINI_BASE_URL=standin.url)


def ask_claude(running: Any, *, stream: bool) -> str:
    sdk = anthropic.Anthropic(
        base_url=f"{running.url}/api/v1/proxy/anthropic",
        api_key="sk-x",
        default_headers=AGENT,
        max_retries=0,
    )
    asked: Any = {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": MESSAGES}
    if not stream:
        return str(sdk.messages.create(**asked).model)
    with sdk.messages.stream(**asked) as events:
        return str(events.get_final_message().model)


def ask_gemini(running: Any, *, stream: bool) -> str:
    options = types.HttpOptions(base_url=f"{running.url}/api/v1/proxy/gemini", headers=AGENT)
    sdk = genai.Client(api_key="AIza", http_options=options)
    config = types.GenerateContentConfig(max_output_tokens=50)
    asked: Any = {"model": "gemini-2.5-pro", "contents": "Say hello.", "config": config}
    if not stream:
        return str(sdk.models.generate_content(**asked).model_version)
    return str(list(sdk.models.generate_content_stream(**asked))[-1].model_version)


CALLS = [
    pytest.param(ask_claude, "anthropic", "claude-sonnet-4-5", "claude-haiku-4-5", id="anthropic"),
    pytest.param(ask_gemini, "gemini", "gemini-2.5-pro", "gemini-2.5-flash", id="gemini"),
]


def cost(row: dict[str, Any], provider: str, model: str) -> Decimal:
    """By hand, from the row's tokens."""
    into, out = map(Decimal, PRICES[provider, model])
    return Decimal(row["input_tokens"] * into + row["output_tokens"] * out) / 1_000_000


@pytest.mark.parametrize("gateway", ["enforce"], indirect=True)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("ask", "provider", "original", "routed"), CALLS)
def test_the_cheaper_model_of_the_same_provider_serves_and_is_billed(
    gateway: Any, ask: Any, provider: str, original: str, routed: str, stream: bool
) -> None:
    with gateway() as running:
        assert ask(running, stream=stream) == routed
        (row,) = running.rows(1)
    assert (row["model"], row["was_routed"], row["original_model"]) == (routed, True, original)
    assert row["cost_usd"] == cost(row, provider, routed)
    assert row["savings_usd"] == cost(row, provider, original) - row["cost_usd"]


@pytest.mark.parametrize("gateway", ["dry_run"], indirect=True)
@pytest.mark.parametrize(("ask", "provider", "original", "routed"), CALLS)
def test_a_dry_run_leaves_the_model_and_says_what_it_would_have_saved(
    gateway: Any, ask: Any, provider: str, original: str, routed: str
) -> None:
    with gateway() as running:
        assert ask(running, stream=False) == original
        (row,) = running.rows(1)
    assert (row["model"], row["was_routed"], row["routed_model"]) == (original, False, routed)
    assert row["cost_usd"] == cost(row, provider, original)
    assert row["savings_usd"] == row["cost_usd"] - cost(row, provider, routed)
