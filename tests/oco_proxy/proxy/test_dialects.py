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


EXTRA = {"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 30}


def test_a_message_that_another_model_answered_is_no_exact_cost_and_named_by_that_model() -> None:
    declined = {"type": "message", "model": "claude-a", **EXTRA}
    served = {"type": "fallback_message", "model": "claude-b", **EXTRA}
    last = {"input_tokens": 10, "output_tokens": 5, "iterations": [declined, served]}
    stream = event("message_start", message={"model": "claude-a", "usage": {"input_tokens": 1}})
    stream += event("content_block_delta", delta={"text": "x" * 4000})
    stream += event("message_delta", delta={"stop_reason": "end_turn"}, usage=last)
    body = json.dumps({"model": "claude-b", "content": "x" * 4000, "usage": last}).encode()
    for meter, data in ((anthropic.StreamMeter(), stream), (anthropic.BodyMeter(), body)):
        said = metered(meter, [data])
        assert (said.model, said.usage_is_final, said.estimable) == ("claude-b", False, False)
        assert said.usage is not None and said.usage.output_tokens == 5


def test_iterations_of_several_models_are_no_exact_cost() -> None:
    iterations = [{"type": "message", "model": name, **EXTRA} for name in ("claude-a", "claude-b")]
    usage = {"input_tokens": 10, "output_tokens": 5, "iterations": iterations}
    said = metered(anthropic.BodyMeter(), [json.dumps({"usage": usage}).encode()])
    assert not said.usage_is_final
    usage["iterations"] = iterations[:1] * 2
    assert metered(anthropic.BodyMeter(), [json.dumps({"usage": usage}).encode()]).usage_is_final


def test_a_fast_answer_from_a_region_has_a_price_that_no_tier_names() -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "speed": "fast", "inference_geo": "global"}
    said = metered(anthropic.BodyMeter(), [json.dumps({"usage": usage}).encode()])
    assert (said.service_tier, said.usage_is_final) == ("fast", True)
    usage["inference_geo"] = "us"
    said = metered(anthropic.BodyMeter(), [json.dumps({"usage": usage}).encode()])
    assert (said.service_tier, said.usage_is_final) == ("fast", False)


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ({"fallbacks": "default"}, "a fallback model"),
        ({"fallbacks": [{"model": "claude-b"}]}, "a fallback model"),
        ({"tools": [{"type": "advisor_20260301", "model": "claude-b"}]}, "the advisor's model"),
    ],
)
def test_a_message_that_another_model_may_work_on_has_no_bound(
    extra: dict[str, Any], what: str
) -> None:
    body = {"model": "m", "max_tokens": 9, "messages": []}
    assert anthropic.read_shape("", json.dumps(body | extra).encode(), 5000).unmeasured == what
    assert not anthropic.read_shape("", json.dumps(body).encode(), 5000).unmeasured


def test_a_limit_below_zero_is_none() -> None:
    assert anthropic.read_shape("", b'{"model": "m", "max_tokens": -1}', 0).output_limit is None
    assert anthropic.read_shape("", b'{"model": "m", "max_tokens": 0}', 0).output_limit == 0


def test_pictures_are_found_in_the_parts_of_parts() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "http://x"}}
    document = {"type": "document", "source": {"type": "content", "content": [picture]}}
    result = {"type": "tool_result", "content": [document, picture]}
    body = {"model": "m", "max_tokens": 9, "messages": [{"content": [document, result]}]}
    shape = anthropic.read_shape("", json.dumps(body).encode(), 5000)
    assert 15_000 < shape.input_bound < 18_000


def test_a_search_result_beside_them_hides_no_picture_and_no_document() -> None:
    result = {"type": "search_result", "source": "https://x", "content": [{"type": "text"}]}
    picture = {"type": "image", "source": {"type": "url", "url": "u"}}
    body: dict[str, Any] = {"model": "m", "messages": [{"content": [result, picture]}]}
    assert 5000 < anthropic.read_shape("", json.dumps(body).encode(), 5000).input_bound < 7000
    body["messages"][0]["content"].append({"type": "document", "source": {"type": "file"}})
    assert anthropic.read_shape("", json.dumps(body).encode(), 5000).input_bound > 1_000_000


def test_a_tool_that_a_turn_adds_is_held_for() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    added = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool}}
    body = {"model": "m", "max_tokens": 9, "messages": [{"content": [added]}]}
    shape = anthropic.read_shape("", json.dumps(body).encode(), 5000)
    assert (shape.tool_uses, shape.input_bound > 1_000_000) == (3, True)


def test_a_page_that_was_fetched_may_hold_a_document() -> None:
    page = {"type": "document", "source": {"type": "base64", "data": "x"}}
    fetched = {"type": "web_fetch_tool_result", "content": {"type": "r", "content": page}}
    body = {"model": "m", "max_tokens": 9, "messages": [{"content": [fetched]}]}
    assert anthropic.read_shape("", json.dumps(body).encode(), 5000).input_bound > 1_000_000


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
        {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
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
        {"tools": [{"codeExecution": {}, "googleMaps": {}}]},
        {"cachedContent": "cachedContents/a"},
        {"contents": [{"parts": [{"fileData": {"fileUri": "u"}}]}]},
        {"contents": {"parts": {"inline_data": {"mime_type": "application/pdf", "data": "x"}}}},
        {"contents": {"parts": {"functionResponse": {"parts": [{"fileData": {"fileUri": "u"}}]}}}},
    ],
)
def test_what_gemini_adds_to_a_prompt_is_held_for(extra: dict[str, Any]) -> None:
    path = "v1beta/models/m:generateContent"
    shape = gemini_request.read_shape(path, json.dumps(extra).encode(), 8000)
    assert shape.input_bound > 1_000_000
    assert (shape.tool_uses > 0) == ("tools" in extra)


