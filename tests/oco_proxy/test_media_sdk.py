"""OpenAI's other endpoints through its SDK: responses, pictures, sounds, batches, Azure's paths."""

import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from oco_pipelines.llm.price_store import refresh_prices
from oco_proxy.standin import Standin
from oco_proxy.standin.media import BROUGHT, PICTURE, SOUND, WORDS
from oco_warehouse.database import Warehouse

PNG = ("a.png", io.BytesIO(b"\x89PNG" + bytes(200)), "image/png")
MP3 = ("a.mp3", io.BytesIO(b"ID3" + bytes(200)), "audio/mpeg")
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    "strict": False,
}


@pytest.fixture
def sdk(request: pytest.FixtureRequest, warehouse: Warehouse, start: Callable[..., Any]) -> Any:
    """A gateway with the whole catalogue's prices; yields (SDK, gateway).

    A parameter is the limit in USD of a hard budget of its caller.
    """
    refresh_prices(warehouse)
    if (limit := getattr(request, "param", None)) is not None:
        warehouse.execute(
            "INSERT INTO oco.budgets (scope, entity_id, limit_usd, enforcement)"
            " VALUES ('agent', 'bot', %s, 'hard')",
            [Decimal(limit)],
        )
    headers = {"X-Agent-ID": "bot"}
    with (
        start() as gateway,
        openai.OpenAI(
            base_url=gateway.openai, api_key="sk-x", default_headers=headers, max_retries=0
        ) as client,
    ):
        yield client, gateway


def dollars(*parts: tuple[int, str]) -> Decimal:
    """By hand: tokens times USD a million."""
    return sum((tokens * Decimal(price) for tokens, price in parts), Decimal(0)) / 1_000_000


def test_a_picture_is_priced_by_what_its_usage_says(sdk: Any) -> None:
    client, gateway = sdk
    client.images.generate(model="gpt-image-1.5", prompt="a cat", n=2)
    (row,) = gateway.rows(1)
    # What is drawn has a price of its own there, four times that of words.
    assert row["cost_usd"] == dollars((WORDS, "5"), (2 * PICTURE, "32"))
    assert (row["cost_status"], row["model"]) == ("exact", "gpt-image-1.5")
    assert (row["endpoint"], row["output_tokens"]) == ("images.generations", 2000)


def test_pictures_that_come_along_in_a_form_have_their_own_price(sdk: Any) -> None:
    client, gateway = sdk
    client.images.edit(model="gpt-image-1", prompt="greener", image=[PNG, PNG])
    (row,) = gateway.rows(1)
    assert row["cost_usd"] == dollars((WORDS, "5"), (2 * BROUGHT, "10"), (PICTURE, "40"))
    assert (row["endpoint"], row["model"]) == ("images.edits", "gpt-image-1")


def test_a_streamed_picture_of_many_megabytes_is_metered(sdk: Any) -> None:
    client, gateway = sdk
    events = list(client.images.generate(model="gpt-image-1", prompt="a cat", stream=True))
    assert len(events[-1].b64_json) > 5_000_000
    (row,) = gateway.rows(1)
    assert row["cost_usd"] == dollars((WORDS, "5"), (PICTURE, "40"))
    assert (row["cost_status"], row["stream"]) == ("exact", True)


def test_a_picture_without_usage_is_unpriced_and_never_free(sdk: Any) -> None:
    client, gateway = sdk
    client.images.generate(model="dall-e-3", prompt="a cat")
    (row,) = gateway.rows(1)
    assert (row["cost_usd"], row["cost_status"]) == (None, "unpriced")
    assert (row["input_tokens"], row["model"]) == (None, "dall-e-3")


@pytest.mark.parametrize("stream", [False, True])
def test_a_transcript_is_priced_by_its_sounds_and_words(sdk: Any, stream: bool) -> None:
    client, gateway = sdk
    answer = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=MP3, stream=stream)
    if stream:
        assert [event.type for event in answer][-1] == "transcript.text.done"
    (row,) = gateway.rows(1)
    assert row["cost_usd"] == dollars((5, "2.5"), (SOUND, "6"), (7, "10"))
    assert (row["cost_status"], row["endpoint"]) == ("exact", "audio.transcriptions")


def test_a_transcript_that_is_billed_by_the_second_is_priced_by_the_second(sdk: Any) -> None:
    client, gateway = sdk
    client.audio.transcriptions.create(model="whisper-1", file=MP3)
    (row,) = gateway.rows(1)
    assert (row["cost_usd"], row["cost_status"]) == (10 * Decimal("0.0001"), "exact")


def test_speech_says_nothing_of_its_cost_and_is_unpriced(sdk: Any) -> None:
    client, gateway = sdk
    spoken = client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello")
    assert spoken.content.startswith(b"ID3")
    (row,) = gateway.rows(1)
    assert (row["cost_usd"], row["cost_status"]) == (None, "unpriced")
    assert row["model"] == "gpt-4o-mini-tts"


