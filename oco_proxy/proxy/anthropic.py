"""Anthropic's dialect: messages plain and streamed, and what a request for one can cost.

`input_tokens` leaves cached tokens out, so the whole prompt is input + cache writes + cache reads;
thinking is inside `output_tokens`. A stream begins with first counts, and each `message_delta` says
them anew: what is present overwrites, what is absent stays.

Counting tokens, listing models and keeping files are free. Making a message batch is not: what it
will cost is known only when its results come, so its row is unpriced, and a caller with a hard
budget is refused.
"""

from typing import Annotated, Final, TypeVar

import msgspec

from oco_proxy.proxy.metering import KeptBody, Metered
from oco_proxy.proxy.request_body import (
    MAX_CONTEXT_TOKENS,
    MAX_OUTPUT_TOKENS,
    STORED_INPUT_TOKENS,
    TOOL_USES,
    RequestShape,
    decode_request,
)
from oco_proxy.proxy.sse import EventSplitter, event_data
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.pricing import Usage

_T = TypeVar("_T")

METERED: Final = frozenset({"messages"})
UNBILLED: Final = frozenset(
    {"files", "messages.batches.cancel", "messages.count_tokens", "models", "skills"}
)

# Tools that the caller runs itself: these and those without a type.
_CLIENT_TOOLS: Final = ("bash_", "computer_", "custom", "memory_", "text_editor_")
# System prompts that Anthropic adds for tools and thinking; the largest documented one is 735.
_TEMPLATE_TOKENS: Final = 1000
# A delta's own JSON around its text, and the bytes of a token of running text.
_DELTA_BYTES: Final = 32
_BYTES_PER_TOKEN: Final = 4
_SEARCH: Final = "web_search"
# Iterations whose tokens are outside the totals and cost what this model costs.
_COMPACTION: Final = "compaction"
# Another model's work, outside the totals: what it costs cannot be told from here.
_ADVISOR: Final = "advisor_message"
_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = frozenset({b"", b"null"})


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _ServerTools(msgspec.Struct):
    web_search_requests: int | None = None


class _Iteration(msgspec.Struct):
    type: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: _ServerTools | None = None
    iterations: list[_Iteration] | None = None
    service_tier: str | None = None
    speed: str | None = None


class _Message(msgspec.Struct):
    model: str | None = None
    usage: _Usage | None = None


class _StopReason(msgspec.Struct):
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str | None = None
    message: _Message | None = None
    usage: _Usage | None = None
    delta: msgspec.Raw = _ABSENT


_MESSAGE: Final = msgspec.json.Decoder(_Message)
_EVENT: Final = msgspec.json.Decoder(_Event)
_STOP: Final = msgspec.json.Decoder(_StopReason)


def to_usage(usage: _Usage) -> Usage | None:
    """Counts in the platform's terms; None when the answer counts no input."""
    if usage.input_tokens is None or usage.input_tokens < 0:
        return None
    whole = _parts(usage)
    output = max(0, usage.output_tokens or 0)
    details = usage.output_tokens_details
    thinking = max(0, (details.thinking_tokens if details else None) or 0)
    searches = usage.server_tool_use.web_search_requests if usage.server_tool_use else None
    for iteration in usage.iterations or ():
        if iteration.type == _COMPACTION:
            more = _parts(iteration)
            whole = tuple(a + b for a, b in zip(whole, more, strict=True))
            output += max(0, iteration.output_tokens or 0)
    plain, read, written, long = whole
    return Usage(
        input_tokens=plain + read + written,
        output_tokens=output,
        cached_input_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=long,
        reasoning_tokens=min(thinking, output),
        tool_uses={_SEARCH: searches} if searches and searches > 0 else {},
    )


def _parts(counts: _Usage | _Iteration) -> tuple[int, ...]:
    """(plain input, cache reads, cache writes, those kept for an hour)."""
    split = counts.cache_creation or _CacheCreation()
    short = max(0, split.ephemeral_5m_input_tokens or 0)
    long = max(0, split.ephemeral_1h_input_tokens or 0)
    written = counts.cache_creation_input_tokens
    # The split may be older than the total: what it leaves over counts as kept for five minutes.
    total = short + long if written is None else max(0, written)
    plain, read = max(0, counts.input_tokens or 0), max(0, counts.cache_read_input_tokens or 0)
    return plain, read, total, min(long, total)


def _tier(usage: _Usage) -> str | None:
    """The tier that served; the fast mode has a price of its own, so it counts as a tier."""
    return usage.speed if usage.speed not in {None, "standard"} else usage.service_tier


def _is_whole(usage: _Usage) -> bool:
    return not any(iteration.type == _ADVISOR for iteration in usage.iterations or ())


class BodyMeter:
    """Reads a plain message."""

    def __init__(self) -> None:
        self.ended = False
        self._kept = KeptBody()

    def feed(self, data: bytes) -> None:
        """Keep the fragment until the end, within the bound."""
        self._kept.feed(data)

    def finish(self) -> Metered:
        """Read usage, model and tier from the whole body."""
        message = _decode(_MESSAGE, self._kept.take())
        if message is None:
            return Metered()
        usage = message.usage or _Usage()
        return Metered(
            usage=to_usage(usage),
            model=message.model,
            service_tier=_tier(usage),
            complete=True,
            usage_is_final=_is_whole(usage),
        )


