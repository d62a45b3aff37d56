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
    ],
)
def test_input_that_the_provider_adds_may_fill_the_context_window(fields: dict[str, Any]) -> None:
    assert bound(**fields) >= 1_000_000


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