@pytest.mark.parametrize("sdk", ["1000"], indirect=True)
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.audio.speech.create(model="tts-1", voice="alloy", input="hello"),
        lambda client: client.audio.transcriptions.create(model="whisper-1", file=MP3),
        lambda client: client.images.generate(model="dall-e-3", prompt="a cat"),
        lambda client: client.responses.create(model="gpt-5", input="hi", background=True),
        lambda client: client.batches.create(
            input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
        ),
    ],
    ids=["speech", "whisper", "dall-e", "background", "batch"],
)
def test_what_cannot_be_measured_is_refused_under_a_hard_budget(
    sdk: Any, standin: Standin, call: Any
) -> None:
    client, gateway = sdk
    with pytest.raises(openai.BadRequestError) as caught:
        call(client)
    assert "hard budget" in caught.value.response.text
    assert (standin.seen, gateway.rows()) == ([], [])


@pytest.mark.parametrize("sdk", ["1000"], indirect=True)
@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"tools": [{"type": "image_generation"}]}, "tool 'image_generation' of model 'gpt-5'"),
        (
            {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]},
            "tool 'code_interpreter' of model 'gpt-5'",
        ),
        ({"background": True}, "The price of a response in the background is"),
        ({"prompt": {"id": "pmpt_1"}}, "The price of what a stored prompt brings along is"),
        ({"model": "gpt-none"}, "The price of model 'gpt-none' is"),
    ],
    ids=["pictures", "container", "background", "stored prompt", "model"],
)
def test_a_refusal_under_a_hard_budget_says_what_has_no_price(
    sdk: Any, standin: Standin, extra: dict[str, Any], named: str
) -> None:
    client, _ = sdk
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": "gpt-5", "input": "hi", **extra})
    assert named in caught.value.response.text
    assert standin.seen == []


@pytest.mark.parametrize("sdk", ["1000"], indirect=True)
def test_tools_that_have_a_price_or_cost_nothing_pass_under_a_hard_budget(sdk: Any) -> None:
    client, gateway = sdk
    tools: Any = [{"type": "web_search"}, {"type": "local_shell"}, WEATHER]
    client.responses.create(model="gpt-5", input="hi", max_output_tokens=100, tools=tools)
    (row,) = gateway.rows(1)
    assert row["cost_status"] == "exact"


@pytest.mark.parametrize("sdk", ["10"], indirect=True)
def test_a_picture_fits_a_hard_budget_that_holds_its_worst_case(sdk: Any) -> None:
    client, gateway = sdk
    client.images.generate(model="gpt-image-1", prompt="a cat")
    client.images.edit(model="gpt-image-1", prompt="greener", image=PNG)
    assert [row["cost_status"] for row in gateway.rows(2)] == ["exact", "exact"]


@pytest.mark.parametrize(
    "kinds",
    [
        ["multipart/form-data"],
        ["multipart/form-data; boundary=b", "multipart/form-data; boundary=c"],
    ],
)
def test_a_form_whose_parts_cannot_be_told_is_refused(
    sdk: Any, standin: Standin, kinds: list[str]
) -> None:
    _, gateway = sdk
    answer = httpx.post(
        f"{gateway.openai}/audio/transcriptions",
        content=b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--b--\r\n',
        headers=[("Content-Type", kind) for kind in kinds],
    )
    assert answer.status_code == 400
    assert "Content-Type header" in answer.json()["detail"]
    assert standin.seen == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_priced_with_the_searches_that_are_billed(sdk: Any, stream: bool) -> None:
    client, gateway = sdk
    answer = client.responses.create(
        model="gpt-5", input="hi", tools=[{"type": "web_search"}, WEATHER], stream=stream
    )
    if stream:
        assert [event.type for event in answer][-1] == "response.completed"
    (row,) = gateway.rows(1)
    tokens = dollars((row["input_tokens"], "1.25"), (12, "10"))
    assert row["cost_usd"] == tokens + 2 * Decimal("0.01")  # opening a page is no search
    assert (row["cost_status"], row["reasoning_tokens"]) == ("exact", 2)


def test_an_incomplete_streamed_response_is_exact(sdk: Any) -> None:
    client, gateway = sdk
    events = list(
        client.responses.create(model="gpt-5", input="hi", max_output_tokens=1, stream=True)
    )
    assert events[-1].type == "response.incomplete"
    (row,) = gateway.rows(1)
    assert (row["output_tokens"], row["cost_status"]) == (1, "exact")


