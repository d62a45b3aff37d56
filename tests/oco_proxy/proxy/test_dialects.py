"""Anthropic's and Gemini's answers, whole and in pieces, and what their requests can cost."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.proxy import anthropic, gemini, gemini_request
from oco_proxy.proxy.arrays import ElementSplitter
from oco_proxy.proxy.decoding import decoder_for
from oco_proxy.proxy.metering import Meter, Metered
from oco_warehouse.errors import InvalidInputError

CODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
AWKWARD = 'é\u2028\u0085 ]}\\" {"usageMetadata": 1} 🎉'


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False).encode()
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


FIRST = {
    "input_tokens": 2050,
    "cache_creation_input_tokens": 500,
    "cache_read_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 300},
    "output_tokens": 3,
    "service_tier": "priority",
}
LAST = {
    "input_tokens": 31772,
    "output_tokens": 510,
    "output_tokens_details": {"thinking_tokens": 64},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
}
MESSAGES = b"".join(
    [
        event("message_start", message={"model": "claude-x", "usage": FIRST}),
        b": ping\n\n",
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": AWKWARD}),
        event("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 9}),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage=LAST),
        event("message_stop"),
    ]
)
MESSAGE = json.dumps({"model": "claude-x", "content": [{"text": AWKWARD}], "usage": FIRST | LAST})


def piece(spoken: int, end: str | None = None) -> dict[str, Any]:
    usage = {
        "promptTokenCount": 3000,
        "toolUsePromptTokenCount": 70,
        "cachedContentTokenCount": 2048,
        "candidatesTokenCount": spoken,
        "thoughtsTokenCount": 40,
        "serviceTier": "FLEX",
    }
    candidate: dict[str, Any] = {"content": {"parts": [{"text": AWKWARD}]}}
    if end is not None:
        candidate["finishReason"] = end
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3-pro"}


PIECES = [json.dumps(piece(n), ensure_ascii=False).encode() for n in (1, 5)]
PIECES.append(json.dumps(piece(9, "STOP"), ensure_ascii=False).encode())
GEMINI_EVENTS = b"".join(b"data: " + one + b"\r\n\r\n" for one in PIECES)
GEMINI_ARRAY = b"[" + b"\n,\r\n".join(PIECES) + b"\n]\n"

ANSWERS: dict[str, tuple[Callable[[], Meter], bytes]] = {
    "anthropic stream": (anthropic.StreamMeter, MESSAGES),
    "anthropic body": (anthropic.BodyMeter, MESSAGE.encode()),
    "gemini events": (gemini.StreamMeter, GEMINI_EVENTS),
    "gemini array": (gemini.BodyMeter, GEMINI_ARRAY),
    "gemini body": (gemini.BodyMeter, PIECES[-1]),
}


def metered(meter: Meter, pieces: list[bytes], encoding: str = "identity") -> Metered:
    decoder = decoder_for(encoding)
    for one in pieces:
        meter.feed(decoder.feed(one))
    return meter.finish()


@pytest.mark.parametrize("encoding", CODERS)
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_cut_anywhere_is_metered_the_same(name: str, encoding: str) -> None:
    make, plain = ANSWERS[name]
    wire = CODERS[encoding](plain)
    for cut in range(len(wire) + 1):
        said = metered(make(), [wire[:cut], wire[cut:]], encoding)
        usage = said.usage
        assert usage is not None
        assert said.complete and said.usage_is_final
        if name.startswith("anthropic"):
            assert (usage.input_tokens, usage.output_tokens) == (33272, 510)
            assert (usage.cached_input_tokens, usage.cache_write_tokens) == (1000, 500)
            assert (usage.cache_write_1h_tokens, usage.reasoning_tokens) == (300, 64)
            assert usage.tool_uses == {"web_search": 2}
            assert (said.model, said.service_tier) == ("claude-x", "priority")
        else:
            assert (usage.input_tokens, usage.output_tokens) == (3070, 49)
            assert (usage.cached_input_tokens, usage.reasoning_tokens) == (2048, 40)
            assert (said.model, said.service_tier) == ("gemini-3-pro", "flex")


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_comes_byte_by_byte_is_metered_the_same(name: str) -> None:
    make, plain = ANSWERS[name]
    whole = metered(make(), [plain])
    assert metered(make(), [bytes([byte]) for byte in plain]) == whole


@pytest.mark.parametrize("name", ["anthropic stream", "gemini events", "gemini array"])
def test_a_stream_that_breaks_off_never_claims_final_counts(name: str) -> None:
    make, plain = ANSWERS[name]
    said = metered(make(), [plain[: len(plain) * 2 // 3]])
    assert said.usage is not None
    assert not said.usage_is_final and not said.complete
    assert said.output_events > 0


@given(st.binary(max_size=400), st.sampled_from(sorted(ANSWERS)))
def test_no_bytes_make_a_meter_fail(data: bytes, name: str) -> None:
    for pieces in ([data], [b"data: " + data + b"\n\n"], [b"[" + data, data + b"]"]):
        metered(ANSWERS[name][0](), pieces)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
counts = st.one_of(st.integers(), st.none(), values)
USAGE_NAMES = [*FIRST, *LAST, *piece(1)["usageMetadata"], "iterations"]


@given(st.dictionaries(st.sampled_from(USAGE_NAMES), counts), st.sampled_from(sorted(ANSWERS)))
def test_no_usage_makes_a_meter_fail_or_a_part_larger_than_its_whole(
    usage: dict[str, Any], name: str
) -> None:
    body = {"type": "message_delta", "usage": usage, "usageMetadata": usage}
    data = json.dumps(body).encode()
    used = metered(ANSWERS[name][0](), [b"data: " + data + b"\n\n" if "s" in name else data]).usage
    if used is not None:
        assert used.input_tokens is not None and used.output_tokens is not None
        inside = used.cached_input_tokens + used.cache_write_tokens + used.audio_input_tokens
        assert 0 <= inside <= used.input_tokens
        assert 0 <= used.cache_write_1h_tokens <= used.cache_write_tokens
        assert 0 <= used.reasoning_tokens + used.audio_output_tokens <= used.output_tokens


@given(st.lists(values, max_size=5), st.integers(1, 7))
def test_the_elements_of_any_array_are_found_in_pieces_of_any_size(
    elements: list[Any], size: int
) -> None:
    wanted = [one for one in elements if isinstance(one, dict | list)]
    data = json.dumps(elements, ensure_ascii=False).encode()
    splitter = ElementSplitter()
    found = [e for at in range(0, len(data), size) for e in splitter.feed(data[at : at + size])]
    assert repr([json.loads(one) for one in found]) == repr(wanted)
    assert splitter.ended


def test_an_element_beyond_the_bound_is_let_go_and_the_next_one_is_read() -> None:
    splitter = ElementSplitter(max_element_bytes=64)
    large = json.dumps({"a": "x" * 1000}).encode()
    data = b"[" + large + b',{"b": 1}]'
    found = [e for at in range(0, len(data), 10) for e in splitter.feed(data[at : at + 10])]
    assert found == [b"", b'{"b": 1}']


def test_compaction_is_billed_beside_the_counts_and_another_models_work_is_no_exact_cost() -> None:
    extra = {"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 30}
    iterations = [{"type": "message", **extra}, {"type": "compaction", **extra}]
    usage = {"input_tokens": 10, "output_tokens": 5, "iterations": iterations}
    said = metered(anthropic.BodyMeter(), [json.dumps({"usage": usage}).encode()])
    assert said.usage is not None and said.usage_is_final
    assert (said.usage.input_tokens, said.usage.output_tokens) == (140, 25)
    usage["iterations"] = [{"type": "advisor_message", **extra}]
    said = metered(anthropic.BodyMeter(), [json.dumps({"usage": usage}).encode()])
    assert not said.usage_is_final


@pytest.mark.parametrize(("model", "billed"), [("gemini-2.5-pro", 1), ("gemini-3-pro-preview", 3)])
def test_searches_are_billed_by_prompt_or_by_query(model: str, billed: int) -> None:
    answer = piece(3, "STOP") | {"modelVersion": model}
    answer["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["a", "b", "c"]}
    usage = metered(gemini.BodyMeter(), [json.dumps(answer).encode()]).usage
    assert usage is not None and usage.tool_uses == {"web_search": billed}


@pytest.mark.parametrize(
    ("path", "endpoint", "model"),
    [
        ("v1beta/models/gemini-2.5-pro:generateContent", "generateContent", "gemini-2.5-pro"),
        ("v1/models/a%2Eb:streamGenerateContent", "streamGenerateContent", "a.b"),
        ("v1beta/models/gemini-2.5-pro", "models", ""),
        ("upload/v1beta/files", "files", ""),
        ("v1beta/cachedContents/abc", "cachedContents", ""),
        ("", "other", ""),
        ("v1beta/somebodysPassword/files", "other", ""),
        ("v1beta/models/m:somebodysPassword", "other", "m"),
    ],
)
def test_a_gemini_path_names_the_method_and_the_model(path: str, endpoint: str, model: str) -> None:
    assert (gemini.endpoint_of(path), gemini.model_of(path)) == (endpoint, model)


IMAGE = "A" * 400_000


def test_an_image_counts_its_bound_and_not_its_bytes() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
    part = {"type": "image", "source": source}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [part]}
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [part, result]}],
    }
    shape = anthropic.read_shape("", json.dumps(body).encode(), 5000)
    assert 10_000 < shape.input_bound < 13_000
    blob = {"inlineData": {"mimeType": "image/png", "data": IMAGE}}
    request = {"contents": [{"parts": [blob, {"text": "what is it?"}]}]}
    path = "v1beta/models/m:generateContent"
    assert gemini_request.read_shape(path, json.dumps(request).encode(), 8000).input_bound < 9000
    # The same bytes as text are a prompt like any other.
    request = {"contents": [{"parts": [{"text": IMAGE}]}]}
    assert gemini_request.read_shape(path, json.dumps(request).encode(), 8000).input_bound > 400_000


@pytest.mark.parametrize(
    "extra",
    [
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]},
        {"mcp_servers": [{"type": "url"}]},
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]},
        {"context_management": {"edits": []}},
    ],
)
def test_what_anthropic_adds_to_a_prompt_is_held_for(extra: dict[str, Any]) -> None:
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [], **extra}).encode()
    shape = anthropic.read_shape("", body, 5000)
    assert shape.input_bound > 1_000_000
    assert shape.tool_uses == (3 if "tools" in extra else 0)


@pytest.mark.parametrize(
    "extra",
    [
        {"tools": [{"googleSearch": {}}]},
        {"tools": [{"google_search": {}}]},
        {"tools": {"codeExecution": {}}},
        {"cachedContent": "cachedContents/a"},
        {"contents": [{"parts": [{"fileData": {"fileUri": "u"}}]}]},
        {"contents": {"parts": {"inline_data": {"mime_type": "application/pdf", "data": "x"}}}},
    ],
)
def test_what_gemini_adds_to_a_prompt_is_held_for(extra: dict[str, Any]) -> None:
    path = "v1beta/models/m:generateContent"
    shape = gemini_request.read_shape(path, json.dumps(extra).encode(), 8000)
    assert shape.input_bound > 1_000_000
    assert (shape.tool_uses > 0) == ("tools" in extra)


@pytest.mark.parametrize("names", ["camel", "snake"])
def test_the_limits_of_gemini_are_read_in_both_spellings(names: str) -> None:
    camel = {"generationConfig": {"maxOutputTokens": "50", "candidateCount": 3}}
    snake = {"generation_config": {"max_output_tokens": 50, "candidate_count": 3}}
    body = json.dumps(camel if names == "camel" else snake).encode()
    tool = b'{"tools": [{"functionDeclarations": [{"name": "f"}]}], ' + body[1:]
    shape = gemini_request.read_shape("v1beta/models/m:streamGenerateContent", tool, 8000)
    assert (shape.model, shape.stream, shape.tool_uses) == ("m", True, 0)
    assert (shape.output_limit, shape.choices) == (150, 3)
    assert shape.input_bound < 500


def test_a_refusal_quotes_nothing_of_the_request() -> None:
    for body in (b'{"model": "m", "max_tokens": "SECRET"}', b"SECRET", b'{"messages": "SECRET"}'):
        with pytest.raises(InvalidInputError) as caught:
            anthropic.read_shape("", body, 5000)
        assert "SECRET" not in str(caught.value)
    for body in (b'{"generationConfig": "SECRET"}', b"SECRET", b'{"contents": ["SECRET"]}'):
        with pytest.raises(InvalidInputError) as caught:
            gemini_request.read_shape("v1beta/models/m:generateContent", body, 8000)
        assert "SECRET" not in str(caught.value)


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_any_request_is_read_or_refused_in_one_line(body: bytes) -> None:
    for read in (
        lambda: anthropic.read_shape("", body, 5000),
        lambda: gemini_request.read_shape("v1beta/models/m:generateContent", body, 8000),
    ):
        said = ""
        try:
            assert read().input_bound > 0
        except InvalidInputError as error:
            said = str(error)
        assert "\n" not in said
