import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.proxy.request_body import ask_for_usage, read_shape
from oco_warehouse.errors import InvalidInputError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = st.text(max_size=8) | st.sampled_from(["messages", 'a"b', "stream", "include_usage"])
OPTIONS = st.none() | st.dictionaries(
    st.sampled_from(["include_usage", "include_obfuscation", "x"]), st.booleans()
)


@given(st.dictionaries(KEYS, VALUES), OPTIONS, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_asking_for_usage_changes_nothing_else(
    fields: dict[str, Any], options: dict[str, bool] | None, given_options: bool, indent: Any
) -> None:
    fields = {"model": "m", **fields}
    if given_options:
        fields["stream_options"] = options
    body = json.dumps(fields, indent=indent, ensure_ascii=False).encode()
    changed = ask_for_usage(body, options is not None and given_options)
    assert changed is not None
    expected = {
        **fields,
        "stream_options": {**((given_options and options) or {}), "include_usage": True},
    }
    assert json.loads(changed) == expected
    keys = [key for key, _ in json.loads(changed, object_pairs_hook=lambda pairs: pairs)]
    assert keys.count("stream_options") == 1


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(InvalidInputError):
        read_shape(body, 1000)
    ask_for_usage(body, False)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not valid JSON"),
        (b'{"messages": []}', "names no model"),
        (b'{"model": 4}', "model"),
        (b'{"model": "m", "max_tokens": "secret words"}', "max_tokens"),
        (b"[1]", "not what the provider expects"),
    ],
)
def test_a_bad_body_is_named_and_not_quoted(body: bytes, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        read_shape(body, 1000)
    assert "secret" not in str(caught.value)


def test_the_input_bound_counts_text_by_the_byte_and_images_by_the_piece() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 90_000}}
    body = {"model": "m", "messages": [{"role": "user", "content": [picture]}]}
    shape = read_shape(json.dumps(body).encode(), 5000)
    assert 5000 < shape.input_bound < 6000
    words = {"model": "m", "messages": [{"role": "user", "content": "é" * 1000}]}
    assert read_shape(json.dumps(words, ensure_ascii=False).encode(), 5000).input_bound > 2000


def test_the_output_limit_counts_every_choice() -> None:
    shape = read_shape(b'{"model":"m","max_tokens":5,"max_completion_tokens":9,"n":3}', 0)
    assert shape.output_limit == 27
    assert read_shape(b'{"model":"m"}', 0).output_limit is None


def test_a_limit_below_zero_is_none() -> None:
    assert read_shape(b'{"model":"m","max_tokens":-1}', 0).output_limit is None
    both = b'{"model":"m","max_tokens":-1,"max_completion_tokens":7}'
    assert read_shape(both, 0).output_limit == 7
    assert read_shape(b'{"model":"m","max_tokens":0}', 0).output_limit == 0


@pytest.mark.parametrize(("limit", "uses"), [(-1_000_000, 32), (0, 0), (5, 5), (None, 32)])
def test_uses_of_tools_are_bounded_and_never_below_zero(limit: int | None, uses: int) -> None:
    body = {"model": "m", "tools": [{"type": "web_search"}], "max_tool_calls": limit}
    assert read_shape(json.dumps(body).encode(), 0).tool_uses == uses


def test_a_model_that_searches_unasked_and_tools_in_the_input_are_held_for() -> None:
    asked = b'{"model": "gpt-4o-search-preview", "messages": []}'
    assert read_shape(asked, 0).tool_uses == 32
    item = b'{"type": "additional_tools", "tools": [{"type": "web_search"}]}'
    assert read_shape(b'{"model": "m", "input": [%s]}' % item, 0).tool_uses == 32


def test_a_stored_prompt_needs_no_model_and_its_tools_cannot_be_told() -> None:
    shape = read_shape(b'{"prompt": {"id": "pmpt_1"}, "input": "hi"}', 0)
    assert (shape.model, shape.unmeasured) == ("", "what a stored prompt brings along")
    with pytest.raises(InvalidInputError, match="names no model"):
        read_shape(b'{"prompt": "hi"}', 0)


@pytest.mark.parametrize(
    ("tool", "billed"),
    [
        *((kind, None) for kind in ("function", "custom", "mcp", "local_shell", "apply_patch")),
        *((kind, None) for kind in ("computer_use_preview", "tool_search", "namespace", "shell")),
        ({"type": "shell", "environment": {"type": "local"}}, None),
        ({"type": "shell", "environment": {"type": "container_auto"}}, "shell"),
        ({"type": "shell", "environment": "?"}, "unknown"),
        ({}, None),
        ("web_search_preview_2025_03_11", "web_search"),
        ("web_search_2025_08_26", "web_search"),
        ("file_search", "file_search"),
        ("image_generation", "image_generation"),
        ("code_interpreter", "code_interpreter"),
        ("x_search", "x_search"),
        ("no name", "unknown"),
    ],
)
def test_a_request_says_which_tools_may_be_billed(tool: Any, billed: str | None) -> None:
    tool = {"type": tool} if isinstance(tool, str) else tool
    added = {"type": "additional_tools", "tools": [tool]}
    for fields in ({"tools": [tool]}, {"input": [added]}):
        shape = read_shape(json.dumps({"model": "m", **fields}).encode(), 0)
        assert shape.tools == ({billed} if billed else set())
        assert shape.tool_uses == (32 if billed else 0)