def test_a_response_in_the_background_is_unpriced_and_reading_it_later_is_free(sdk: Any) -> None:
    client, gateway = sdk
    answer = client.responses.create(model="gpt-5", input="hi", background=True)
    assert answer.status == "queued"
    gateway.rows(1)
    httpx.get(f"{gateway.openai}/responses/resp_standin1")
    httpx.post(f"{gateway.openai}/responses/resp_standin1/cancel")
    rows = gateway.rows(3)
    assert [(row["endpoint"], row["cost_usd"]) for row in rows] == [
        ("responses", None),
        ("responses.items", 0),
        ("responses.cancel", 0),
    ]
    assert rows[0]["cost_status"] == "unpriced" and rows[0]["output_tokens"] is None


def test_the_tier_that_served_is_priced_and_the_one_asked_for_is_kept(sdk: Any) -> None:
    client, gateway = sdk
    client.responses.create(model="gpt-5", input="hi", service_tier="flex")
    client.chat.completions.create(
        model="gpt-5", messages=[{"role": "user", "content": "hi"}], service_tier="priority"
    )
    flex, default = gateway.rows(2)
    assert flex["cost_usd"] == dollars((flex["input_tokens"], "0.625"), (12, "5"))
    assert (flex["service_tier"], flex["requested_service_tier"]) == ("flex", "flex")
    assert default["cost_usd"] == dollars((default["input_tokens"], "1.25"), (12, "10"))
    assert (default["service_tier"], default["requested_service_tier"]) == ("default", "priority")


def test_files_and_moderations_are_free_and_a_batch_is_unpriced_once(sdk: Any) -> None:
    client, gateway = sdk
    client.moderations.create(input="hi")
    client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    client.batches.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
    )
    client.batches.retrieve("batch_1")
    httpx.get(f"{gateway.openai}/files/file-2/content")
    rows = gateway.rows(5)
    assert [(row["endpoint"], row["cost_usd"], row["cost_status"]) for row in rows] == [
        ("moderations", 0, "exact"),
        ("files", 0, "exact"),
        ("batches", None, "unpriced"),
        ("batches", 0, "exact"),
        ("files.content", 0, "exact"),
    ]


def test_what_is_done_with_a_stored_completion_passes_and_is_free(sdk: Any) -> None:
    _, gateway = sdk
    path = f"{gateway.openai}/chat/completions/chatcmpl-1"
    assert httpx.post(path, json={"metadata": {"a": "b"}}).status_code == 200
    (row,) = gateway.rows(1)
    assert (row["endpoint"], row["cost_usd"]) == ("chat.completions.items", 0)


def test_completions_and_embeddings_are_exact(sdk: Any) -> None:
    client, gateway = sdk
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt="word " * 20, max_tokens=4)
    vector = client.embeddings.create(model="text-embedding-3-small", input="some words")
    assert vector.data[0].embedding == [0.25, -0.5, 0.125]
    completed, embedded = gateway.rows(2)
    assert completed["cost_usd"] == dollars((completed["input_tokens"], "1.5"), (4, "2"))
    assert embedded["cost_usd"] == dollars((embedded["input_tokens"], "0.02"))
    assert {completed["cost_status"], embedded["cost_status"]} == {"exact"}


def test_azures_deployments_are_metered_and_routing_leaves_them_alone(
    warehouse: Warehouse, start: Callable[..., Any], standin: Standin, tmp_path: Path
) -> None:
    refresh_prices(warehouse)
    warehouse.execute(
        "INSERT INTO oco.routing_policies (scope, entity_id, strategy, mode)"
        " VALUES ('agent', 'bot', 'cost_optimized', 'enforce')"
    )
    path = tmp_path / "providers.json"
    azure = {"dialect": "openai", "base_url": standin.url, "price_provider": "openai"}
    path.write_text(json.dumps({"azure": azure}))
    messages: Any = [{"role": "user", "content": "hi"}]
    with (
        start(OCO_PROVIDERS=str(path)) as gateway,
        openai.AzureOpenAI(
            azure_endpoint=f"{gateway.url}/api/v1/proxy/azure",
            api_key="k",
            api_version="2024-10-21",
            default_headers={"X-Agent-ID": "bot"},
            max_retries=0,
        ) as client,
    ):
        for stream in (False, True):
            list(client.chat.completions.create(model="gpt-4o", messages=messages, stream=stream))
        rows = gateway.rows(2)
    assert standin.seen[0].path == "/openai/deployments/gpt-4o/chat/completions"
    assert standin.seen[0].query == "api-version=2024-10-21"
    for row in rows:
        assert (row["provider"], row["endpoint"]) == ("azure", "chat.completions")
        assert (row["model"], row["was_routed"]) == ("gpt-4o", False)
        assert row["cost_usd"] == dollars((row["input_tokens"], "2.5"), (12, "10"))
        assert row["cost_status"] == "exact"
