"""Streams and bodies, whole and in pieces, plain and compressed: the same bytes, the same usage."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from oco_proxy.proxy.decoding import decoder_for
from oco_proxy.proxy.metering import Meter, Metered
from oco_proxy.proxy.openai import (
    BodyMeter,
    StreamMeter,
    UsageEventRemover,
    endpoint_of,
    is_usage_event,
    stream_meter,
)
from oco_proxy.proxy.sse import EventSplitter, event_data

USAGE = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0, "cache_write_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 128, "rejected_prediction_tokens": 9},
}
HEAD = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o-2024-08-06"}


def chunk(**fields: Any) -> bytes:
    return json.dumps({**HEAD, **fields}, ensure_ascii=False).encode()


def stream(end: bytes) -> bytes:
    """A recorded shape: a comment, content with awkward characters, usage, the end."""
    text = 'é\u2028\u0085 "usage": {"prompt_tokens": 1} 🎉'
    events = [
        b": keep-alive",
        b"data: " + chunk(choices=[{"delta": {"content": text}}], usage=None),
        b"event: x" + end[: len(end) // 2] + b"data:" + chunk(choices=[{"delta": {}}], usage=None),
        b"data: " + chunk(choices=[], usage=USAGE, service_tier="default"),
        b"data: [DONE]",
    ]
    return b"".join(event + end for event in events)


ENDS = {"lf": b"\n\n", "crlf": b"\r\n\r\n", "cr": b"\r\r"}
CODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "deflate": zlib.compress,
}
BODY = json.dumps({"model": "m", "choices": [{"message": {"content": "x" * 99}}], "usage": USAGE})


def meter_pieces(meter: Meter, pieces: list[bytes], encoding: str) -> Metered:
    decoder = decoder_for(encoding)
    for piece in pieces:
        meter.feed(decoder.feed(piece))
    return meter.finish()


def check_usage(metered: Metered) -> None:
    usage = metered.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (2006, 300)
    assert (usage.cached_input_tokens, usage.cache_write_tokens) == (1920, 20)
    assert usage.reasoning_tokens == 128


@pytest.mark.parametrize("encoding", CODERS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_stream_cut_anywhere_is_metered_the_same(end: bytes, encoding: str) -> None:
    wire = CODERS[encoding](stream(end))
    for cut in range(len(wire) + 1):
        metered = meter_pieces(StreamMeter(), [wire[:cut], wire[cut:]], encoding)
        check_usage(metered)
        assert metered.complete
        assert metered.output_events == 2
        assert (metered.model, metered.service_tier) == ("gpt-4o-2024-08-06", "default")


@pytest.mark.parametrize("encoding", CODERS)
def test_a_body_cut_anywhere_is_metered_the_same(encoding: str) -> None:
    wire = CODERS[encoding](BODY.encode())
    for cut in range(len(wire) + 1):
        check_usage(meter_pieces(BodyMeter(), [wire[:cut], wire[cut:]], encoding))


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_the_usage_event_alone_is_taken_out_wherever_the_stream_is_cut(end: bytes) -> None:
    whole = stream(end)
    usage = b"data: " + chunk(choices=[], usage=USAGE, service_tier="default") + end
    assert whole.count(usage) == 1
    for cut in range(len(whole) + 1):
        remover = UsageEventRemover()
        out = remover.feed(whole[:cut]) + remover.feed(whole[cut:]) + remover.finish()
        assert out == whole.replace(usage, b"")


@pytest.mark.parametrize("space", ["", " "])
def test_content_events_that_say_more_are_read(space: str) -> None:
    def data(**fields: Any) -> bytes:
        text = json.dumps({**HEAD, **fields}, separators=(",", f":{space}"))
        return f"data: {text}\n\n".encode()

    delta = [{"index": 0, "delta": {"content": '{"usage": null, "delta": "service_tier"}'}}]
    meter = StreamMeter()
    meter.feed(data(choices=delta, usage=None))
    meter.feed(data(choices=delta, usage=None, service_tier="flex"))
    meter.feed(data(choices=delta) * 3)
    meter.feed(data(choices=delta, usage=USAGE))
    metered = meter.finish()
    check_usage(metered)
    assert (metered.service_tier, metered.output_events) == ("flex", 6)


def test_bytes_one_by_one_lose_nothing() -> None:
    whole = stream(b"\r\n\r\n")
    splitter = EventSplitter()
    events = [event for byte in whole for event in splitter.feed(bytes([byte]))]
    assert b"".join(events) + splitter.finish() == whole
    assert len(events) == 5


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\r", b"\n", b"\r\n", b"data: ", b"{"])))
@example([b"a\r", b"\n\r", b"\nb"])
def test_the_splitter_keeps_every_byte_of_anything(pieces: list[bytes]) -> None:
    splitter = EventSplitter(max_event_bytes=64)
    out = b"".join(event for piece in pieces for event in splitter.feed(piece))
    assert out + splitter.finish() == b"".join(pieces)


@given(st.binary(max_size=400), st.sampled_from([*CODERS, "compress", "x"]))
def test_no_bytes_make_a_meter_or_a_decoder_fail(data: bytes, encoding: str) -> None:
    meter_pieces(StreamMeter(), [data, b"data: " + data + b"\n\n"], encoding)
    meter_pieces(BodyMeter(), [data], encoding)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*USAGE, "input_tokens", "output_tokens"]), json_values))
def test_no_usage_object_makes_a_meter_fail_or_count_below_zero(usage: dict[str, Any]) -> None:
    metered = meter_pieces(BodyMeter(), [json.dumps({"usage": usage}).encode()], "identity")
    if metered.usage is not None:
        parts = metered.usage
        assert parts.input_tokens is not None and parts.output_tokens is not None
        cached = parts.cached_input_tokens + parts.cache_write_tokens + parts.audio_input_tokens
        assert 0 <= cached <= parts.input_tokens
        assert 0 <= parts.reasoning_tokens + parts.audio_output_tokens <= parts.output_tokens


def test_a_responses_stream_says_its_usage_in_whichever_event_ends_it() -> None:
    for kind in ("completed", "incomplete", "failed"):
        usage = {
            "input_tokens": 9,
            "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 3},
        }
        event = {"type": f"response.{kind}", "response": {"model": "o4-mini", "usage": usage}}
        body = b"event: response\ndata: " + json.dumps(event).encode() + b"\n\n"
        metered = meter_pieces(StreamMeter(), [body], "identity")
        assert metered.usage is not None and metered.complete
        assert (metered.usage.input_tokens, metered.usage.reasoning_tokens) == (9, 3)


def test_counts_that_grow_beside_the_pieces_of_an_answer_are_final_only_at_its_end() -> None:
    pieces = [
        b"data: " + chunk(choices=[{"delta": {"content": "x"}}], usage={"prompt_tokens": 9, **said})
        for said in ({"completion_tokens": 1}, {"completion_tokens": 2})
    ]
    cut = b"\n\n".join(pieces) + b"\n\n"
    assert not meter_pieces(StreamMeter(), [cut], "identity").usage_is_final
    whole = meter_pieces(StreamMeter(), [cut + b"data: [DONE]\n\n"], "identity")
    assert whole.usage is not None and whole.usage.output_tokens == 2
    assert whole.usage_is_final


@pytest.mark.parametrize("said", ["12.0", '"12"', "1.2e1"])
def test_a_count_is_read_however_it_is_written(said: str) -> None:
    body = b'{"model":"m","usage":{"prompt_tokens":%s,"completion_tokens":3}}' % said.encode()
    usage = meter_pieces(BodyMeter(), [body], "identity").usage
    assert usage is not None and usage.input_tokens == 12


def test_a_stream_of_several_pictures_has_no_exact_count() -> None:
    usage = {"input_tokens": 9, "output_tokens": 4000}
    event = {"type": "image_generation.completed", "b64_json": "A", "usage": usage}
    one = b"data: " + json.dumps(event).encode() + b"\n\n"
    for pictures, final in ((1, True), (2, False)):
        said = meter_pieces(stream_meter("images.generations"), [one * pictures], "identity")
        assert said.usage is not None and said.usage.media == {"image_output": 4000}
        assert said.usage_is_final is final


def test_a_content_filter_event_without_choices_is_not_the_usage_event() -> None:
    event = b"data: " + chunk(choices=[], prompt_filter_results=[{"usage": 1}]) + b"\n\n"
    assert not is_usage_event(event)
    last = b"data: " + chunk(choices=[{"delta": {}}], usage=USAGE) + b"\n\n"
    assert not is_usage_event(last)


def test_a_bomb_stops_being_read_within_the_bound() -> None:
    content = bytes(200 * 1024 * 1024)
    # Brotli's best quality is far slower, and nothing here depends on it.
    for name, wire in (
        ("gzip", gzip.compress(content)),
        ("br", brotli.compress(content, quality=9)),
        ("zstd", zstandard.ZstdCompressor().compress(content)),
    ):
        assert len(decoder_for(name).feed(wire)) <= 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("v1/chat/completions", "chat.completions"),
        ("v1/files/file-Abc123/content", "files.content"),
        ("v1/responses", "responses"),
        ("", "other"),
        ("v1/audio/speech", "audio.speech"),
        ("v1/somebodys_password/files", "other.files"),
    ],
)
def test_endpoints_have_few_names(path: str, endpoint: str) -> None:
    assert endpoint_of(path) == endpoint


def test_the_data_of_several_lines_is_joined() -> None:
    assert event_data(b"data: a\r\ndata:b\r\n\r\n") == b"a\nb"
