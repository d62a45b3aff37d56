"""Gemini's dialect: the model in the address, counts that grow, streams as events or as an array.

`promptTokenCount` has cached tokens inside and those of tool results beside it; thoughts stand
beside the candidates and are billed as output. Each piece of a stream counts anew: the last wins.
A stream is asked for by the method's name; without `alt=sse` it is one JSON array.

A key may stand in the query: it passes through, and no path or query is ever logged.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from oco_proxy.proxy.arrays import ElementSplitter
from oco_proxy.proxy.endpoint_words import OTHER, known_word, plain_path
from oco_proxy.proxy.metering import Metered
from oco_proxy.proxy.sse import EventSplitter, event_data
from oco_warehouse.pricing import Usage

_T = TypeVar("_T")

METERED: Final = frozenset(
    {"generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents"}
)
UNBILLED: Final = frozenset({"countTokens", "files", "fileSearchStores", "operations"})

_METHOD: Final = re.compile(r"/(?P<name>[^/:]+):(?P<method>[A-Za-z]{2,40})$")
_COLLECTION: Final = re.compile(r"^(?:upload/)?v\d+[a-z0-9]*/(?P<name>[A-Za-z]{2,40})(?:/|$)")
# How the model's own JSON stands around a text, and the bytes of a token of running text.
_FRAME_BYTES: Final = 60
_BYTES_PER_TOKEN: Final = 4
# Gemini 3 bills each search query, its predecessors each prompt that was grounded.
_BILLED_BY_PROMPT: Final = re.compile(r"^gemini-[12]\b")
_AUDIO: Final = frozenset({"AUDIO"})
# The pages of a document are pictures to the model.
_IMAGE: Final = frozenset({"IMAGE", "DOCUMENT"})
_VIDEO: Final = frozenset({"VIDEO"})
_ANY_TRAFFIC: Final = frozenset({"on_demand", "traffic_type_unspecified"})
_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = frozenset({b"", b"null"})


class _Modality(msgspec.Struct, rename="camel"):
    modality: str | None = None
    token_count: int | None = None


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    prompt_tokens_details: list[_Modality] | None = None
    tool_use_prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


class _Source(msgspec.Struct):
    maps: msgspec.Raw = _ABSENT


class _Grounding(msgspec.Struct, rename="camel"):
    web_search_queries: list[msgspec.Raw] | None = None
    image_search_queries: list[msgspec.Raw] | None = None
    grounding_chunks: list[_Source] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    finish_reason: str | None = None
    content: msgspec.Raw = _ABSENT
    grounding_metadata: _Grounding | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    model_version: str | None = None
    usage_metadata: _Usage | None = None
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None


# Protocol buffers allow a count to be written as text.
_ANSWER: Final = msgspec.json.Decoder(_Answer, strict=False)


@lru_cache(maxsize=512)
def endpoint_of(path: str) -> str:
    """The endpoint's name: the method, `v1beta/models/NAME:generateContent` → `generateContent`.

    A path without a method is named by its collection, so that names stay few.
    """
    plain = plain_path(path) or ""
    method = _METHOD.search(plain)
    collection = _COLLECTION.match(plain)
    if method is not None:
        word = method["method"]
    else:
        word = collection["name"] if collection is not None else OTHER
    return known_word(word, "gemini")


@lru_cache(maxsize=512)
def model_of(path: str) -> str:
    """The model in an address; empty when there is none."""
    method = _METHOD.search(plain_path(path) or "")
    return method["name"] if method is not None else ""


def to_usage(usage: _Usage, tool_uses: Mapping[str, int]) -> Usage | None:
    """Counts in the platform's terms; None when the answer counts no input."""
    if usage.prompt_token_count is None or usage.prompt_token_count < 0:
        return None
    prompt = usage.prompt_token_count
    total = prompt + max(0, usage.tool_use_prompt_token_count or 0)
    cached = min(max(0, usage.cached_content_token_count or 0), prompt)
    thoughts = max(0, usage.thoughts_token_count or 0)
    spoken = max(0, usage.candidates_token_count or 0)
    asked = [*(usage.prompt_tokens_details or ()), *(usage.tool_use_prompt_tokens_details or ())]
    again, given = usage.cache_tokens_details or (), usage.candidates_tokens_details or ()
    cached_audio = min(_of(again, _AUDIO), cached)
    cached_image = min(_of(again, _IMAGE), cached - cached_audio)
    # What was read from a cache is in the prompt's details as well.
    plain = total - cached
    audio = min(max(0, _of(asked, _AUDIO) - cached_audio), plain)
    image = min(max(0, _of(asked, _IMAGE) - cached_image), plain - audio)
    video = min(max(0, _of(asked, _VIDEO) - _of(again, _VIDEO)), plain - audio - image)
    audio_output = min(_of(given, _AUDIO), spoken)
    image_output = min(_of(given, _IMAGE), spoken - audio_output)
    media = {
        "cached_audio_input": cached_audio,
        "cached_image_input": cached_image,
        "image_input": image,
        "image_output": image_output,
        "video_input": video,
        "video_output": min(_of(given, _VIDEO), spoken - audio_output - image_output),
    }
    return Usage(
        input_tokens=total,
        output_tokens=spoken + thoughts,
        cached_input_tokens=cached,
        reasoning_tokens=thoughts,
        audio_input_tokens=audio,
        audio_output_tokens=audio_output,
        tool_uses={tool: uses for tool, uses in tool_uses.items() if uses},
        media={name: tokens for name, tokens in media.items() if tokens},
    )


