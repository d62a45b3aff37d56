"""Which members of a request's body the router looks at, in all dialects.

What is not named here is skipped unread; what is `Raw` stays undecoded bytes.
"""

from typing import Final

import msgspec

_Raw = msgspec.Raw
_ABSENT: Final = msgspec.Raw()
_NULL: Final = b"null"


class Part(msgspec.Struct):
    """One part of a message."""

    type: str | None = None
    cache_control: _Raw = _ABSENT
    content: _Raw = _ABSENT
    inlineData: _Raw = _ABSENT  # noqa: N815 - the wire's names
    inline_data: _Raw = _ABSENT
    fileData: _Raw = _ABSENT  # noqa: N815
    file_data: _Raw = _ABSENT


class Message(msgspec.Struct):
    """One message, or one item of an input."""

    type: str | None = None
    content: _Raw = _ABSENT
    parts: list[Part] | None = None
    cache_control: _Raw = _ABSENT


class Format(msgspec.Struct):
    """Of a wanted form of output, or a declared function, its kind."""

    type: str | None = None


class Tool(msgspec.Struct):
    """One tool, or one group of Gemini's."""

    type: str | None = None
    cache_control: _Raw = _ABSENT
    functionDeclarations: list[Format] | None = None  # noqa: N815
    function_declarations: list[Format] | None = None


class Text(msgspec.Struct):
    """The Responses API's settings of its text."""

    format: Format | None = None


class Generation(msgspec.Struct):
    """Gemini's settings of an answer."""

    temperature: _Raw = _ABSENT
    topP: _Raw = _ABSENT  # noqa: N815
    topK: _Raw = _ABSENT  # noqa: N815
    top_p: _Raw = _ABSENT
    top_k: _Raw = _ABSENT
    stopSequences: _Raw = _ABSENT  # noqa: N815
    stop_sequences: _Raw = _ABSENT
    presencePenalty: _Raw = _ABSENT  # noqa: N815
    frequencyPenalty: _Raw = _ABSENT  # noqa: N815
    logprobs: _Raw = _ABSENT
    responseLogprobs: _Raw = _ABSENT  # noqa: N815
    responseMimeType: _Raw = _ABSENT  # noqa: N815
    responseSchema: _Raw = _ABSENT  # noqa: N815
    responseJsonSchema: _Raw = _ABSENT  # noqa: N815
    response_mime_type: _Raw = _ABSENT
    response_schema: _Raw = _ABSENT
    response_json_schema: _Raw = _ABSENT
    thinkingConfig: _Raw = _ABSENT  # noqa: N815
    thinking_config: _Raw = _ABSENT
    responseModalities: _Raw = _ABSENT  # noqa: N815
    response_modalities: _Raw = _ABSENT
    speechConfig: _Raw = _ABSENT  # noqa: N815
    speech_config: _Raw = _ABSENT
    imageConfig: _Raw = _ABSENT  # noqa: N815
    image_config: _Raw = _ABSENT


class Request(msgspec.Struct):
    """A request of any dialect."""

    messages: list[Message] | None = None
    input: _Raw = _ABSENT
    contents: list[Message] | None = None
    system: _Raw = _ABSENT
    tools: list[Tool] | None = None
    functions: list[Format] | None = None
    response_format: Format | None = None
    text: Text | None = None
    output_format: _Raw = _ABSENT
    output_config: _Raw = _ABSENT
    modalities: _Raw = _ABSENT
    audio: _Raw = _ABSENT
    reasoning: _Raw = _ABSENT
    reasoning_effort: _Raw = _ABSENT
    thinking: _Raw = _ABSENT
    temperature: _Raw = _ABSENT
    top_p: _Raw = _ABSENT
    top_k: _Raw = _ABSENT
    presence_penalty: _Raw = _ABSENT
    frequency_penalty: _Raw = _ABSENT
    logit_bias: _Raw = _ABSENT
    logprobs: _Raw = _ABSENT
    stop: _Raw = _ABSENT
    max_tokens: _Raw = _ABSENT
    generationConfig: Generation | None = None  # noqa: N815
    generation_config: Generation | None = None
    prompt_cache_key: _Raw = _ABSENT
    previous_response_id: _Raw = _ABSENT
    conversation: _Raw = _ABSENT
    prompt: _Raw = _ABSENT
    background: bool | None = None
    prediction: _Raw = _ABSENT
    web_search_options: _Raw = _ABSENT
    container: _Raw = _ABSENT
    mcp_servers: _Raw = _ABSENT
    context_management: _Raw = _ABSENT
    speed: _Raw = _ABSENT
    cachedContent: _Raw = _ABSENT  # noqa: N815
    cached_content: _Raw = _ABSENT


class Media(msgspec.Struct):
    """What kind a piece of media is."""

    mimeType: str | None = None  # noqa: N815
    mime_type: str | None = None


def given(value: _Raw) -> bool:
    """True when the member is there and not null."""
    return memoryview(value)[:5].tobytes() not in {b"", _NULL}


def is_list(value: _Raw) -> bool:
    """True when the member is an array."""
    return memoryview(value)[:1].tobytes() == b"["


REQUEST: Final = msgspec.json.Decoder(Request)
PARTS: Final = msgspec.json.Decoder(list[Part])
ITEMS: Final = msgspec.json.Decoder(list[Message])
MEDIA: Final = msgspec.json.Decoder(Media)
