"""What the gateway reads of a request: its shape, never its words.

The typed decoder skips everything that is not named below without building it. Sizes are counted
over the raw bytes.
"""

import re
from typing import Annotated, Final, TypeVar

import msgspec

from oco_proxy.proxy.members import last_member
from oco_proxy.proxy.pictures import empty_data_urls, size_of
from oco_proxy.proxy.tools import NO_TOOLS, UNKNOWN, WEB_SEARCH, openai_tool
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

_IMAGE: Final = re.compile(
    rb'"type"\s*:\s*"(?:image_url|input_image|image_generation_call|computer_screenshot)"'
)
# No encoder escapes letters; who does would hide from the two patterns above and below.
_ESCAPED_LETTER: Final = re.compile(rb"\\u00(5f|[46][1-9a-f]|[57][0-9a])", re.IGNORECASE)
# How such a one begins, looked for in pieces: in a thread, others have their turn between two.
_ESCAPE: Final = re.compile(rb"\\u00[4-7]")
_PIECE_BYTES: Final = 1024 * 1024
_ESCAPE_BYTES: Final = len(rb"\u004")
# Parts of a prompt that are stored with the provider and billed by their own length.
_STORED_PART: Final = re.compile(
    rb'"type"\s*:\s*"(?:input_file|file|item_reference|video_url|audio_url)"'
)
# Items of an input that bring tools along.
_ADDING: Final = frozenset({"additional_tools", "tool_search_output"})
_ADDS_TOOLS: Final = re.compile(rb'"type"\s*:\s*"(?:additional_tools|tool_search_output)"')
# Chat models that search the web for every answer, which is billed beside the tokens.
SEARCHES: Final = "-search-"
_OBJECT_START: Final = re.compile(rb"[\s\xef\xbb\xbf]*\{\s*(\}?)")
_IMAGE_PARTS: Final = frozenset({"image_url", "input_image"})
# Tools that the caller runs itself; any other may add input of the provider's.
_CLIENT_TOOLS: Final = frozenset({None, "function", "custom"})
# Some encoders escape a slash.
_DATA_URLS: Final = (b'"data:image/', b'"data:image\\/')
_INCLUDE_USAGE: Final = b'"stream_options":{"include_usage":true}'


# A Raw cannot be part of a union: an absent member is empty, a null one says so.
_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = frozenset({b"", b"null"})


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Tool(msgspec.Struct):
    type: str | None = None
    environment: msgspec.Raw = _ABSENT


class _Environment(msgspec.Struct):
    type: str | None = None


class _Addition(msgspec.Struct):
    type: str | None = None
    tools: msgspec.Raw = _ABSENT


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
    input: msgspec.Raw = _ABSENT
    service_tier: str | None = None
    stream_options: _StreamOptions | None = None
    previous_response_id: msgspec.Raw = _ABSENT
    conversation: msgspec.Raw = _ABSENT
    tools: list[_Tool] | None = None
    web_search_options: msgspec.Raw = _ABSENT
    max_tool_calls: _Choices | None = None
    background: bool | None = None


class _Item(msgspec.Struct):
    id: msgspec.Raw = _ABSENT
    type: str | None = None
    role: str | None = None


class _Images(msgspec.Struct):
    messages: list[_Message] | None = None
    input: msgspec.Raw = _ABSENT


# A count of 100.0 is a whole number to the servers that read it.
_DECODER: Final = msgspec.json.Decoder(_Body, strict=False)
_ITEMS: Final = msgspec.json.Decoder(list[_Item])
_ADDITIONS: Final = msgspec.json.Decoder(list[_Addition])
_TOOLS: Final = msgspec.json.Decoder(list[_Tool])
_ENVIRONMENT: Final = msgspec.json.Decoder(_Environment)
_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_PARTS: Final = msgspec.json.Decoder(list[_Part])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


