"""Pictures inside a JSON body, emptied before the body is read.

A picture is nearly all of a large body, and only its size matters here. Each further look at those
bytes would keep every other call waiting.
"""

import re
import secrets
from typing import Final

# Below this a body is read faster than it is looked through.
LARGE_BYTES: Final = 64 * 1024
_LONG_VALUE: Final = 1024
# In place of a value: nobody outside of this process can write it, so that nobody can claim a size.
_MARK: Final = secrets.token_hex(16).encode() + b":"
_SAID: Final = re.compile(_MARK + rb"(\d+)")
_VALUE: Final = re.compile(rb'\s*:\s*"')


def empty_data_urls(body: bytes) -> bytes:
    """The body with a mark in place of each long picture in a data URL."""
    return _emptied(body, b'"data:image/', member=False)


def empty_data_members(body: bytes) -> bytes:
    """The body with a mark in place of each long text that is a member named `data`."""
    return _emptied(body, b'"data"', member=True)


def size_of(value: bytes) -> int:
    """Bytes of a raw value as it came, whether it was emptied or not."""
    said = _SAID.search(value) if len(value) < _LONG_VALUE else None
    return len(value) if said is None else int(said[1]) + len(value) - len(said[0])


def _emptied(body: bytes, opener: bytes, *, member: bool) -> bytes:
    if len(body) < LARGE_BYTES:
        return body
    kept: list[bytes] = []
    done = at = 0
    while (at := body.find(opener, at)) >= 0:
        at += len(opener)
        if member:
            value = _VALUE.match(body, at)
            if value is None:
                continue
            at = value.end()
        end = body.find(b'"', at)
        # Where something is escaped, the next quote need not be the end.
        if end - at < _LONG_VALUE or body.find(b"\\", at, end) >= 0:
            continue
        kept += (body[done:at], _MARK, str(end - at).encode())
        done = at = end
    if not kept:
        return body
    kept.append(body[done:])
    return b"".join(kept)
