"""What the gateway reads of a request: its shape, never its words.

The typed decoder skips everything that is not named below without building it. Sizes are counted
over the raw bytes.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec

from oco_warehouse.errors import InvalidInputError

_T = TypeVar("_T")

# No model reads a longer prompt, so no estimate needs to be larger.
MAX_CONTEXT_TOKENS: Final = 2_000_000
# Chat templates wrap the text in a few tokens of their own.
TEMPLATE_TOKENS: Final = 64
# Far above what any model gives; a larger one is a mistake that no arithmetic should meet.
MAX_OUTPUT_TOKENS: Final = 10_000_000
MAX_CHOICES: Final = 10_000
# Input that the provider adds itself (a stored conversation, files, what a search finds) can fill
# the largest context window that there is.
STORED_INPUT_TOKENS: Final = 1_100_000
# Calls of provider-run tools that one request is expected to make at most when it sets no bound.
TOOL_USES: Final = 32

_IMAGE: Final = re.compile(rb'"type"\s*:\s*"(?:image_url|input_image)"')
# Parts of a prompt that are stored with the provider and billed by their own length.
_STORED_PART: Final = re.compile(rb'"type"\s*:\s*"(?:input_file|file|item_reference)"')
_OBJECT_START: Final = re.compile(rb"[\s\xef\xbb\xbf]*\{\s*(\}?)")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},:]', re.DOTALL)
_IMAGE_PARTS: Final = frozenset({"image_url", "input_image"})
# Tools that the caller runs itself; any other is run, and billed, by the provider.
_CLIENT_TOOLS: Final = frozenset({None, "function", "custom"})
_INCLUDE_USAGE: Final = b'"stream_options":{"include_usage":true}'


# A Raw cannot be part of a union: an absent member is empty, a null one says so.
_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = frozenset({b"", b"null"})


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Tool(msgspec.Struct):
    type: str | None = None


class _Url(msgspec.Struct):
    url: msgspec.Raw = _ABSENT


class _Part(msgspec.Struct):
    type: str | None = None
    image_url: msgspec.Raw = _ABSENT


class _Message(msgspec.Struct):
    content: msgspec.Raw = _ABSENT


_Tokens = Annotated[int, msgspec.Meta(le=MAX_OUTPUT_TOKENS)]
_Choices = Annotated[int, msgspec.Meta(le=MAX_CHOICES)]


class _Body(msgspec.Struct):
    model: str = ""
    stream: bool | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    max_output_tokens: _Tokens | None = None
    n: _Choices | None = None
    best_of: _Choices | None = None
    prompt: msgspec.Raw = _ABSENT
    service_tier: str | None = None
    stream_options: _StreamOptions | None = None
    previous_response_id: msgspec.Raw = _ABSENT
    conversation: msgspec.Raw = _ABSENT
    tools: list[_Tool] | None = None
    web_search_options: msgspec.Raw = _ABSENT
    max_tool_calls: _Choices | None = None


class _Images(msgspec.Struct):
    messages: list[_Message] | None = None
    input: msgspec.Raw = _ABSENT


_DECODER: Final = msgspec.json.Decoder(_Body)
_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_PARTS: Final = msgspec.json.Decoder(list[_Part])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class RequestShape:
    """What routing, pricing and budgets need of a request.

    Attributes:
        output_limit: most output tokens over all choices; None when the request sets none.
        input_bound: tokens that the prompt cannot exceed: one a byte of text plus a bound an image,
            or a whole context window where the provider adds input of its own.
        tool_uses: most calls of tools that the provider runs and bills.
    """

    model: str
    stream: bool
    wants_usage: bool
    has_stream_options: bool
    output_limit: int | None
    choices: int
    service_tier: str | None
    input_bound: int
    tool_uses: int = 0


def decode_request(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """Read the named members of a request.

    Raises:
        InvalidInputError: when the body is not a JSON object of the expected shape. The message
            names the place but quotes nothing of the body.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        # "Expected `int | null`, got `str` - at `$.max_tokens`": types and a path, no values.
        raise InvalidInputError(
            f"the request body is not what the provider expects: {error}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInputError("the request body is not valid JSON") from None


def read_shape(body: bytes, image_token_bound: int) -> RequestShape:
    """Read the shape of a JSON request body.

    Raises:
        InvalidInputError: when the body is not a JSON object of the expected shape. The message
            names the place but quotes nothing of the body.
    """
    fields = decode_request(_DECODER, body)
    if not fields.model:
        raise InvalidInputError("the request body names no model")
    limits = [
        limit
        for limit in (fields.max_completion_tokens, fields.max_tokens, fields.max_output_tokens)
        if limit is not None
    ]
    choices = max(1, fields.n or 1, fields.best_of or 1) * _prompts(fields.prompt)
    options = fields.stream_options
    runs_tools = bytes(fields.web_search_options) not in _NOTHING or any(
        tool.type not in _CLIENT_TOOLS for tool in fields.tools or ()
    )
    input_bound = _input_bound(body, image_token_bound)
    if runs_tools or _is_stored(fields) or _STORED_PART.search(body):
        input_bound = max(input_bound, STORED_INPUT_TOKENS)
    return RequestShape(
        model=fields.model,
        stream=bool(fields.stream),
        wants_usage=bool(options and options.include_usage),
        has_stream_options=options is not None,
        output_limit=max(0, *limits, 0) * choices if limits else None,
        choices=choices,
        service_tier=fields.service_tier,
        input_bound=input_bound,
        tool_uses=(fields.max_tool_calls or TOOL_USES) if runs_tools else 0,
    )


def _is_stored(fields: _Body) -> bool:
    """Whether the prompt goes on from something that the provider keeps."""
    stored = (fields.previous_response_id, fields.conversation)
    return any(bytes(part) not in _NOTHING for part in stored) or bytes(fields.prompt).startswith(
        b"{"
    )


def _prompts(prompt: msgspec.Raw) -> int:
    """How many prompts the legacy completions endpoint answers: texts, or lists of tokens."""
    raw = bytes(prompt)
    if not raw.startswith(b"["):
        return 1
    first = raw[1:].lstrip()[:1]
    return max(1, len(_LIST.decode(raw))) if first in {b'"', b"["} else 1


def _input_bound(body: bytes, image_token_bound: int) -> int:
    images = 0
    text_bytes = len(body)
    if b"image" in body:
        images = len(_IMAGE.findall(body))
        if b'"data:image/' in body:
            text_bytes -= _embedded_image_bytes(body)
    return min(MAX_CONTEXT_TOKENS, text_bytes + TEMPLATE_TOKENS + images * image_token_bound)


def _embedded_image_bytes(body: bytes) -> int:
    """Bytes of images inside image parts: the same text elsewhere is a prompt like any other."""
    try:
        fields = msgspec.json.decode(body, type=_Images)
        messages = list(fields.messages or ())
        if bytes(fields.input).startswith(b"["):
            messages += _MESSAGES.decode(fields.input)
        found = 0
        for message in messages:
            if not bytes(message.content).startswith(b"["):
                continue
            for part in _PARTS.decode(message.content):
                if part.type in _IMAGE_PARTS:
                    found += _data_url_bytes(bytes(part.image_url))
    except msgspec.MsgspecError:
        return 0  # not the expected shape: every byte counts
    return found


def _data_url_bytes(image_url: bytes) -> int:
    if image_url.startswith(b"{"):
        image_url = bytes(msgspec.json.decode(image_url, type=_Url).url)
    return len(image_url) if image_url.startswith(b'"data:image/') else 0


def ask_for_usage(body: bytes, has_stream_options: bool) -> bytes | None:
    """The same request with `stream_options.include_usage` set; None where that is not possible.

    Only the bytes that say so are put in or replaced: everything else stays as it came.
    """
    start = _OBJECT_START.match(body)
    if start is None or start.group(1):
        return None
    span = _member_span(body, start.end(), b"stream_options")
    if span is None:
        if has_stream_options:
            return None  # an escaped spelling of the key: leave it alone
        at = body.index(b"{") + 1
        return body[:at] + _INCLUDE_USAGE + b"," + body[at:]
    first, last = span
    value = body[first:last]
    if not value.lstrip().startswith(b"{"):
        return body[:first] + b'{"include_usage":true}' + body[last:]
    inner = value.index(b"{") + 1
    existing = _member_span(value, inner, b"include_usage")
    if existing is not None:
        changed = value[: existing[0]] + b"true" + value[existing[1] :]
    elif value[inner:].lstrip().startswith(b"}"):
        changed = b'{"include_usage":true}'
    else:
        changed = value[:inner] + b'"include_usage":true,' + value[inner:]
    return body[:first] + changed + body[last:]


def _member_span(body: bytes, at: int, name: bytes) -> tuple[int, int] | None:
    """(start, end) of a member's last value, in the object whose first member begins at `at`."""
    if b'"' + name + b'"' not in body:
        return None
    depth = 0
    key: bytes | None = None
    value_start: int | None = None
    found: tuple[int, int] | None = None
    for match in _TOKEN.finditer(body, at):
        token = match.group()
        if token in {b"{", b"["}:
            depth += 1
        elif token in {b"}", b"]"} and depth > 0:
            depth -= 1
        elif depth == 0 and token in {b",", b"}"}:
            if key == name and value_start is not None:
                found = (value_start, match.start())
            key, value_start = None, None
            if token == b"}":
                return found
        elif depth == 0 and token == b":":
            value_start = match.end()
        elif depth == 0 and value_start is None:
            key = token[1:-1]
    return found