class StreamMeter:
    """Reads a stream of message events."""

    def __init__(self) -> None:
        self.ended = False
        self._events = EventSplitter()
        self._counts = _Usage()
        self._model: str | None = None
        self._stopped = False
        self._output = 0

    def feed(self, data: bytes) -> None:
        """Take a fragment and read the events that it completes."""
        for event in self._events.feed(data):
            self._read(event_data(event))

    def finish(self) -> Metered:
        """What the stream has said."""
        self._read(event_data(self._events.finish()))
        return Metered(
            usage=to_usage(self._counts),
            model=self._model,
            service_tier=_tier(self._counts),
            output_events=self._output,
            complete=self.ended,
            usage_is_final=self._stopped and _is_whole(self._counts),
        )

    def _read(self, data: bytes) -> None:
        event = _decode(_EVENT, data) if data else None
        if event is None:
            return
        if event.type == "content_block_delta":
            size = memoryview(event.delta).nbytes
            self._output += max(1, (size - _DELTA_BYTES) // _BYTES_PER_TOKEN)
        elif event.type == "message_start" and event.message is not None:
            self._model = event.message.model or self._model
            self._take(event.message.usage)
        elif event.type == "message_delta":
            self._take(event.usage)
            reason = _decode(_STOP, bytes(event.delta))
            self._stopped = self._stopped or bool(reason and reason.stop_reason)
        elif event.type == "message_stop":
            self.ended = True

    def _take(self, usage: _Usage | None) -> None:
        for name in _Usage.__struct_fields__ if usage is not None else ():
            value = getattr(usage, name)
            if value is not None:
                setattr(self._counts, name, value)


def _decode(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T | None:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class _Source(msgspec.Struct):
    type: str | None = None
    data: msgspec.Raw = _ABSENT


class _Part(msgspec.Struct):
    type: str | None = None
    source: _Source | None = None
    content: msgspec.Raw = _ABSENT


class _Turn(msgspec.Struct):
    content: msgspec.Raw = _ABSENT


class _Tool(msgspec.Struct):
    type: str | None = None
    max_uses: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None


class _Request(msgspec.Struct):
    model: str = ""
    stream: bool | None = None
    max_tokens: Annotated[int, msgspec.Meta(le=MAX_OUTPUT_TOKENS)] | None = None
    service_tier: str | None = None
    speed: str | None = None
    tools: list[_Tool] | None = None
    mcp_servers: msgspec.Raw = _ABSENT
    container: msgspec.Raw = _ABSENT
    context_management: msgspec.Raw = _ABSENT
    messages: msgspec.Raw = _ABSENT
    system: msgspec.Raw = _ABSENT


_REQUEST: Final = msgspec.json.Decoder(_Request)
_TURNS: Final = msgspec.json.Decoder(list[_Turn])
_PARTS: Final = msgspec.json.Decoder(list[_Part])


def read_shape(path: str, body: bytes, image_token_bound: int) -> RequestShape:
    """Read the shape of a request for a message.

    Raises:
        InvalidInputError: when the body is not a JSON object of the expected shape.
    """
    del path
    fields = decode_request(_REQUEST, body)
    if not fields.model:
        raise InvalidInputError("the request body names no model")
    served = [
        tool
        for tool in fields.tools or ()
        if tool.type is not None and not tool.type.startswith(_CLIENT_TOOLS)
    ]
    media = _Media()
    media.read(fields.messages)
    adds_input = (
        bool(served)
        or media.stored
        or any(
            bytes(part) not in _NOTHING
            for part in (fields.mcp_servers, fields.container, fields.context_management)
        )
    )
    bound = len(body) - media.embedded + _TEMPLATE_TOKENS + media.images * image_token_bound
    if adds_input:
        bound = max(bound, STORED_INPUT_TOKENS)
    tier = fields.speed if fields.speed not in {None, "standard"} else fields.service_tier
    return RequestShape(
        model=fields.model,
        stream=bool(fields.stream),
        wants_usage=True,
        has_stream_options=False,
        output_limit=None if fields.max_tokens is None else max(0, fields.max_tokens),
        choices=1,
        service_tier="standard" if tier == "standard_only" else tier,
        input_bound=min(MAX_CONTEXT_TOKENS, bound),
        tool_uses=sum(TOOL_USES if tool.max_uses is None else tool.max_uses for tool in served),
    )


class _Media:
    """Images, and documents that say more than their bytes."""

    def __init__(self) -> None:
        self.images = 0
        self.embedded = 0
        self.stored = False

    def read(self, messages: msgspec.Raw) -> None:
        turns = _decode(_TURNS, bytes(messages))
        for turn in turns or ():
            self._parts(turn.content, 0)

    def _parts(self, content: msgspec.Raw, depth: int) -> None:
        if memoryview(content)[:1].tobytes() != b"[":
            return
        for part in _decode(_PARTS, bytes(content)) or ():
            kind = part.source.type if part.source is not None else None
            if part.type == "image" and part.source is not None:
                self.images += 1
                if kind == "base64":
                    self.embedded += memoryview(part.source.data).nbytes
            elif part.type == "container_upload" or (
                part.type == "document" and kind not in {"text", "content"}
            ):
                # A compressed or stored document can fill a context window.
                self.stored = True
            elif depth == 0:
                self._parts(part.content, 1)  # a tool's result has parts of its own
