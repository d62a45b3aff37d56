"""Where a member of a JSON object stands in its bytes, found without a look at every token.

A decoder says what the value of a member is but not where it stands. So every place that spells the
member's name is numbered in a copy, and the decoder, which skips all else in C, says which number
it read: that of the last one in the outermost object, as whoever reads the request counts too.
"""

import re
from functools import cache
from typing import Any, Final

import msgspec

_COLON: Final = re.compile(rb"\s*:\s*")
_ABSENT: Final = msgspec.Raw()


def last_member(body: bytes, name: str) -> tuple[int, int] | None:
    """(start, end) of the value of a member of the outermost object.

    Args:
        body: JSON text of an object.
        name: a name without characters that JSON escapes.

    Returns:
        The value's place; None when there is no such member, or its name is spelt with escapes
        where it counts, or the value is a whole number, or the body is no JSON object.
    """
    starts = _starts(body, b'"%s"' % name.encode())
    if not starts:
        return None
    try:
        decoder = _decoder(name)
        number = bytes(decoder.decode(_numbered(body, starts, name)).value)
        value = bytes(decoder.decode(body).value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    # Without a number of ours an escaped spelling was read; a value that is one cannot be told.
    if value.isdigit() or not number.isdigit():
        return None
    start = starts[int(number)]
    return (start, start + len(value)) if body.startswith(value, start) else None


@cache
def _decoder(name: str) -> msgspec.json.Decoder[Any]:
    """Reads one member and skips the others."""
    fields = [("value", msgspec.Raw, msgspec.field(name=name, default=_ABSENT))]
    return msgspec.json.Decoder(msgspec.defstruct("_Member", fields))


def _starts(body: bytes, key: bytes) -> list[int]:
    """Where a value begins after each place that spells the key."""
    starts = []
    at = body.find(key)
    while at >= 0:
        colon = _COLON.match(body, at + len(key))
        if colon is not None:
            starts.append(colon.end())
        at = body.find(key, at + len(key))
    return starts


def _numbered(body: bytes, starts: list[int], name: str) -> bytes:
    """The same with a number for each value, which itself follows under another name."""
    parts = []
    last = 0
    for number, start in enumerate(starts):
        parts += [body[last:start], b'%d,"%s ":' % (number, name.encode())]
        last = start
    return b"".join([*parts, body[last:]])
