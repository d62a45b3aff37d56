"""Anthropic's dialect: messages plain and streamed, and what a request for one can cost.

`input_tokens` leaves cached tokens out, so the whole prompt is input + cache writes + cache reads;
thinking is inside `output_tokens`. A stream begins with first counts, and each `message_delta` says
them anew: what is present overwrites, what is absent stays.

Counting tokens, listing models and keeping files are free, and so is describing agents. Making a
message batch is not: what it will cost is known only when its results come, so its row is unpriced,
and a caller with a hard budget is refused.
"""

from typing import Annotated, Final, TypeVar

import msgspec

from oco_proxy.proxy.metering import KeptBody, Metered
from oco_proxy.proxy.pictures import empty_data_members, size_of
from oco_proxy.proxy.request_body import (
    MAX_CONTEXT_TOKENS,
    MAX_OUTPUT_TOKENS,
    STORED_INPUT_TOKENS,
    TOOL_USES,
    RequestShape,
    decode_request,
)
from oco_proxy.proxy.sse import EventSplitter, event_data
from oco_proxy.proxy.tools import NO_TOOLS, anthropic_tool, code_is_free
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.pricing import Usage

_T = TypeVar("_T")

METERED: Final = frozenset({"messages"})
# Of managed agents what runs is billed: sessions, dreams, and deployments, which make sessions.
UNBILLED: Final = frozenset(
    {
        "agents",
        "dreams.archive",
        "dreams.cancel",
        "environments",
        "files",
        "memory_stores",
        "messages.batches.cancel",
        "messages.count_tokens",
        "organizations",
        "sessions.archive",
        "skills",
        "user_profiles",
        "vaults",
    }
)

# Tools that the caller runs itself: these and those without a type.
_CLIENT_TOOLS: Final = ("bash_", "computer_", "custom", "memory_", "text_editor_")
# System prompts that Anthropic adds for tools and thinking, and for each tool that it defined
# itself; the largest documented one is 735.
_TEMPLATE_TOKENS: Final = 1000
# A delta's own JSON around its text, and the bytes of a token of running text.
_DELTA_BYTES: Final = 32
_BYTES_PER_TOKEN: Final = 4
# Parts inside parts: the document in the page in the result of a fetch.
_MAX_DEPTH: Final = 4
_SEARCH: Final = "web_search"
_CODE: Final = "code_execution"
# Iterations whose tokens are outside the totals and cost what this model costs.
_COMPACTION: Final = "compaction"
_FALLBACK: Final = "fallback_message"
# Another model's work: what it costs cannot be told from here.
_OTHERS: Final = frozenset({"advisor_message", _FALLBACK})
_ADVISOR_TOOL: Final = "advisor_"
# Where a call runs when no region was asked for, which is what the prices are for.
_ANYWHERE: Final = frozenset({None, "", "global", "not_available"})
_ORDINARY_SPEED: Final = frozenset({None, "standard"})
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
    model: str | None = None
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
    inference_geo: str | None = None


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


_MESSAGE: Final = msgspec.json.Decoder(_Message, strict=False)
_EVENT: Final = msgspec.json.Decoder(_Event, strict=False)
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


def _tier(usage: "_Usage | _Request") -> str | None:
    """The tier that served; a fast mode or a region has a price of its own: it counts as a tier."""
    if usage.speed not in _ORDINARY_SPEED:
        return usage.speed
    return usage.service_tier if usage.inference_geo in _ANYWHERE else usage.inference_geo


