"""Server-sent events as bytes: where an event ends, and what its data is.

An event ends at an empty line, whatever the line ends (LF, CRLF, CR), and may be split anywhere,
inside a UTF-8 character or between CR and LF. Everything here works on bytes: `str.splitlines`
would also break at U+2028 and U+0085, which answers may contain.
"""

import re
from typing import Final

# An event that grows beyond this is let through unread: no usage event is nearly as large.
MAX_EVENT_BYTES: Final = 4 * 1024 * 1024

_BOUNDARY: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n|\r\n\r|\n\r|\r\r\n")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


class EventSplitter:
    """Cuts a stream of fragments into whole events, keeping every byte.

    The concatenation of everything that `feed` and `finish` return equals what was fed.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._max = max_event_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Whole events, each with the empty line that ends it."""
        if not self._buffer and b"\r" not in data:
            # Nearly every fragment of every provider: whole events, and no line end but LF.
            *whole, rest = data.split(b"\n\n")
            if not rest:
                return [event + b"\n\n" for event in whole]
        buffer = self._buffer
        buffer += data
        events = []
        start = 0
        while (match := _BOUNDARY.search(buffer, max(start, self._scanned))) is not None:
            end = match.end()
            # A CR at the very end may be half of a CRLF: wait for what follows.
            if end == len(buffer) and buffer[end - 1 : end] == b"\r":
                break
            if match.group().endswith(b"\r") and buffer[end : end + 1] == b"\n":
                end += 1
            events.append(bytes(buffer[start:end]))
            start = end
            self._scanned = start
        if start:
            del buffer[:start]
        # A boundary is at most four bytes long, so only the last three need another look.
        self._scanned = max(0, len(buffer) - 4)
        if len(buffer) > self._max:
            events.append(bytes(buffer))
            buffer.clear()
            self._scanned = 0
        return events

    def finish(self) -> bytes:
        """What is left when the stream ends without an empty line."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return rest


def event_data(event: bytes) -> bytes:
    """The joined `data` lines of one event; empty for comments and other fields."""
    if event.startswith(b"data: {") and event.endswith(b"}\n\n"):
        only = event[6:-2]
        if b"\n" not in only and b"\r" not in only:
            return only
    lines = [
        line[6:] if line.startswith(b"data: ") else line[5:]
        for line in _LINE_END.split(event)
        if line.startswith(b"data:")
    ]
    return b"\n".join(lines)
