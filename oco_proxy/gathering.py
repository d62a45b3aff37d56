"""A transport to a client: what one turn of the event loop writes goes out once.

uvicorn writes an answer's head and body one by one, and uvloop passes each on at once: two system
calls and two packets for a short answer. Here they leave together, as soon as both are there.
"""

import asyncio
from typing import Any, Final

# Pieces of at least this size go out as they are: joining them would cost more than it saves.
LARGE_BYTES: Final = 32 * 1024


class GatheringTransport:
    """A transport whose first small write of a turn waits for a second one, or for the turn's end.

    Args:
        transport: the real one.
        loop: that runs it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waits: bytes | None = None

    def write(self, data: bytes) -> None:
        """Write now, or together with what comes next in this turn."""
        if len(data) >= LARGE_BYTES:
            self._flush()
            self._transport.write(data)
        elif self._waits is None:
            self._waits = data
            self._loop.call_soon(self._flush)
        else:
            # A head and its body: nothing else may keep a client waiting for them.
            data, self._waits = self._waits + data, None
            self._transport.write(data)

    def close(self) -> None:
        """Close once everything is out."""
        self._flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Write no more once everything is out."""
        self._flush()
        self._transport.write_eof()

    def _flush(self) -> None:
        if self._waits is not None:
            data, self._waits = self._waits, None
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