def _of(details: Iterable[_Modality], modalities: frozenset[str]) -> int:
    return sum(
        max(0, part.token_count or 0)
        for part in details
        if (part.modality or "").upper() in modalities
    )


def tier_name(service_tier: str) -> str:
    """A service tier's name in the platform's terms."""
    name = service_tier.lower().removeprefix("service_tier_")
    return "standard" if name == "unspecified" else name


def _tier(usage: _Usage) -> str | None:
    if usage.service_tier is not None:
        return tier_name(usage.service_tier)
    if usage.traffic_type is None:
        return None
    name = usage.traffic_type.lower()
    return "standard" if name in _ANY_TRAFFIC else name.removeprefix("on_demand_")


class _Reader:
    """Puts together what the answers of one call say."""

    def __init__(self) -> None:
        self._usage = _Usage()
        self._model: str | None = None
        self._queries = 0
        self._pictures = 0
        self._on_maps = False
        self._output = 0
        self.finished = False

    def read(self, data: bytes) -> bool:
        """Take one answer; False when it is none."""
        answer = _decode(_ANSWER, data) if data else None
        if answer is None:
            return False
        self._model = (answer.model_version or "").removeprefix("models/") or self._model
        said = answer.usage_metadata
        # A piece that says only how it was served takes no count back.
        if said is not None and (said.prompt_token_count is not None or self._counts_nothing):
            self._usage = said
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
            self.finished = True  # nothing more comes after a prompt that was blocked
        for candidate in answer.candidates or ():
            size = memoryview(candidate.content).nbytes
            if size:
                self._output += max(1, (size - _FRAME_BYTES) // _BYTES_PER_TOKEN)
            self.finished = self.finished or candidate.finish_reason is not None
            if candidate.grounding_metadata is not None:
                self._ground(candidate.grounding_metadata)
        return True

    @property
    def _counts_nothing(self) -> bool:
        return self._usage.prompt_token_count is None

    def _ground(self, said: _Grounding) -> None:
        # Later pieces of a stream repeat what earlier ones said.
        self._queries = max(self._queries, len(said.web_search_queries or ()))
        self._pictures = max(self._pictures, len(said.image_search_queries or ()))
        chunks = said.grounding_chunks or ()
        self._on_maps = self._on_maps or any(bytes(one.maps) not in _NOTHING for one in chunks)

    def metered(self, *, complete: bool) -> Metered:
        """What is known now."""
        by_prompt = _BILLED_BY_PROMPT.match(self._model or "") is not None
        tool_uses = {
            "web_search": min(self._queries, 1) if by_prompt else self._queries,
            "image_search": self._pictures,
            "google_maps": int(self._on_maps),
        }
        return Metered(
            usage=to_usage(self._usage, tool_uses),
            model=self._model,
            service_tier=_tier(self._usage),
            output_events=self._output,
            complete=complete,
            usage_is_final=complete,
        )


class BodyMeter:
    """Reads a JSON answer: one object, or the array of a stream, element by element."""

    def __init__(self) -> None:
        self.ended = False
        self._elements = ElementSplitter()
        self._reader = _Reader()

    def feed(self, data: bytes) -> None:
        """Take a fragment and read the elements that it completes."""
        for element in self._elements.feed(data):
            self._reader.read(element)
        self.ended = self._elements.ended

    def finish(self) -> Metered:
        """What the answer has said; the last usage wins."""
        whole = self._reader.read(self._elements.finish())
        return self._reader.metered(complete=whole or self.ended or self._reader.finished)


class StreamMeter:
    """Reads a stream of events; nothing in it marks its end."""

    def __init__(self) -> None:
        self.ended = False
        self._events = EventSplitter()
        self._reader = _Reader()

    def feed(self, data: bytes) -> None:
        """Take a fragment and read the events that it completes."""
        for event in self._events.feed(data):
            self._reader.read(event_data(event))

    def finish(self) -> Metered:
        """What the stream has said; the last usage wins."""
        self._reader.read(event_data(self._events.finish()))
        return self._reader.metered(complete=self._reader.finished)


def _decode(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T | None:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