def test_searches_that_no_tool_asks_for_and_tools_that_cannot_be_read_are_named() -> None:
    asked = (
        b'{"model": "gpt-4o-search-preview", "messages": []}',
        b'{"model": "m", "web_search_options": {}}',
    )
    assert [read_shape(body, 0).tools for body in asked] == [{"web_search"}] * 2
    hidden = b'{"model": "m", "input": [{"type": "additional_tools", "tools": 4}]}'
    assert read_shape(hidden, 0).tools == {"unknown"}


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    assert read_shape(b'{"model": "m", "max_tokens": 100.0}', 0).output_limit == 100


IMAGE = "data:image/png;base64," + "A" * 100_000


def bound(**fields: Any) -> int:
    body = json.dumps({"model": "m", **fields}, separators=(",", ":")).encode()
    return read_shape(body, 1000).input_bound


def test_an_image_counts_its_own_bound_and_the_same_text_as_text_counts_every_byte() -> None:
    picture = {"type": "image_url", "image_url": {"url": IMAGE}}
    assert bound(messages=[{"role": "user", "content": [picture]}]) < 2000
    item = {"type": "input_image", "image_url": IMAGE}
    assert bound(input=[{"role": "user", "content": [item]}]) < 2000
    assert bound(messages=[{"role": "user", "content": IMAGE}]) > 100_000
    text = {"type": "text", "text": IMAGE, "image_url": {"url": IMAGE}}
    assert bound(messages=[{"role": "user", "content": [text]}]) > 200_000


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "hi", "previous_response_id": "resp_1"},
        {"input": "hi", "conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"content": [{"type": "input_file", "file_id": "file-1"}]}]},
        {"input": "hi", "tools": [{"type": "web_search"}]},
        {"messages": [], "web_search_options": {}},
        {"input": [{"id": "msg_1"}]},
        {"input": [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]},
        {"messages": [{"content": [{"type": "video_url", "video_url": {"url": "u"}}]}]},
        {"input": [{"role": "user", "content": "hi"}, {"id": "msg_1", "type": None}]},
    ],
)
def test_input_that_the_provider_adds_may_fill_the_context_window(fields: dict[str, Any]) -> None:
    assert bound(**fields) >= 1_000_000


def test_an_item_that_comes_whole_is_not_stored_because_it_has_a_name() -> None:
    message = {"id": "msg_1", "type": "message", "role": "user", "content": '{"id": "x"}'}
    assert bound(input=[message, {"id": "a", "role": "assistant", "content": "hi"}]) < 400


def test_a_type_that_is_spelled_with_escapes_is_the_same_type() -> None:
    part = b'{"model":"m","input":[{"content":[{"type":"%s","file_id":"f"}]}]}'
    for kind in (rb"input\u005fimage", rb"\u0069nput_image", rb"computer\u005Fscreenshot"):
        assert read_shape(part % kind, 5000).input_bound > 5000
    assert read_shape(part % rb"input\u005ffile", 5000).input_bound >= 1_000_000


@pytest.mark.parametrize("kind", ["computer_screenshot", "image_generation_call"])
def test_every_kind_of_picture_counts_its_bound(kind: str) -> None:
    assert bound(input=[{"type": "x", "output": {"type": kind, "file_id": "f"}}]) > 1000


def test_an_image_whose_address_has_its_slashes_escaped_counts_its_own_bound() -> None:
    picture = {"type": "image_url", "image_url": {"url": IMAGE}}
    body = json.dumps({"model": "m", "messages": [{"content": [picture]}]}).replace("/", "\\/")
    assert read_shape(body.encode(), 1000).input_bound < 2000


def test_nothing_stored_counts_as_nothing_stored() -> None:
    tool = {"type": "function", "function": {"parameters": {"prompt": 1, "conversation": 2}}}
    assert bound(prompt="hi", previous_response_id=None, conversation=None) < 300
    assert bound(messages=[], tools=[tool]) < 300


@pytest.mark.parametrize(
    ("fields", "answers"),
    [
        ({"prompt": "hi", "best_of": 20, "n": 2}, 20),
        ({"prompt": ["a"] * 50}, 50),
        ({"prompt": [[1, 2], [3]], "n": 2}, 4),
        ({"prompt": [1, 2, 3]}, 1),
        ({"messages": [], "n": 3}, 3),
    ],
)
def test_every_answer_that_is_billed_is_bounded(fields: dict[str, Any], answers: int) -> None:
    body = json.dumps({"model": "m", "max_tokens": 100, **fields}).encode()
    assert read_shape(body, 1000).output_limit == 100 * answers


@pytest.mark.parametrize("name", ["max_tokens", "max_output_tokens", "n", "best_of"])
def test_an_absurd_number_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        read_shape(b'{"model": "m", "%s": 1%s}' % (name.encode(), b"0" * 20), 1000)
