"""OpenAI's dialect: endpoints, usage fields, and the usage event that the gateway asks for.

Cached and cache-written tokens are inside `prompt_tokens`, reasoning tokens inside
`completion_tokens`; the Responses API says input/output instead. A chat stream has its usage in a
last chunk without choices, and only when the request asked for it; `[DONE]` ends it.

Pictures and sounds that say no usage are unpriced: their bytes do not tell of their tokens.
"""

import re
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from oco_proxy.proxy.decoding import MAX_DECODED_BYTES
from oco_proxy.proxy.endpoint_words import OTHER, known_word, plain_path
from oco_proxy.proxy.metering import KeptBody, Meter, Metered, Silent
from oco_proxy.proxy.openai_usage import WireUsage, to_usage, tool_uses
from oco_proxy.proxy.request_body import SEARCHES
from oco_proxy.proxy.sse import MAX_EVENT_BYTES, EventSplitter, event_data
from oco_warehouse.pricing import Usage

_T = TypeVar("_T")

# Endpoints of pictures and sounds.
MEDIA: Final = frozenset(
    {
        "audio.speech",
        "audio.transcriptions",
        "audio.translations",
        "images.edits",
        "images.generations",
        "images.variations",
    }
)
_TEXT: Final = frozenset(
    {"chat.completions", "completions", "embeddings", "responses", "responses.compact"}
)
METERED: Final = _TEXT | MEDIA
# Endpoints that OpenAI does not charge for, whatever the method. Making an assistant or a thread is
# not among them: either may make a vector store, which is billed by its size from then on. Nor are
# single runs and batches of files, whose paths look alike whether they begin or cancel one.
UNBILLED: Final = frozenset(
    {
        "batches.cancel",
        "chat.completions.items",
        "conversations",
        "files",
        "fine_tuning.jobs.cancel",
        "fine_tuning.jobs.pause",
        "moderations",
        "organization",
        "responses.cancel",
        "responses.input_tokens",
        "uploads",
        # The store is billed, and so are a model's searches, but no search of one's own.
        "vector_stores.search",
        "webhook_endpoints",
    }
)
# Endpoints whose streams carry usage only when they are asked to.
ASKS_FOR_USAGE: Final = frozenset({"chat.completions", "completions"})

# Azure's paths, and old ones, name the model in front of the endpoint; its newer ones, the kind.
_PREFIX: Final = re.compile(
    r"^(?:openai/)?(?:v\d+[a-z0-9]*/)?"
    r"(?:(?:deployments|engines)/(?P<deployment>[^/]+)/(?=.)|models/(?=chat/|(?:\w+/)?embeddings$))?"
)
_PATH_WORD: Final = re.compile(r"[a-z_]{2,24}")
_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = frozenset({b"", b"null"})


class _Answer(msgspec.Struct):
    model: str | None = None
    service_tier: str | None = None
    usage: WireUsage | None = None
    output: msgspec.Raw = _ABSENT
    tool_usage: msgspec.Raw = _ABSENT
    svg_usage: msgspec.Raw = _ABSENT


class _Chunk(msgspec.Struct):
    type: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: WireUsage | None = None
    choices: list[msgspec.Raw] | None = None
    response: _Answer | None = None


# Some servers write a count as 12.0.
_ANSWER: Final = msgspec.json.Decoder(_Answer, strict=False)
_CHUNK: Final = msgspec.json.Decoder(_Chunk, strict=False)
_RESPONSE_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


@lru_cache(maxsize=512)
def endpoint_of(path: str) -> str:
    """The endpoint's name in `api_requests`: `v1/chat/completions` → `chat.completions`.

    Identifiers in the path (`files/file-abc`) are left out and words that no provider's paths have
    are `other`, so that names stay few and say nothing that is not known. What is done with one
    item of a metered endpoint is no call of it: `chat/completions/ID` → `chat.completions.items`.
    """
    plain = plain_path(path)
    if plain is None:
        return OTHER
    parts = _PREFIX.sub("", plain).split("/")
    words = [part for part in parts[:4] if _PATH_WORD.fullmatch(part)][:3]
    name = ".".join(known_word(word, "openai") for word in words) or OTHER
    return f"{name}.items" if name in _TEXT and len(parts) > len(words) else name


@lru_cache(maxsize=512)
def deployment_of(path: str) -> str:
    """The model that an address names, as Azure's do; empty when it names none."""
    found = _PREFIX.match(plain_path(path) or "")
    return (found["deployment"] or "") if found is not None else ""


def body_meter(endpoint: str) -> Meter:
    """The meter of a plain answer."""
    if endpoint == "audio.speech":
        return _Unreadable()  # sound, and nothing else
    return BodyMeter(pictures=endpoint.startswith("images."), estimable=endpoint in _TEXT)


