"""A JSON answer in fragments: the elements of a top-level array, or one top-level object.

Only brackets and strings are looked at; whether an element is JSON is for its reader to say.
"""

import re
from typing import Final

from oco_proxy.proxy.decoding import MAX_DECODED_BYTES

_MARK: Final = re.compile(rb'["{}\[\]\\]')


class ElementSplitter:
    """Cuts whole elements out of an array; `ended` once its bracket is closed.

    An element that grows beyond `max_element_bytes` comes out empty. A body that is one object is
    kept whole until `finish`: nothing needs to be known of it earlier.
    """

    def __init__(self, max_element_bytes: int = MAX_DECODED_BYTES) -> None:
        self.ended = False
        self._max = max_element_bytes
        self._element = bytearray()
        self._too_large = False
        self._is_array: bool | None = None
        self._depth = 0
        self._in_string = False
        self._escaped_at = -1

    def feed(self, data: bytes) -> list[bytes]:
        """Elements (objects and arrays) that this fragment completes."""
        if self._is_array is None:
            begun = data.lstrip()[:1]
            if not begun:
                return []
            self._is_array = begun == b"["
        if not self._is_array:
            self._keep(data)
            return []
        return self._cut(data)

    def finish(self) -> bytes:
        """The body that is one object; empty for an array."""
        rest = b"" if self._is_array else bytes(self._element)
        self._element.clear()
        return rest

    def _cut(self, data: bytes) -> list[bytes]:
        found: list[bytes] = []
        start = 0 if self._depth > 1 else -1
        for match in _MARK.finditer(data):
            at, mark = match.start(), match.group()
            if at == self._escaped_at:
                continue
            if self._in_string:
                self._in_string = mark != b'"'
                if mark == b"\\":
                    self._escaped_at = at + 1
            elif mark == b'"':
                self._in_string = True
            elif mark in b"{[":
                start = at if self._depth == 1 else start
                self._depth += 1
            elif mark in b"}]":
                self._depth -= 1
                if self._depth == 1 and start >= 0:
                    self._keep(data[start : at + 1])
                    found.append(bytes(self._element))
                    self._element.clear()
                    self._too_large = False
                    start = -1
                self.ended = self.ended or self._depth <= 0
        # A backslash at the very end escapes the first byte of what follows.
        self._escaped_at -= len(data)
        if start >= 0:
            self._keep(data[start:])
        return found

    def _keep(self, data: bytes) -> None:
        if len(self._element) + len(data) > self._max:
            self._too_large = True
            self._element.clear()
        if not self._too_large:
            self._element += data
