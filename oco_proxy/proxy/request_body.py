"""What the gateway reads of a request: its shape, never its words.

The typed decoder skips everything that is not named below without building it. Sizes are counted
over the raw bytes.
"""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from oco_warehouse.errors import InvalidInputError

# No model reads a longer prompt, so no estimate needs to be larger.
MAX_CONTEXT_TOKENS: Final = 2_000_000
# Chat templates wrap the text in a few tokens of their own.
TEMPLATE_TOKENS: Final = 64

_EMBEDDED_DATA: Final = re.compile(rb'"data:image/[a-zA-Z0-9.+-]+;base64,([A-Za-z0-9+/=\\]*)')
_IMAGE: Final = re.compile(rb'"type"\s*:\s*"(?:image_url|input_image)"')
_OBJECT_START: Final = re.compile(rb"[\s\xef\xbb\xbf]*\{\s*(\}?)")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},:]', re.DOTALL)
_INCLUDE_USAGE: Final = b'"stream_options":{"include_usage":true}'


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str = ""
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None
    service_tier: str | None = None
    stream_options: _StreamOptions | None = None


_DECODER: Final = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class RequestShape:
    """What routing, pricing and budgets need of a request.

    Attributes:
        output_limit: most output tokens over all choices; None when the request sets none.
        input_bound: tokens that the prompt cannot exceed: one a byte of text plus a bound an image.
    """

    model: str
    stream: bool
    wants_usage: bool
    has_stream_options: bool
    output_limit: int | None
    choices: int
    service_tier: str | None
    input_bound: int


def read_shape(body: bytes, image_token_bound: int) -> RequestShape:
    """Read the shape of a JSON request body.

    Raises:
        InvalidInputError: when the body is not a JSON object of the expected shape. The message
            names the place but quotes nothing of the body.
    """
    try:
        fields = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        # "Expected `int | null`, got `str` - at `$.max_tokens`": types and a path, no values.
        raise InvalidInputError(
            f"the request body is not what the provider expects: {error}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInputError("the request body is not valid JSON") from None
    if not fields.model:
        raise InvalidInputError("the request body names no model")
    limits = [
        limit
        for limit in (fields.max_completion_tokens, fields.max_tokens, fields.max_output_tokens)
        if limit is not None
    ]
    choices = max(1, fields.n or 1)
    options = fields.stream_options
    return RequestShape(
        model=fields.model,
        stream=bool(fields.stream),
        wants_usage=bool(options and options.include_usage),
        has_stream_options=options is not None,
        output_limit=max(0, *limits, 0) * choices if limits else None,
        choices=choices,
        service_tier=fields.service_tier,
        input_bound=_input_bound(body, image_token_bound),
    )


def _input_bound(body: bytes, image_token_bound: int) -> int:
    images = 0
    text_bytes = len(body)
    if b"image" in body:
        images = len(_IMAGE.findall(body))
        text_bytes -= sum(match.end(1) - match.start(1) for match in _EMBEDDED_DATA.finditer(body))
    return min(MAX_CONTEXT_TOKENS, text_bytes + TEMPLATE_TOKENS + images * image_token_bound)


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
