"""OpenAI's dialect: endpoints, usage fields, and the usage event that the gateway asks for.

Cached and cache-written tokens are inside `prompt_tokens`, reasoning tokens inside
`completion_tokens`; the Responses API says input/output instead. A chat stream has its usage in a
last chunk without choices, and only when the request asked for it; `[DONE]` ends it.
"""

import re
from typing import Final, TypeVar

import msgspec

from oco_proxy.proxy.endpoint_words import OTHER, known_word
from oco_proxy.proxy.metering import KeptBody, Metered
from oco_proxy.proxy.sse import EventSplitter, event_data
from oco_warehouse.pricing import Usage

_T = TypeVar("_T")

METERED: Final = frozenset({"chat.completions", "completions", "embeddings", "responses"})
# Endpoints that OpenAI does not charge for, whatever the method.
UNBILLED: Final = frozenset({"files", "models", "moderations", "uploads"})
# Endpoints whose streams carry usage only when they are asked to.
ASKS_FOR_USAGE: Final = frozenset({"chat.completions", "completions"})

_VERSION: Final = re.compile(r"^v\d+[a-z0-9]*/")
_PATH_WORD: Final = re.compile(r"[a-z_]{2,24}")


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Answer(msgspec.Struct):
    model: str | None = None
    service_tier: str | None = None
    usage: _Usage | None = None


class _Chunk(msgspec.Struct):
    type: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: _Usage | None = None
    choices: list[msgspec.Raw] | None = None
    response: _Answer | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_RESPONSE_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


def endpoint_of(path: str) -> str:
    """The endpoint's name in `api_requests`: `v1/chat/completions` → `chat.completions`.

    Identifiers in the path (`files/file-abc`) are left out and words that no provider's paths have
    are `other`, so that names stay few and say nothing that is not known.
    """
    parts = _VERSION.sub("", path.strip("/")).split("/")
    words = [part for part in parts[:3] if _PATH_WORD.fullmatch(part)]
    return ".".join(known_word(word, "openai") for word in words) or OTHER


def to_usage(usage: _Usage) -> Usage | None:
    """Counts in the platform's terms; None when the answer counts no input."""
    total_input = usage.prompt_tokens if usage.prompt_tokens is not None else usage.input_tokens
    if total_input is None or total_input < 0:
        return None
    output = usage.completion_tokens if usage.completion_tokens is not None else usage.output_tokens
    read = usage.prompt_tokens_details or usage.input_tokens_details or _InputDetails()
    written = usage.completion_tokens_details or usage.output_tokens_details or _OutputDetails()
    # Embeddings have no output field at all.
    total_output = max(0, output or 0)
    cached = _part(read.cached_tokens, total_input)
    cache_write = _part(read.cache_write_tokens, total_input - cached)
    reasoning = _part(written.reasoning_tokens, total_output)
    return Usage(
        input_tokens=total_input,
        output_tokens=total_output,
        cached_input_tokens=cached,
        cache_write_tokens=cache_write,
        reasoning_tokens=reasoning,
        audio_input_tokens=_part(read.audio_tokens, total_input - cached - cache_write),
        audio_output_tokens=_part(written.audio_tokens, total_output - reasoning),
    )


def _part(count: int | None, whole: int) -> int:
    """A part that is inside its whole, whatever the answer claims."""
    return min(max(0, count or 0), whole)


class BodyMeter:
    """Reads a plain JSON answer."""

    def __init__(self) -> None:
        self.ended = False
        self._kept = KeptBody()

    def feed(self, data: bytes) -> None:
        """Keep the fragment until the end, within the bound."""
        self._kept.feed(data)

    def finish(self) -> Metered:
        """Read usage, model and tier from the whole body."""
        answer = _decode(_ANSWER, self._kept.take())
        if answer is None:
            return Metered()
        return Metered(
            usage=None if answer.usage is None else to_usage(answer.usage),
            model=answer.model,
            service_tier=answer.service_tier,
            complete=True,
        )


class StreamMeter:
    """Reads a stream of events, those of chat completions and of the Responses API."""

    def __init__(self) -> None:
        self._events = EventSplitter()
        self._usage: Usage | None = None
        self._model: str | None = None
        self._tier: str | None = None
        self._contents = 0
        self.ended = False

    def feed(self, data: bytes) -> None:
        """Take a fragment and read the events that it completes."""
        for event in self._events.feed(data):
            self._read(event_data(event))

    def finish(self) -> Metered:
        """What the stream has said; the last usage wins."""
        self._read(event_data(self._events.finish()))
        return Metered(
            usage=self._usage,
            model=self._model,
            service_tier=self._tier,
            output_events=self._contents,
            complete=self.ended,
        )

    def _read(self, data: bytes) -> None:
        if not data:
            return
        if data.strip() == b"[DONE]":
            self.ended = True
            return
        chunk = _decode(_CHUNK, data)
        if chunk is None:
            return
        answer = chunk.response
        self._model = chunk.model or (answer.model if answer else None) or self._model
        self._tier = chunk.service_tier or (answer.service_tier if answer else None) or self._tier
        if chunk.choices or (chunk.type or "").endswith(".delta"):
            self._contents += 1
        usage = chunk.usage or (answer.usage if answer else None)
        if usage is not None:
            self._usage = to_usage(usage) or self._usage
        if chunk.type in _RESPONSE_ENDS:
            self.ended = True


def is_usage_event(event: bytes) -> bool:
    """True for the event that exists only because usage was asked for: usage, and no choices."""
    data = event_data(event)
    if b'"usage"' not in data:
        return False
    chunk = _decode(_CHUNK, data)
    return chunk is not None and chunk.usage is not None and chunk.choices == []


class UsageEventRemover:
    """Passes a stream on without its usage event: every other byte unchanged and in order."""

    def __init__(self) -> None:
        self._events = EventSplitter()

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now; the incomplete end of an event waits for its rest."""
        return b"".join(event for event in self._events.feed(data) if not is_usage_event(event))

    def finish(self) -> bytes:
        """What is left at the end of the stream."""
        rest = self._events.finish()
        return b"" if is_usage_event(rest) else rest


def _decode(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T | None:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