class RequestShape(msgspec.Struct, frozen=True):
    """What routing, pricing and budgets need of a request.

    Attributes:
        output_limit: most output tokens over all choices; None when the request sets none.
        input_bound: tokens that the prompt cannot exceed: one a byte of text plus a bound an image,
            or a whole context window where the provider adds input of its own.
        tool_uses: most calls of tools that the provider runs and bills.
        tools: those tools, by their names in `model_pricing.tool_prices`.
        unmeasured: what of it has a cost that cannot be bounded before it is answered, nor told
            from its size; empty when all of it can.
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
    tools: frozenset[str] = NO_TOOLS
    unmeasured: str = ""


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


def read_shape(body: bytes, image_token_bound: int, deployment: str = "") -> RequestShape:
    """Read the shape of a JSON request body.

    Args:
        body: as it came.
        image_token_bound: tokens of an image in the worst case.
        deployment: the model that the address names, which then serves whatever the body says.

    Raises:
        InvalidInputError: when the body is not a JSON object of the expected shape. The message
            names the place but quotes nothing of the body.
    """
    size = len(body)
    body = empty_data_urls(body)
    emptied = size - len(body)
    fields = decode_request(_DECODER, body)
    model = deployment or fields.model
    # A prompt that the provider keeps may have a model, and tools, of its own.
    keeps_prompt = bytes(fields.prompt).startswith(b"{")
    if not model and not keeps_prompt:
        raise InvalidInputError("the request body names no model")
    # Below zero means no limit to servers that take it.
    limits = [
        limit
        for limit in (fields.max_completion_tokens, fields.max_tokens, fields.max_output_tokens)
        if limit is not None and limit >= 0
    ]
    choices = max(1, fields.n or 1, fields.best_of or 1) * _prompts(fields.prompt)
    options = fields.stream_options
    has_items = memoryview(fields.input).nbytes > 0
    # Looking for one byte is the quicker half: most bodies have none.
    hides = b"\\" in body and _has_escaped_letters(body)
    searched = _with_plain_letters(body) if hides else body
    adds_tools = has_items and _ADDS_TOOLS.search(searched) is not None
    runs_tools = (
        keeps_prompt
        or SEARCHES in model
        or adds_tools
        or bytes(fields.web_search_options) not in _NOTHING
        or any(tool.type not in _CLIENT_TOOLS for tool in fields.tools or ())
    )
    shows = b"image" in searched or (has_items and b"computer_screenshot" in searched)
    text_bytes = len(searched) + emptied
    if shows and b'"data:image' in searched:
        text_bytes -= _embedded_image_bytes(searched)
    images = len(_IMAGE.findall(searched)) if shows else 0
    input_bound = min(MAX_CONTEXT_TOKENS, text_bytes + TEMPLATE_TOKENS + images * image_token_bound)
    if runs_tools or _is_stored(fields) or _STORED_PART.search(searched):
        input_bound = max(input_bound, STORED_INPUT_TOKENS)
    tools = _billed_tools(fields, model, adds=adds_tools) if runs_tools else NO_TOOLS
    uses = fields.max_tool_calls
    return RequestShape(
        model=model,
        stream=bool(fields.stream),
        wants_usage=bool(options and options.include_usage),
        has_stream_options=options is not None,
        output_limit=max(limits) * choices if limits else None,
        choices=choices,
        service_tier=fields.service_tier,
        input_bound=input_bound,
        tool_uses=(TOOL_USES if uses is None or uses < 0 else uses) if tools else 0,
        tools=tools,
        unmeasured=_unmeasured(fields, keeps_prompt=keeps_prompt),
    )


def _unmeasured(fields: _Body, *, keeps_prompt: bool) -> str:
    if fields.background and not fields.stream:
        # It is answered at once and generated later; its stream would say what was used.
        return "a response in the background"
    return "what a stored prompt brings along" if keeps_prompt else ""


def _billed_tools(fields: _Body, model: str, *, adds: bool) -> frozenset[str]:
    """Tools that may run and are billed by use: those asked for and those inside the input."""
    names: set[str | None] = set()
    try:
        tools = list(fields.tools or ())
        for item in _ADDITIONS.decode(fields.input) if adds else ():
            if item.type in _ADDING and bytes(item.tools) not in _NOTHING:
                tools += _TOOLS.decode(item.tools)
        names |= {openai_tool(tool.type, hosted=_is_hosted(tool)) for tool in tools}
    except msgspec.MsgspecError:
        names.add(UNKNOWN)
    if SEARCHES in model or bytes(fields.web_search_options) not in _NOTHING:
        names.add(WEB_SEARCH)
    return frozenset(name for name in names if name is not None)


def _is_hosted(tool: _Tool) -> bool:
    """Whether it runs in a container of the provider's; without an environment it does not."""
    if bytes(tool.environment) in _NOTHING:
        return False
    return _ENVIRONMENT.decode(tool.environment).type != "local"


def _is_stored(fields: _Body) -> bool:
    """Whether the prompt goes on from something that the provider keeps."""
    stored = (fields.previous_response_id, fields.conversation)
    if any(bytes(part) not in _NOTHING for part in stored):
        return True
    given = bytes(fields.input)
    if not given.startswith(b"[") or b'"id"' not in given:
        return False
    try:
        items = _ITEMS.decode(given)
    except msgspec.MsgspecError:
        return True  # something has a name, and what it is cannot be told
    # An item of which only the name is given stands for one that is kept.
    return any(
        item.type is None and item.role is None and bytes(item.id) not in _NOTHING for item in items
    )


def _has_escaped_letters(body: bytes) -> bool:
    for at in range(0, len(body), _PIECE_BYTES):
        if _ESCAPE.search(body, at, at + _PIECE_BYTES + _ESCAPE_BYTES):
            return True
    return False


def _with_plain_letters(body: bytes) -> bytes:
    """The body with letters for their escapes, to search in; what else is escaped stays so."""
    return _ESCAPED_LETTER.sub(lambda found: bytes([int(found[1], 16)]), body)


def _prompts(prompt: msgspec.Raw) -> int:
    """How many prompts the legacy completions endpoint answers: texts, or lists of tokens."""
    raw = bytes(prompt)
    if not raw.startswith(b"["):
        return 1
    first = raw[1:].lstrip()[:1]
    return max(1, len(_LIST.decode(raw))) if first in {b'"', b"["} else 1


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
    return size_of(image_url) if image_url.startswith(_DATA_URLS) else 0


def ask_for_usage(body: bytes, has_stream_options: bool) -> bytes | None:
    """The same request with `stream_options.include_usage` set; None where that is not possible.

    Only the bytes that say so are put in or replaced: everything else stays as it came.
    """
    start = _OBJECT_START.match(body)
    if start is None or start.group(1):
        return None
    span = last_member(body, "stream_options")
    if span is None:
        if has_stream_options:
            return None  # an escaped spelling of the key: leave it alone
        at = body.index(b"{") + 1
        return body[:at] + _INCLUDE_USAGE + b"," + body[at:]
    first, last = span
    value = body[first:last]
    if not value.startswith(b"{"):
        return body[:first] + b'{"include_usage":true}' + body[last:]
    existing = last_member(value, "include_usage")
    if existing is not None:
        changed = value[: existing[0]] + b"true" + value[existing[1] :]
    elif value[1:].lstrip().startswith(b"}"):
        changed = b'{"include_usage":true}'
    else:
        changed = b'{"include_usage":true,' + value[1:]
    return body[:first] + changed + body[last:]
