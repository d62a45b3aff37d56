"""The server's side of a client's connection: what one turn of the event loop writes goes out once.

uvicorn writes an answer's head and body one by one, and uvloop passes each on at once: two system
calls and two packets for a short answer. Here they leave together.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Pieces of at least this size go out as they are: joining them would cost more than it saves.
LARGE_BYTES: Final = 32 * 1024


class GatheringProtocol(HttpToolsProtocol):
    """uvicorn's protocol, on a transport that gathers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        gathering = GatheringTransport(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", gathering))


class GatheringTransport:
    """A transport whose small writes wait for the end of the loop's turn; all else passes through.

    Args:
        transport: the real one.
        loop: that runs it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write now, or together with what else this turn brings."""
        if len(data) >= LARGE_BYTES:
            self._flush()
            self._transport.write(data)
            return
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Close once everything is out."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            parts, self._parts = self._parts, []
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
