"""How long the server waits for its clients: it looks at all connections in turns.

A timer for each request would cost every one of them; most are over before anybody looks.
"""

import asyncio
from typing import Final, Protocol

LOOK_SECONDS: Final = 2.0


class Awaited(Protocol):
    """A connection that is looked at."""

    def look(self, now: float) -> None:
        """End what has lasted too long; `now` is the loop's time."""
        ...


class Patience:
    """Looks at a server's connections for as long as there are any.

    Args:
        loop: that runs them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._connections: set[Awaited] = set()
        self._is_due = False

    def add(self, connection: Awaited) -> None:
        """A connection was opened."""
        self._connections.add(connection)
        self._look_later()

    def discard(self, connection: Awaited) -> None:
        """It was closed."""
        self._connections.discard(connection)

    def _look_later(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._is_due = False
        now = self._loop.time()
        for connection in tuple(self._connections):
            connection.look(now)
        if self._connections:
            self._look_later()
