"""The shape of a request as the router sees it: sizes, counts and flags, never its words.

Read only for calls that a policy covers. Message contents stay undecoded bytes; of a content part
only its `type` (or, for Gemini, the names of its members) is looked at.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from oco_proxy.router.members import (
    ITEMS,
    MEDIA,
    PARTS,
    REQUEST,
    Message,
    Part,
    Request,
    given,
    is_list,
)

Dialect = Literal["openai", "anthropic", "gemini"]

# The answers of these endpoints depend on the model in quality only.
ROUTABLE: Final = {
    "openai": frozenset({"chat.completions", "responses"}),
    "anthropic": frozenset({"messages"}),
    "gemini": frozenset({"generateContent", "streamGenerateContent"}),
}
# Reading a larger body twice would hold the event loop; large prompts are no easy ones anyway.
MAX_BODY_BYTES: Final = 2 * 1024 * 1024
# The same for many small members: each object is at most one that is built.
MAX_OBJECTS: Final = 5_000
# A token of running text has about four bytes; an image is about a thousand tokens.
_BYTES_PER_TOKEN: Final = 4
_TOKENS_PER_IMAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Features:
    """The shape of one request.

    Attributes:
        input_bound: tokens that the prompt cannot exceed.
        input_tokens: tokens that the prompt is expected to have.
        output_limit: most output tokens over all choices; None when the request sets none.
        turns: messages, or items of the input.
        tools: functions that the model may call.
        pinned: what ties the call to its own model (provider-run tools, stored state, …); None
            when nothing does.
        caches: the request marks parts of its prompt to be cached.
    """

    provider: str
    model: str
    input_bound: int
    input_tokens: int
    output_limit: int | None
    service_tier: str | None = None
    turns: int = 1
    tools: int = 0
    images: int = 0
    files: int = 0
    audio: int = 0
    json_output: bool = False
    reasoning: bool = False
    sampling: bool = False
    caches: bool = False
    pinned: str | None = None


_IMAGE_PARTS: Final = frozenset({"image", "image_url", "input_image"})
_FILE_PARTS: Final = frozenset({"document", "file", "input_file"})
_AUDIO_PARTS: Final = frozenset({"input_audio", "audio"})
# Kinds of tools that the client runs itself: all others are run, and billed, by the provider.
_CLIENT_TOOLS: Final = frozenset({None, "function", "custom"})
# What only the model that made it can take back.
_OWN_STATE: Final = frozenset({"thinking", "redacted_thinking", "reasoning", "compaction"})
# Members that name state which the provider keeps for one model, or a service of one model.
_PINNING: Final = (
    "previous_response_id",
    "conversation",
    "prompt",
    "prediction",
    "web_search_options",
    "container",
    "mcp_servers",
    "context_management",
    "speed",
    "cachedContent",
    "cached_content",
)
_SAMPLING: Final = (
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "stop",
)
_GEMINI_SAMPLING: Final = frozenset(
    {"temperature", "topP", "topK", "top_p", "top_k", "stopSequences", "stop_sequences"}
    | {"presencePenalty", "frequencyPenalty", "logprobs", "responseLogprobs"}
)
_GEMINI_JSON: Final = frozenset(
    {"responseMimeType", "responseSchema", "responseJsonSchema", "response_mime_type"}
    | {"response_schema", "response_json_schema"}
)
_GEMINI_THINKING: Final = frozenset({"thinkingConfig", "thinking_config"})
_GEMINI_MEDIA: Final = frozenset(
    {"responseModalities", "response_modalities", "speechConfig", "speech_config"}
    | {"imageConfig", "image_config"}
)


def read_features(
    dialect: str,
    endpoint: str,
    body: bytes,
    *,
    provider: str,
    model: str,
    input_bound: int,
    image_token_bound: int,
    output_limit: int | None,
    service_tier: str | None,
) -> Features | None:
    """The shape of a request; None where routing cannot be judged.

    Args:
        dialect: which provider's API the body is written for.
        endpoint: as in `api_requests.endpoint`.
        body: the request, uncompressed.
        provider: as in `model_tiers.provider`.
        model: what the request asks for.
        input_bound: tokens that the prompt cannot exceed.
        image_token_bound: what an image counts in `input_bound`.
        output_limit: most output tokens over all choices; None when the request sets none.
        service_tier: what the request asks for.
    """
    if endpoint not in ROUTABLE.get(dialect, ()) or len(body) > MAX_BODY_BYTES:
        return None
    if body.count(b"{") > MAX_OBJECTS:
        return None
    try:
        request = REQUEST.decode(body)
        tally = _count(request, dialect)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # an unusual body is the provider's to judge, not ours
    text_tokens = max(0, input_bound - tally.images * image_token_bound) // _BYTES_PER_TOKEN
    config = {
        name
        for settings in (request.generationConfig, request.generation_config)
        if settings is not None
        for name in settings.__struct_fields__
        if given(getattr(settings, name))
    }
    return Features(
        provider=provider,
        model=model,
        input_bound=input_bound,
        input_tokens=max(1, text_tokens) + tally.images * _TOKENS_PER_IMAGE,
        output_limit=output_limit,
        service_tier=service_tier,
        turns=tally.turns,
        tools=_tools(request),
        images=tally.images,
        files=tally.files,
        audio=tally.audio,
        json_output=_wants_json(request) or not _GEMINI_JSON.isdisjoint(config),
        reasoning=any(map(given, (request.reasoning, request.reasoning_effort, request.thinking)))
        or not _GEMINI_THINKING.isdisjoint(config),
        sampling=_samples(request, dialect) or not _GEMINI_SAMPLING.isdisjoint(config),
        caches=tally.caches or given(request.prompt_cache_key),
        pinned=_pinned(request, config) or tally.pinned,
    )


@dataclass(slots=True)
class _Tally:
    turns: int = 0
    images: int = 0
    files: int = 0
    audio: int = 0
    caches: bool = False
    pinned: str | None = None

    def parts(self, raw: msgspec.Raw, depth: int = 0) -> None:
        if is_list(raw):
            for part in PARTS.decode(raw):
                self.part(part, depth)

    def part(self, part: Part, depth: int = 0) -> None:
        self.images += part.type in _IMAGE_PARTS
        self.files += part.type in _FILE_PARTS
        self.audio += part.type in _AUDIO_PARTS
        self.caches = self.caches or given(part.cache_control)
        if part.type in _OWN_STATE:
            self.pinned = "own_state"
        for data in (part.inlineData, part.inline_data, part.fileData, part.file_data):
            self._media(data)
        if depth == 0:
            self.parts(part.content, depth=1)  # a tool's result has parts of its own

    def _media(self, data: msgspec.Raw) -> None:
        if not given(data):
            return
        kind = MEDIA.decode(data)
        kinds = (kind.mimeType or kind.mime_type or "").partition("/")[0]
        self.images += kinds in {"image", "video"}
        self.audio += kinds == "audio"
        self.files += kinds not in {"image", "video", "audio"}

    def messages(self, messages: list[Message]) -> None:
        self.turns += len(messages)
        for message in messages:
            self.parts(message.content)
            if message.type in _OWN_STATE:
                self.pinned = "own_state"
            self.caches = self.caches or given(message.cache_control)
            for part in message.parts or ():
                self.part(part)


def _count(request: Request, dialect: str) -> _Tally:
    tally = _Tally()
    tally.parts(request.system)
    tally.messages(request.contents if dialect == "gemini" and request.contents else [])
    tally.messages(request.messages or [])
    if is_list(request.input):
        tally.messages(ITEMS.decode(request.input))
    elif given(request.input):
        tally.turns += 1
    for tool in request.tools or ():
        tally.caches = tally.caches or given(tool.cache_control)
    if given(request.audio) or b'"audio"' in memoryview(request.modalities)[:200].tobytes():
        tally.audio += 1
    return tally


def _tools(request: Request) -> int:
    declared = [
        len(group)
        for tool in request.tools or ()
        for group in (tool.functionDeclarations, tool.function_declarations)
        if group is not None
    ]
    return (sum(declared) if declared else len(request.tools or ())) + len(request.functions or ())


def _pinned(request: Request, config: set[str]) -> str | None:
    for name in _PINNING:
        if given(getattr(request, name)):
            return name
    if request.background:
        return "background"
    if not _GEMINI_MEDIA.isdisjoint(config):
        return "output_media"
    for tool in request.tools or ():
        gemini = tool.functionDeclarations is not None or tool.function_declarations is not None
        if tool.type not in _CLIENT_TOOLS:
            return "provider_tools"
        if tool.type is None and request.contents is not None and not gemini:
            return "provider_tools"
    return None


def _wants_json(request: Request) -> bool:
    formats = (request.response_format, request.text.format if request.text else None)
    asked = any(wanted is not None and wanted.type not in {None, "text"} for wanted in formats)
    return asked or given(request.output_format) or given(request.output_config)


def _samples(request: Request, dialect: str) -> bool:
    # OpenAI's reasoning models refuse `max_tokens`, Anthropic's models all need it.
    old_limit = dialect == "openai" and given(request.max_tokens)
    return old_limit or any(given(getattr(request, name)) for name in _SAMPLING)
