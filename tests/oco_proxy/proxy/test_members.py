"""Where a member's value stands, for JSON as anybody may write it."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.proxy.members import last_member
from oco_proxy.proxy.request_body import ask_for_usage

NAME = "stream_options"
SPACE = st.sampled_from(["", "", " ", "\n\t", "\r\n  "])
# The same name in full, with an escape, and names that only look like it.
KEYS = st.sampled_from(
    [
        '"stream_options"',
        '"stream_options"',
        '"stream_option\\u0073"',
        '"a\\"stream_options"',
        '"stream_options "',
        '"stream"',
        '"x"',
    ]
)
VALUES = st.sampled_from(
    [
        "{}",
        "{ }",
        "null",
        '{"include_usage":false}',
        '{"include_obfuscation" : false , "include_usage" : null }',
        '{"x":{"include_usage":true}}',
        '{"x":"\\"include_usage\\":true"}',
    ]
)
OTHERS = st.sampled_from(
    [
        '"stream_options"',
        '"\\"stream_options\\":{}"',
        '[{"stream_options":{"include_usage":false}}]',
        '{"stream_options":{},"a":["stream_options",{"stream_options":null}]}',
        "1e3",
        "true",
        '"é€"',
    ]
)
MEMBERS = st.lists(
    st.tuples(KEYS, SPACE, SPACE, st.one_of(VALUES, OTHERS), SPACE, SPACE), max_size=6
)


def is_named(key: str) -> bool:
    return bool(json.loads(key) == NAME)


@given(MEMBERS, SPACE)
def test_the_last_value_of_the_outermost_object_is_found_to_the_byte(
    members: list[tuple[str, str, str, str, str, str]], end: str
) -> None:
    body, spans = b"{", []
    for number, (key, before, between, value, after, next_one) in enumerate(members):
        body += f"{',' if number else ''}{next_one}{key}{before}:{between}".encode()
        spans.append((key, len(body), len(body) + len(value.encode())))
        body += f"{value}{after}".encode()
    body += f"{end}}}{end}".encode()
    named = [(key, (first, last)) for key, first, last in spans if is_named(key)]
    found = last_member(body, NAME)
    if not named or "\\" in named[-1][0]:
        assert found is None
    else:
        assert found == named[-1][1]


@given(MEMBERS.map(lambda members: [one for one in members if one[3] != "1e3"]), SPACE)
def test_only_the_bytes_that_ask_are_other(
    members: list[tuple[str, str, str, str, str, str]], end: str
) -> None:
    # What the request asks of its stream is an object or nothing: others are refused before.
    kept = [
        (key, before, between, value if not is_named(key) or value[0] in "{n" else "null", after, n)
        for key, before, between, value, after, n in members
    ]
    text = ",".join(f"{n}{key}{b}:{i}{value}{a}" for key, b, i, value, a, n in kept)
    body = f"{{{text}{end}}}".encode()
    old = json.loads(body)
    changed = ask_for_usage(body, old.get(NAME) is not None)
    if changed is None:
        assert not kept or any("\\u" in key for key, *_ in kept)
        return
    new = json.loads(changed)
    # An escaped spelling that comes later says what holds: then nothing more than it is known.
    if not any("\\u" in key for key, *_ in kept):
        assert new == {**old, NAME: {**(old.get(NAME) or {}), "include_usage": True}}
    span = last_member(body, NAME)
    if span is None:
        assert changed == b'{"stream_options":{"include_usage":true},' + body[1:]
    else:
        assert changed[: span[0]] == body[: span[0]]
        assert changed[len(changed) - len(body) + span[1] :] == body[span[1] :]


@given(st.binary(max_size=80) | st.text('{}[]":,\\ 0stream_options', max_size=80).map(str.encode))
def test_any_bytes_have_a_member_or_none(body: bytes) -> None:
    span = last_member(b'"stream_options":' + body, NAME)
    assert span is None
    span = last_member(b'{"stream_options":' + body + b"}", NAME)
    if span is not None:
        json.loads(body[span[0] - 18 : span[1] - 18])


def test_a_whole_number_and_an_escaped_spelling_are_left_alone() -> None:
    assert last_member(b'{"stream_options":0}', NAME) is None
    assert last_member(b'{"stream_options":0,"stream_option\\u0073":0}', NAME) is None
    assert last_member(b'{"stream_option\\u0073":{},"stream_options":{}}', NAME) == (43, 45)


@pytest.mark.parametrize(
    "filling", [b'"x":[' + b"0," * 2_000_000 + b"0]", b'"x":[' + b'{"a":"b"},' * 400_000 + b"0]"]
)
def test_a_body_of_many_tokens_takes_no_step_a_token_in_python(filling: bytes) -> None:
    body = b'{"stream_options":{},' + filling + b"}"
    # Beside the decoder's own reading, so that a slow machine is slow in both.
    began = time.thread_time()
    json.loads(body)
    reading = time.thread_time() - began
    began = time.thread_time()
    changed = ask_for_usage(body, True)
    asking = time.thread_time() - began
    assert changed == b'{"stream_options":{"include_usage":true},' + filling + b"}"
    assert asking < reading