def stream_meter(endpoint: str) -> Meter:
    """The meter of a stream of events."""
    if endpoint in _TEXT:
        return StreamMeter()
    # A whole picture is one event.
    return StreamMeter(
        pictures=endpoint.startswith("images."),
        estimable=False,
        max_event_bytes=MAX_DECODED_BYTES,
    )


class _Unreadable(Silent):
    """The meter of answers that are metered but say nothing."""

    def finish(self) -> Metered:
        """Nothing is known, and nothing can be told from the size."""
        return Metered(estimable=False)


class BodyMeter:
    """Reads a plain JSON answer.

    Args:
        pictures: the output is pictures where the answer does not say what it is.
        estimable: where usage is missing, the size tells of it.
    """

    def __init__(self, *, pictures: bool = False, estimable: bool = True) -> None:
        self.ended = False
        self._kept = KeptBody()
        self._pictures = pictures
        self._estimable = estimable

    def feed(self, data: bytes) -> None:
        """Keep the fragment until the end, within the bound."""
        self._kept.feed(data)

    def finish(self) -> Metered:
        """Read usage, model and tier from the whole body."""
        answer = _decode(_ANSWER, self._kept.take())
        if answer is None:
            return Metered(estimable=self._estimable)
        return Metered(
            usage=_usage_of(answer, answer.model, pictures=self._pictures),
            model=answer.model,
            service_tier=answer.service_tier,
            complete=True,
            # A vector drawing is another model's work: what it costs cannot be told from here.
            usage_is_final=bytes(answer.svg_usage) in _NOTHING,
            estimable=self._estimable,
        )


def _usage_of(answer: _Answer, model: str | None, *, pictures: bool = False) -> Usage | None:
    """Tokens, and the tools that ran beside them."""
    usage = None if answer.usage is None else to_usage(answer.usage, pictures=pictures)
    if usage is None:
        return None
    uses = tool_uses(answer.output, answer.tool_usage)
    if not uses and SEARCHES in (model or ""):
        uses = {"web_search": 1}
    return msgspec.structs.replace(usage, tool_uses=uses) if uses else usage


class StreamMeter:
    """Reads a stream of events: chat completions, the Responses API, pictures and sounds.

    Args:
        pictures: the output is pictures where the answer does not say what it is.
        estimable: where usage is missing, what came tells of it.
        max_event_bytes: a larger event is not read.
    """

    def __init__(
        self,
        *,
        pictures: bool = False,
        estimable: bool = True,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> None:
        self._events = EventSplitter(max_event_bytes)
        self._pictures = pictures
        self._estimable = estimable
        self._usage: Usage | None = None
        self._model: str | None = None
        self._tier: str | None = None
        self._contents = 0
        self._grows = False
        self._of_several = False
        self.ended = False

    def feed(self, data: bytes) -> None:
        """Take a fragment and read the events that it completes."""
        for event in self._events.feed(data):
            if self._model is not None and self._is_only_content(event):
                self._contents += 1
            else:
                self._read(event_data(event))

    def _is_only_content(self, event: bytes) -> bool:
        """True for an event that adds to the answer and says nothing of usage, tier or end.

        Most events do, and reading them is most of what a stream costs. Inside texts a quote is
        escaped: these keys are never part of what a model says.
        """
        return (
            b'"delta":' in event
            and (b'"usage"' not in event or b'"usage":null' in event)
            and (self._tier is not None or b'"service_tier"' not in event)
            and b'"response":' not in event
        )

    def finish(self) -> Metered:
        """What the stream has said; the last usage wins."""
        self._read(event_data(self._events.finish()))
        return Metered(
            usage=self._usage,
            model=self._model,
            service_tier=self._tier,
            output_events=self._contents,
            complete=self.ended,
            usage_is_final=self.ended if self._grows else not self._of_several,
            estimable=self._estimable,
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
        if chunk.usage is not None:
            answer = _Answer(usage=chunk.usage)
            # Some servers count on beside every piece of the answer.
            self._grows = bool(chunk.choices)
            # Each picture of a stream has counts: whether of itself or of all is not documented.
            self._of_several = self._pictures and self._usage is not None
        if answer is not None:
            self._usage = _usage_of(answer, self._model, pictures=self._pictures) or self._usage
        if chunk.type in _RESPONSE_ENDS:
            self.ended = True


def is_usage_event(event: bytes) -> bool:
    """True for the event that exists only because usage was asked for: usage, and no choices."""
    if b'"usage"' not in event or b'"usage":null' in event:
        return False
    chunk = _decode(_CHUNK, event_data(event))
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
