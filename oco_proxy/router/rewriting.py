"""Puts another model into a request: only the bytes of that one value change. Pure."""

import re
from typing import Final
from urllib.parse import unquote

import msgspec

# Inside a string the quotes would be escaped, so this finds members only, top-level or not.
_MODEL: Final = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')
_MODEL_IN_PATH: Final = re.compile(r"(?<=/models/)[^/:?#]+(?=:)")
# Members of that name, nested ones included, that are tried.
MAX_TRIES: Final = 8


class _Model(msgspec.Struct):
    model: str


_DECODER: Final = msgspec.json.Decoder(_Model)
_TEXT: Final = msgspec.json.Decoder(str)


def with_model(body: bytes, original: str, routed: str) -> bytes | None:
    """The body with another value of its top-level `model`.

    Each member of that name that says the original is tried, until the body, read again, asks for
    the routed model: so what a provider reads is what was meant, whatever else the body holds.

    Returns:
        None when that value is not plainly there, as with an escaped key.
    """
    value = msgspec.json.encode(routed)
    for tries, match in enumerate(_MODEL.finditer(body)):
        if tries >= MAX_TRIES:
            return None
        first, last = match.span(1)
        try:
            if _TEXT.decode(match.group(1)) != original:
                continue
            changed = b"".join((memoryview(body)[:first], value, memoryview(body)[last:]))
            if _DECODER.decode(changed).model == routed:
                return changed
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return None


def with_model_in_url(url: str, original: str, routed: str) -> str | None:
    """The address with another model in `…/models/NAME:method`; None when it is not there."""
    path, mark, query = url.partition("?")
    found = _MODEL_IN_PATH.search(path)
    if found is None or unquote(found.group()) != original:
        return None
    return f"{path[: found.start()]}{routed}{path[found.end() :]}{mark}{query}"
