"""What is read of a request, in each provider's dialect, and how its model is exchanged."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.router.features import MAX_BODY_BYTES, MAX_OBJECTS, Features, read_features
from oco_proxy.router.rewriting import with_model, with_model_in_url

ENDPOINTS = {
    "openai": ("chat.completions", "responses"),
    "anthropic": ("messages",),
    "gemini": ("generateContent", "streamGenerateContent"),
}


def read(dialect: str, request: Any, endpoint: str | None = None) -> Features | None:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    return read_features(
        dialect,
        endpoint or ENDPOINTS[dialect][0],
        body,
        provider=dialect,
        model="m",
        input_bound=len(body) + 50_000,
        image_token_bound=50_000,
        output_limit=None,
        service_tier=None,
    )


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


TEXT = {"type": "text", "text": "[{"}
FUNCTION = {"type": "function", "function": {"name": "f"}}
PIXELS = {"mimeType": "image/png", "data": "AAAA"}


@pytest.mark.parametrize(
    ("dialect", "request_", "expected"),
    [
        ("openai", {"messages": [{"role": "user", "content": "hi"}] * 3}, {"turns": 3}),
        ("openai", {"messages": [user(TEXT, {"type": "image_url"})]}, {"images": 1}),
        ("openai", {"messages": [user({"type": "input_audio"})]}, {"audio": 1}),
        ("openai", {"messages": [user({"type": "file"})]}, {"files": 1}),
        ("openai", {"modalities": ["text", "audio"]}, {"audio": 1}),
        ("openai", {"tools": [FUNCTION, FUNCTION]}, {"tools": 2}),
        ("openai", {"functions": [{}]}, {"tools": 1}),
        ("openai", {"response_format": {"type": "json_schema"}}, {"json_output": True}),
        ("openai", {"response_format": {"type": "text"}}, {"json_output": False}),
        ("openai", {"text": {"format": {"type": "json_object"}}}, {"json_output": True}),
        ("openai", {"reasoning_effort": "high"}, {"reasoning": True}),
        ("openai", {"reasoning": {"effort": "high"}}, {"reasoning": True}),
        ("openai", {"temperature": 0}, {"sampling": True}),
        ("openai", {"temperature": None}, {"sampling": False}),
        ("openai", {"max_tokens": 5}, {"sampling": True}),
        ("openai", {"max_completion_tokens": 5}, {"sampling": False}),
        ("openai", {"prompt_cache_key": "k"}, {"caches": True}),
        ("openai", {"input": "text"}, {"turns": 1}),
        ("openai", {"input": [user({"type": "input_image"}), user()]}, {"turns": 2, "images": 1}),
        ("openai", {"input": [{"type": "reasoning"}]}, {"pinned": "own_state"}),
        ("openai", {"previous_response_id": "r"}, {"pinned": "previous_response_id"}),
        ("openai", {"tools": [{"type": "web_search"}]}, {"tools": 1, "pinned": "provider_tools"}),
        ("openai", {"background": True}, {"pinned": "background"}),
        ("anthropic", {"max_tokens": 5, "messages": [user(TEXT)]}, {"sampling": False}),
        ("anthropic", {"thinking": {"type": "enabled"}}, {"reasoning": True}),
        ("anthropic", {"messages": [user({"type": "thinking"})]}, {"pinned": "own_state"}),
        ("anthropic", {"messages": [user({"type": "document"})]}, {"files": 1}),
        (
            "anthropic",
            {"messages": [user({"type": "tool_result", "content": [{"type": "image"}]})]},
            {"images": 1},
        ),
        ("anthropic", {"system": [{**TEXT, "cache_control": {}}]}, {"caches": True}),
        (
            "anthropic",
            {"tools": [{"name": "f", "cache_control": {}}]},
            {"tools": 1, "caches": True},
        ),
        ("anthropic", {"tools": [{"name": "f", "input_schema": {}}]}, {"tools": 1}),
        (
            "anthropic",
            {"tools": [{"type": "web_search_20250305"}]},
            {"tools": 1, "pinned": "provider_tools"},
        ),
        ("gemini", {"contents": [{"parts": [{"text": "x"}]}] * 2}, {"turns": 2}),
        ("gemini", {"contents": [{"parts": [{"inlineData": PIXELS}]}]}, {"images": 1}),
        (
            "gemini",
            {"contents": [{"parts": [{"file_data": {"mime_type": "application/pdf"}}]}]},
            {"files": 1},
        ),
        ("gemini", {"tools": [{"functionDeclarations": [{}, {}]}], "contents": []}, {"tools": 2}),
        (
            "gemini",
            {"tools": [{"googleSearch": {}}], "contents": []},
            {"tools": 1, "pinned": "provider_tools"},
        ),
        ("gemini", {"generationConfig": {"responseSchema": {}}}, {"json_output": True}),
        ("gemini", {"generationConfig": {"thinkingConfig": {}}}, {"reasoning": True}),
        ("gemini", {"generation_config": {"top_k": 1}}, {"sampling": True}),
        ("gemini", {"generationConfig": {"maxOutputTokens": 9}}, {"sampling": False}),
        ("gemini", {"generationConfig": {"speechConfig": {}}}, {"pinned": "output_media"}),
        ("gemini", {"cachedContent": "c"}, {"pinned": "cachedContent"}),
    ],
)
def test_the_shape_is_counted(dialect: str, request_: Any, expected: dict[str, Any]) -> None:
    features = read(dialect, request_)
    assert features is not None
    assert {name: getattr(features, name) for name in expected} == expected
    plain = read(dialect, {})
    assert plain is not None
    # Nothing else of the shape is touched.
    changed = {
        name
        for name in ("tools", "images", "files", "audio", "json_output", "reasoning", "sampling")
        if getattr(features, name) != getattr(plain, name)
    }
    assert changed <= expected.keys()


def test_what_cannot_be_judged_is_left_alone() -> None:
    assert read("openai", {"input": "x"}, "embeddings") is None
    assert read("openai", b'{"messages":"' + b"x" * MAX_BODY_BYTES + b'"}') is None
    assert read("openai", {"messages": "text"}) is None
    assert read("openai", b'{"messages":[') is None
    assert read("openai", {"messages": [{}] * MAX_OBJECTS}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "content"]), inner),
    max_leaves=8,
)
NAMES = ["messages", "input", "contents", "tools", "system", "generationConfig", "text", "thinking"]


@given(
    st.sampled_from(sorted(ENDPOINTS)),
    st.dictionaries(st.sampled_from(NAMES), JSON) | st.binary().map(bytes),
)
def test_no_body_makes_the_reader_fail(dialect: str, request_: Any) -> None:
    features = read(dialect, request_)
    assert features is None or features.input_tokens >= 1


@given(st.text(), st.text(min_size=1), st.sampled_from(["", " ", "\n\t"]), st.booleans())
def test_only_the_models_bytes_change(words: str, model: str, space: str, first: bool) -> None:
    said = json.dumps(model)
    member = f'{space}"model"{space}:{space}{said}{space}'
    rest = f'"messages":[{{"model":{said},"content":{json.dumps(words)}}}],"a":{{"model":1}}'
    text = f"{{{member},{rest}}}" if first else f"{{{rest},{member}}}"
    changed = with_model(text.encode(), model, "other")
    head, value, tail = text.partition(said) if first else _last(text, said)
    assert value and changed == (head + '"other"' + tail).encode()


def _last(text: str, part: str) -> tuple[str, str, str]:
    return text.rpartition(part)


@pytest.mark.parametrize(
    "body",
    [b'{"mod\\u0065l":"m"}', b'{"model":"x"}', b'{"model":1}', b"[]", b"{}", b"", b'"model"'],
)
def test_a_model_that_is_not_plainly_there_is_not_changed(body: bytes) -> None:
    assert with_model(body, "m", "other") is None


def test_the_last_of_two_models_is_the_one_that_counts() -> None:
    body = b'{"model":"x","model":"m"}'
    assert msgspec.json.decode(body)["model"] == "m"
    assert with_model(body, "m", "n") == b'{"model":"x","model":"n"}'


def test_geminis_model_changes_in_the_address() -> None:
    url = "https://host/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse&key=k"
    changed = with_model_in_url(url, "gemini-2.5-pro", "gemini-2.5-flash")
    assert changed == url.replace("gemini-2.5-pro", "gemini-2.5-flash")
    assert with_model_in_url(url, "gemini-2.5", "x") is None
    assert with_model_in_url("https://host/v1/chat/completions", "m", "x") is None
