"""What a request in Gemini's dialect can cost: its limits, its media and its tools.

The API takes every member in camel case and in snake case; both are read alike.
"""

import re
from typing import Annotated, Any, Final

import msgspec

from oco_proxy.proxy.gemini import endpoint_of, model_of, tier_name
from oco_proxy.proxy.pictures import empty_data_members, size_of
from oco_proxy.proxy.request_body import (
    MAX_CHOICES,
    MAX_CONTEXT_TOKENS,
    MAX_OUTPUT_TOKENS,
    STORED_INPUT_TOKENS,
    TEMPLATE_TOKENS,
    TOOL_USES,
    RequestShape,
    decode_request,
)
from oco_proxy.proxy.tools import NO_TOOLS, gemini_tool
from oco_warehouse.errors import InvalidInputError

_Members = dict[str, msgspec.Raw]

# Their answers are vectors: there is no output to charge for.
_EMBEDDINGS: Final = frozenset({"embedContent", "batchEmbedContents"})
# Groups of tools that the caller runs itself.
_CLIENT_TOOLS: Final = frozenset({"functiondeclarations", "computeruse"})
_NOTHING: Final = frozenset({b"", b"null"})
_ABSENT: Final = msgspec.Raw()
_PICTURES: Final = re.compile(rb"image_?search", re.IGNORECASE)

_MEMBERS: Final = msgspec.json.Decoder(_Members)
_LIST: Final = msgspec.json.Decoder(list[_Members])
_TEXT: Final = msgspec.json.Decoder(str | None)
# Numbers may come as text, as protocol buffers allow.
_TOKENS: Final = msgspec.json.Decoder(
    Annotated[int, msgspec.Meta(le=MAX_OUTPUT_TOKENS)] | None, strict=False
)
_CHOICES: Final = msgspec.json.Decoder(
    Annotated[int, msgspec.Meta(le=MAX_CHOICES)] | None, strict=False
)


def read_shape(
    path: str, body: bytes, image_token_bound: int, content_type: str = ""
) -> RequestShape:
    """Read the shape of a request: the model and the stream from its path, the rest from its body.

    Raises:
        InvalidInputError: when the body is not a JSON object of the expected shape.
    """
    del content_type
    endpoint, model = endpoint_of(path), model_of(path)
    if not model:
        raise InvalidInputError("the address names no model")
    request = _members(empty_data_members(body))
    config = _members(bytes(request.get("generationconfig", _ABSENT)))
    limit = _value(_TOKENS, config, "maxoutputtokens")
    tier = _value(_TEXT, request, "servicetier")
    choices = max(1, _value(_CHOICES, config, "candidatecount") or 1)
    media = _Media()
    for name in ("contents", "content", "systeminstruction"):
        media.read(request.get(name, _ABSENT))
    for one in _list(request.get("requests", _ABSENT)) if endpoint in _EMBEDDINGS else ():
        media.read(_plain_names(one).get("content", _ABSENT))
    tools = {
        _plain(name): value
        for group in _list(request.get("tools", _ABSENT))
        for name, value in group.items()
        if bytes(value) not in _NOTHING
    }
    runs_tools = not _CLIENT_TOOLS.issuperset(tools)
    billed = _billed_tools(tools) if runs_tools else NO_TOOLS
    bound = len(body) - media.embedded + TEMPLATE_TOKENS + media.images * image_token_bound
    if runs_tools or media.stored or _given(request, "cachedcontent"):
        bound = max(bound, STORED_INPUT_TOKENS)
    output_limit = None if limit is None or limit < 0 else limit * choices
    return RequestShape(
        model=model,
        stream=endpoint.startswith("stream"),
        wants_usage=True,
        has_stream_options=False,
        output_limit=0 if endpoint in _EMBEDDINGS else output_limit,
        choices=choices,
        service_tier=None if tier is None else tier_name(tier),
        input_bound=min(MAX_CONTEXT_TOKENS, bound),
        tool_uses=TOOL_USES if billed else 0,
        tools=billed,
    )


def _billed_tools(tools: _Members) -> frozenset[str]:
    billed = {name for kind in tools if (name := gemini_tool(kind)) is not None}
    # A search finds pictures only where it is asked to.
    if _PICTURES.search(bytes(tools.get("googlesearch", _ABSENT))):
        billed.add("image_search")
    return frozenset(billed)


class _Media:
    """Images, and media that say more than their bytes."""

    def __init__(self) -> None:
        self.images = 0
        self.embedded = 0
        self.stored = False

    def read(self, contents: msgspec.Raw) -> None:
        """Look through a turn, or a list of turns."""
        start = memoryview(contents)[:1].tobytes()
        turns = _list(contents) if start == b"[" else [_members(bytes(contents))]
        for turn in turns:
            for part in _list(_plain_names(turn).get("parts", _ABSENT)):
                self._part(_plain_names(part))

    def _part(self, part: _Members) -> None:
        self.stored = self.stored or _given(part, "filedata")
        if _given(part, "functionresponse"):
            # What a function answers may have media beside it.
            for one in _list(_members(bytes(part["functionresponse"])).get("parts", _ABSENT)):
                self._part(_plain_names(one))
        if not _given(part, "inlinedata"):
            return
        data = _members(bytes(part["inlinedata"]))
        kind = (_value(_TEXT, data, "mimetype") or "").partition("/")[0].lower()
        if kind == "image":
            self.images += 1
            self.embedded += size_of(bytes(data.get("data", _ABSENT)))
        elif kind not in {"audio", "text"}:
            # A video of a still, or a document, says more than its bytes do.
            self.stored = True


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _plain_names(members: _Members) -> _Members:
    return {_plain(name): value for name, value in members.items()}


def _members(data: bytes) -> _Members:
    return _plain_names(decode_request(_MEMBERS, data)) if data not in _NOTHING else {}


def _list(data: msgspec.Raw) -> list[_Members]:
    start = memoryview(data)[:1].tobytes()
    if start == b"{":
        return [decode_request(_MEMBERS, bytes(data))]  # a single one needs no brackets
    return decode_request(_LIST, bytes(data)) if start == b"[" else []


def _given(members: _Members, name: str) -> bool:
    return bytes(members.get(name, _ABSENT)) not in _NOTHING


def _value(decoder: msgspec.json.Decoder[Any], members: _Members, name: str) -> Any:
    return decode_request(decoder, bytes(members[name])) if name in members else None
