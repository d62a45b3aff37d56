"""Google's official SDK against the gateway, with only its base URL changed."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from oco_proxy.standin import Standin
from oco_warehouse.database import Warehouse

HELLO = "Say hello to everyone in the room, please."
LONG = "word " * 1000
SECRET = "AIza-a-secret-key"


@pytest.fixture
def gemini(start: Callable[..., Any], priced: Warehouse, standin: Standin) -> Callable[..., Any]:
    """Start a gateway before the stand-in: `with gemini() as gateway`."""
    for model in ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001"):
        priced.execute(
            "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, output_per_m_token,"
            " cached_input_per_m_token, price_version) VALUES ('gemini', %s, 1, 8, 0.25, 'test-1')",
            [model],
        )
    return lambda **more: start(OCO_GEMINI_BASE_URL=standin.url, **more)


def client(gateway: Any, **headers: str) -> genai.Client:
    return genai.Client(
        api_key=SECRET,
        http_options=types.HttpOptions(
            base_url=f"{gateway.url}/api/v1/proxy/gemini", headers=headers
        ),
    )


def test_content_is_answered_and_recorded_with_its_exact_cost(gemini: Callable[..., Any]) -> None:
    with gemini() as gateway:
        sdk = client(gateway, **{"X-Agent-ID": "bot"})
        answer = sdk.models.generate_content(model="gemini-2.5-flash", contents=HELLO)
        (row,) = gateway.rows(1)
    used = answer.usage_metadata
    assert used is not None
    assert answer.text == "word " * 12
    assert (row["input_tokens"], row["output_tokens"]) == (used.prompt_token_count, 12)
    assert row["cost_usd"] == (row["input_tokens"] + 12 * Decimal(8)) / 1_000_000
    assert (row["cost_status"], row["model"]) == ("exact", "gemini-2.5-flash")
    assert (row["provider"], row["endpoint"], row["agent_id"]) == (
        "gemini",
        "generateContent",
        "bot",
    )


def test_thoughts_are_billed_as_output_and_cached_input_at_its_price(
    gemini: Callable[..., Any],
) -> None:
    with gemini() as gateway:
        sdk = client(gateway)
        sdk.models.generate_content(model="gemini-2.5-pro", contents=LONG)
        (row,) = gateway.rows(1)
    cached = row["cached_input_tokens"]
    assert cached > 1000
    assert (row["output_tokens"], row["reasoning_tokens"]) == (16, 4)
    quarters = (row["input_tokens"] - cached) * 4 + cached + 16 * 32
    assert row["cost_usd"] == Decimal(quarters) / 4_000_000


def test_a_stream_has_the_same_cost_as_a_plain_call(gemini: Callable[..., Any]) -> None:
    with gemini() as gateway:
        sdk = client(gateway)
        sdk.models.generate_content(model="gemini-2.5-pro", contents=LONG)
        stream = sdk.models.generate_content_stream(model="gemini-2.5-pro", contents=LONG)
        assert "".join(piece.text or "" for piece in stream) == "word " * 12
        plain, streamed = gateway.rows(2)
    assert plain["cost_usd"] == streamed["cost_usd"] > 0
    assert streamed["endpoint"] == "streamGenerateContent"
    assert (streamed["stream"], streamed["cost_status"]) == (True, "exact")


def test_a_stream_that_is_one_array_is_passed_on_and_metered(
    gemini: Callable[..., Any], standin: Standin
) -> None:
    path = "v1beta/models/gemini-2.5-flash:streamGenerateContent"
    request = {"contents": [{"parts": [{"text": HELLO}]}]}
    with gemini() as gateway:
        url = f"{gateway.url}/api/v1/proxy/gemini/{path}?key={SECRET}"
        answer = httpx.post(url, json=request)
        direct = httpx.post(f"{standin.url}/{path}", json=request)
        (row,) = gateway.rows(1)
    assert answer.content == direct.content
    assert len(answer.json()) == 12
    assert standin.seen[0].query == f"key={SECRET}"
    assert (row["output_tokens"], row["cost_status"], row["stream"]) == (12, "exact", True)


def test_a_key_in_the_query_is_in_no_log_and_no_row(
    gemini: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with gemini() as gateway:
        base = f"{gateway.url}/api/v1/proxy"
        path = f"v1beta/models/gemini-2.5-flash:generateContent?key={SECRET}"
        httpx.post(f"{base}/gemini/{path}", json={"contents": []})
        httpx.post(f"{base}/gemini/{path}", content=b"no json")
        httpx.post(f"{base}/nobody/{path}", json={})
        (row,) = gateway.rows(1)
        said = capfd.readouterr()
    assert "gemini" in said.err + said.out
    assert SECRET not in said.err + said.out + repr(row)


def test_the_async_client_streams_and_calls_functions(gemini: Callable[..., Any]) -> None:
    async def use(gateway: Any) -> Any:
        place = types.Schema(type=types.Type.STRING)
        weather = types.FunctionDeclaration(
            name="weather",
            parameters=types.Schema(type=types.Type.OBJECT, properties={"place": place}),
        )
        config = types.GenerateContentConfig(
            tools=[types.Tool(function_declarations=[weather])], max_output_tokens=3
        )
        sdk = client(gateway)
        stream = await sdk.aio.models.generate_content_stream(
            model="gemini-2.5-flash", contents=HELLO, config=config
        )
        return [piece async for piece in stream]

    with gemini() as gateway:
        pieces = asyncio.run(use(gateway))
        (row,) = gateway.rows(1)
    (call,) = pieces[-1].function_calls
    assert (call.name, call.args) == ("weather", {"place": "Basel"})
    assert (row["output_tokens"], row["cost_status"]) == (3, "exact")


def test_embeddings_have_no_output_and_counting_is_free(gemini: Callable[..., Any]) -> None:
    with gemini() as gateway:
        sdk = client(gateway)
        sdk.models.count_tokens(model="gemini-2.5-flash", contents=HELLO)
        sdk.models.embed_content(model="gemini-embedding-001", contents=HELLO)
        assert [model.name for model in sdk.models.list()] == ["models/gemini-2.5-flash"]
        rows = {row["endpoint"]: row for row in gateway.rows(3)}
    assert rows["countTokens"]["cost_usd"] == rows["models"]["cost_usd"] == 0
    embedded = rows.get("embedContent") or rows["batchEmbedContents"]
    assert (embedded["output_tokens"], embedded["model"]) == (0, "gemini-embedding-001")
    assert embedded["cost_usd"] > 0


def test_a_provider_that_breaks_off_leaves_a_partial_row(gemini: Callable[..., Any]) -> None:
    with gemini() as gateway:
        sdk = client(gateway, **{"X-Standin": "reset, tokens=40"})
        with pytest.raises(Exception, match=r"(?i)peer|connection|incomplete|payload"):
            for _ in sdk.models.generate_content_stream(model="gemini-2.5-pro", contents=LONG):
                pass
        (row,) = gateway.rows(1)
    assert row["cost_status"] == "partial"
    assert 10 < row["output_tokens"] < 44


@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_error_of_the_provider_passes_through_and_costs_nothing(
    gemini: Callable[..., Any], status: int
) -> None:
    with gemini() as gateway:
        sdk = client(gateway, **{"X-Standin": f"status={status}"})
        with pytest.raises(errors.APIError, match="as you asked") as caught:
            sdk.models.generate_content(model="gemini-2.5-flash", contents=HELLO)
        row = gateway.rows(1)[0]
    assert caught.value.code == status
    assert (row["cost_usd"], row["error_type"]) == (0, f"http_{status}")


@pytest.mark.parametrize("shape", ["oco", "provider"])
def test_a_refusal_over_budget_is_read_by_the_sdk(
    gemini: Callable[..., Any], priced: Warehouse, standin: Standin, shape: str
) -> None:
    priced.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd, enforcement)"
        " VALUES ('agent', 'bot', 0.00001, 'hard')"
    )
    with gemini(OCO_ERROR_SHAPE=shape) as gateway:
        sdk = client(gateway, **{"X-Agent-ID": "bot"})
        with pytest.raises(errors.ClientError, match="budget of agent bot") as caught:
            sdk.models.generate_content(model="gemini-2.5-flash", contents=HELLO)
    assert not standin.seen
    if shape == "provider":
        assert "budget of agent bot" in (caught.value.message or "")
        assert caught.value.status == "RESOURCE_EXHAUSTED"


def test_an_image_of_twenty_megabytes_passes_whole(
    gemini: Callable[..., Any], standin: Standin
) -> None:
    picture = types.Part.from_bytes(
        data=b"\x89PNG" + bytes(15 * 1024 * 1024), mime_type="image/png"
    )
    with gemini() as gateway:
        sdk = client(gateway)
        sdk.models.generate_content(model="gemini-2.5-flash", contents=["What is this?", picture])
        (row,) = gateway.rows(1)
    assert len(standin.seen[0].body) > 20 * 1024 * 1024
    assert (row["status_code"], row["cost_status"]) == (200, "exact")