def _is_whole(usage: _Usage) -> bool:
    """Whether the counts say all that was billed, at prices that one tier names."""
    if usage.speed not in _ORDINARY_SPEED and usage.inference_geo not in _ANYWHERE:
        return False
    iterations = usage.iterations or ()
    models = {one.model for one in iterations if one.model}
    return len(models) <= 1 and not any(one.type in _OTHERS for one in iterations)


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
        said = message.usage or _Usage()
        usage, whole = to_usage(said), _is_whole(said)
        return Metered(
            usage=usage,
            model=message.model,
            service_tier=_tier(said),
            complete=True,
            usage_is_final=whole,
            # What is said of a part is better than what the size tells of it.
            estimable=whole or usage is None,
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
        usage, whole = to_usage(self._counts), _is_whole(self._counts)
        return Metered(
            usage=usage,
            model=self._model,
            service_tier=_tier(self._counts),
            output_events=self._output,
            complete=self.ended,
            usage_is_final=self._stopped and whole,
            estimable=whole or not self._stopped or usage is None,
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
        for one in (usage.iterations if usage is not None else None) or ():
            if one.type == _FALLBACK and one.model:
                self._model = one.model  # the stream began with another one


def _decode(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T | None:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class _Source(msgspec.Struct):
    type: str | None = None
    data: msgspec.Raw = _ABSENT
    content: msgspec.Raw = _ABSENT


class _Tool(msgspec.Struct):
    type: str | None = None
    max_uses: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None


class _Part(msgspec.Struct):
    type: str | None = None
    source: msgspec.Raw = _ABSENT
    content: msgspec.Raw = _ABSENT
    tool: msgspec.Raw = _ABSENT


class _Turn(msgspec.Struct):
    content: msgspec.Raw = _ABSENT


class _Addition(msgspec.Struct):
    definition: _Tool | None = None


class _Request(msgspec.Struct):
    model: str = ""
    stream: bool | None = None
    max_tokens: Annotated[int, msgspec.Meta(le=MAX_OUTPUT_TOKENS)] | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    tools: list[_Tool] | None = None
    mcp_servers: msgspec.Raw = _ABSENT
    container: msgspec.Raw = _ABSENT
    context_management: msgspec.Raw = _ABSENT
    thread: msgspec.Raw = _ABSENT
    fallbacks: msgspec.Raw = _ABSENT
    messages: msgspec.Raw = _ABSENT
    system: msgspec.Raw = _ABSENT


_REQUEST: Final = msgspec.json.Decoder(_Request, strict=False)
_TURNS: Final = msgspec.json.Decoder(list[_Turn])
_PARTS: Final = msgspec.json.Decoder(list[_Part])
_PART: Final = msgspec.json.Decoder(_Part)
_SOURCE: Final = msgspec.json.Decoder(_Source)
_NO_SOURCE: Final = _Source()
_ADDITION: Final = msgspec.json.Decoder(_Addition)


def read_shape(
    path: str, body: bytes, image_token_bound: int, content_type: str = ""
) -> RequestShape:
    """Read the shape of a request for a message.

    Raises:
        InvalidInputError: when the body is not a JSON object of the expected shape.
    """
    del path, content_type
    size = len(body)
    fields = decode_request(_REQUEST, empty_data_members(body))
    if not fields.model:
        raise InvalidInputError("the request body names no model")
    media = _Media()
    media.read(fields.messages)
    typed = [tool for tool in (*(fields.tools or ()), *media.tools) if tool.type is not None]
    served = [tool for tool in typed if not (tool.type or "").startswith(_CLIENT_TOOLS)]
    adds_input = (
        bool(served)
        or media.stored
        or any(
            bytes(part) not in _NOTHING
            for part in (
                fields.mcp_servers,
                fields.container,
                fields.context_management,
                fields.thread,
            )
        )
    )
    bound = size - media.embedded + media.images * image_token_bound
    bound += _TEMPLATE_TOKENS * (1 + len(typed))
    if adds_input:
        bound = max(bound, STORED_INPUT_TOKENS)
    tier, limit = _tier(fields), fields.max_tokens
    billed = [tool for tool in served if anthropic_tool(tool.type) is not None]
    if any(code_is_free(tool.type) for tool in served):
        billed = [tool for tool in billed if anthropic_tool(tool.type) != _CODE]
    return RequestShape(
        model=fields.model,
        stream=bool(fields.stream),
        wants_usage=True,
        has_stream_options=False,
        output_limit=limit if limit is not None and limit >= 0 else None,
        choices=1,
        service_tier="standard" if tier == "standard_only" else tier,
        input_bound=min(MAX_CONTEXT_TOKENS, bound),
        tool_uses=sum(TOOL_USES if tool.max_uses is None else tool.max_uses for tool in billed),
        tools=frozenset(anthropic_tool(tool.type) or "" for tool in billed) if billed else NO_TOOLS,
        unmeasured=_unmeasured(fields, served),
    )


def _unmeasured(fields: _Request, served: list[_Tool]) -> str:
    """Another model may answer, or help, at a price that is not this model's."""
    if bytes(fields.fallbacks) not in _NOTHING:
        return "a fallback model"
    advised = any((tool.type or "").startswith(_ADVISOR_TOOL) for tool in served)
    return "the advisor's model" if advised else ""


class _Media:
    """Images, documents that say more than their bytes, and tools that a turn adds."""

    def __init__(self) -> None:
        self.images = 0
        self.embedded = 0
        self.stored = False
        self.tools: list[_Tool] = []

    def read(self, messages: msgspec.Raw) -> None:
        turns = _decode(_TURNS, bytes(messages))
        for turn in turns or ():
            self._parts(turn.content, 0)

    def _parts(self, content: msgspec.Raw, depth: int) -> None:
        start = memoryview(content)[:1].tobytes()
        if depth > _MAX_DEPTH or start not in {b"[", b"{"}:
            return
        one = _decode(_PART, bytes(content)) if start == b"{" else None
        parts = [one] if one is not None else _decode(_PARTS, bytes(content))
        # What cannot be read may be anything.
        self.stored = self.stored or parts is None
        for part in parts or ():
            if part.type == "text":
                continue
            # That of a search result is a text.
            given = memoryview(part.source)[:1].tobytes() == b"{"
            source = (_decode(_SOURCE, bytes(part.source)) if given else None) or _NO_SOURCE
            kind = source.type
            if part.type == "image":
                self.images += 1
                if kind == "base64":
                    self.embedded += size_of(bytes(source.data))
            elif part.type == "tool_addition":
                added = _decode(_ADDITION, bytes(part.tool))
                if added is not None and added.definition is not None:
                    self.tools.append(added.definition)
            elif part.type == "container_upload" or (
                part.type == "document" and kind not in {"text", "content"}
            ):
                # A compressed or stored document can fill a context window.
                self.stored = True
            else:
                # A tool's result has parts of its own, and so has a document that is made of them.
                self._parts(part.content, depth + 1)
                self._parts(source.content, depth + 1)
