"""Puts another model into a request: only the bytes of that one value change. Pure."""

import re
from typing import Final
from urllib.parse import unquote

import msgspec

from oco_proxy.proxy.request_body import member_span

_MODEL_IN_PATH: Final = re.compile(r"(?<=/models/)[^/:?#]+(?=:)")


def with_model(body: bytes, original: str, routed: str) -> bytes | None:
    """The body with another value of its top-level `model`.

    Returns:
        None when that value is not plainly there: an escaped key, or one that says something else
        than what was read of the request.
    """
    span = member_span(body, b"model")
    if span is None:
        return None
    first, last = span
    value = body[first:last]
    try:
        said = msgspec.json.decode(value, type=str)
    except msgspec.MsgspecError:
        return None
    if said != original:
        return None
    at = first + value.index(b'"')
    end = first + value.rindex(b'"') + 1
    return body[:at] + msgspec.json.encode(routed) + body[end:]


def with_model_in_url(url: str, original: str, routed: str) -> str | None:
    """The address with another model in `…/models/NAME:method`; None when it is not there."""
    path, mark, query = url.partition("?")
    found = _MODEL_IN_PATH.search(path)
    if found is None or unquote(found.group()) != original:
        return None
    return f"{path[: found.start()]}{routed}{path[found.end() :]}{mark}{query}"