@pytest.mark.parametrize(
    ("kinds", "billed"),
    [
        (["bash_20250124", "text_editor_20250728", "memory_20250818", "custom"], {}),
        (["computer_toolset_20260801", "browser_toolset_20260801"], {}),
        (["tool_search_tool_bm25_20251119", "tool_search_tool_regex", "mcp_toolset"], {}),
        (["web_fetch_20250910", None], {}),
        (["web_search_20250305"], {"web_search"}),
        (["code_execution_20250825", "web_search_20250305"], {"code_execution", "web_search"}),
        # Searches that run code themselves make it free.
        (["code_execution_20260120", "web_search_20260209"], {"web_search"}),
        (["code_execution_20260120", "web_fetch_20260309"], {}),
        (["deep_thought_20300101"], {"deep_thought"}),
    ],
)
def test_a_message_says_which_tools_may_be_billed(kinds: list[Any], billed: set[str]) -> None:
    tools = [{"type": kind, "name": "x", "max_uses": 2} for kind in kinds]
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [], "tools": tools}).encode()
    shape = anthropic.read_shape("", body, 5000)
    assert (shape.tools, shape.tool_uses) == (set(billed), 2 * len(billed))


@pytest.mark.parametrize(
    ("tools", "billed"),
    [
        ([{"functionDeclarations": []}, {"computer_use": {}}], set()),
        ([{"codeExecution": {}, "urlContext": {}}, {"file_search": {}}], set()),
        ({"google_search": {}}, {"web_search"}),
        ({"googleSearchRetrieval": {}, "googleMaps": {}}, {"web_search", "google_maps"}),
        ({"googleSearch": {"searchTypes": {"imageSearch": {}}}}, {"web_search", "image_search"}),
        ({"google_search": {"search_types": {"image_search": {}}}}, {"web_search", "image_search"}),
        ({"enterpriseWebSearch": {}}, {"enterprise_web_search"}),
    ],
)
def test_gemini_is_asked_for_tools_that_may_be_billed(tools: Any, billed: set[str]) -> None:
    path = "v1beta/models/m:generateContent"
    shape = gemini_request.read_shape(path, json.dumps({"tools": tools}).encode(), 8000)
    assert (shape.tools, shape.tool_uses) == (billed, 32 if billed else 0)


def test_media_to_embed_are_held_for_in_a_batch_too() -> None:
    file = {"content": {"parts": [{"fileData": {"fileUri": "u"}}]}}
    picture = {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "x"}}]}}
    path = "v1beta/models/m:batchEmbedContents"
    body = json.dumps({"requests": [picture, picture]}).encode()
    assert gemini_request.read_shape(path, body, 8000).input_bound > 16_000
    body = json.dumps({"requests": [picture, file]}).encode()
    assert gemini_request.read_shape(path, body, 8000).input_bound > 1_000_000


@pytest.mark.parametrize(
    ("said", "tier"),
    [("SERVICE_TIER_PRIORITY", "priority"), ("flex", "flex"), ("unspecified", "standard")],
)
def test_the_tier_of_gemini_is_named_alike_in_requests_and_answers(said: str, tier: str) -> None:
    path = "v1beta/models/m:generateContent"
    body = json.dumps({"serviceTier": said, "generationConfig": {"maxOutputTokens": -1}}).encode()
    shape = gemini_request.read_shape(path, body, 8000)
    assert (shape.service_tier, shape.output_limit) == (tier, None)
    answer = {"usageMetadata": {"promptTokenCount": 1, "serviceTier": said}}
    assert metered(gemini.BodyMeter(), [json.dumps(answer).encode()]).service_tier == tier


def test_a_last_piece_that_only_says_how_it_was_served_takes_no_count_back() -> None:
    last = json.dumps({"usageMetadata": {"trafficType": "ON_DEMAND"}}).encode()
    said = metered(gemini.StreamMeter(), [GEMINI_EVENTS, b"data: " + last + b"\r\n\r\n"])
    assert said.usage is not None and said.usage.output_tokens == 49
    assert said.usage_is_final
    first = metered(gemini.StreamMeter(), [b"data: " + last + b"\r\n\r\n", GEMINI_EVENTS])
    assert first.usage == said.usage


def test_what_was_found_on_a_map_or_among_pictures_is_billed_beside_the_tokens() -> None:
    answer = piece(3, "STOP")
    answer["candidates"][0]["groundingMetadata"] = {
        "imageSearchQueries": ["a", "b"],
        "groundingChunks": [{"web": {"uri": "u"}}, {"maps": {"placeId": "p"}}],
    }
    usage = metered(gemini.BodyMeter(), [json.dumps(answer).encode()]).usage
    assert usage is not None and usage.tool_uses == {"image_search": 2, "google_maps": 1}


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
