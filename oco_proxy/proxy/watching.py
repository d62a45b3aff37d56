"""Notices when a client leaves before its answer is complete.

Nobody watches a call that is over within a moment: a task or a timer for each would cost more than
the call's whole bookkeeping.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

WATCH_AFTER_SECONDS: Final = 0.05


class Lookout:
    """Looks at all calls of a process in turns, and watches those that it sees a second time."""

    def __init__(self) -> None:
        self._seen: list[Watched] = []
        self._new: list[Watched] = []
        self._is_due = False

    def add(self, call: "Watched") -> None:
        """A call has begun."""
        self._new.append(call)
        if not self._is_due:
            self._look_later()

    def _look_later(self) -> None:
        self._is_due = True
        asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._look)

    def _look(self) -> None:
        self._is_due = False
        for call in self._seen:
            call.watch()
        self._seen, self._new = [call for call in self._new if not call.is_over], []
        if self._seen:
            self._look_later()


class Watched:
    """The time of one call: once the client has left, the provider has the drain's time to finish.

    Args:
        lookout: says when a call lasts long enough to be watched.
        receive: ASGI's; nobody else may call it meanwhile.
        leave: told that the client left, and whether because it took nothing of its answer;
            False when that was known before.
        drain_seconds: from then on.

    Raises:
        TimeoutError: at the end, when the drain's time was over.
    """

    def __init__(
        self, lookout: Lookout, receive: Any, leave: Callable[[bool], bool], drain_seconds: float
    ) -> None:
        self._lookout = lookout
        self._receive = receive
        self._leave = leave
        self._drain_seconds = drain_seconds
        self._watcher: asyncio.Task[None] | None = None
        self._bound = asyncio.timeout(None)
        self.is_over = False

    async def __aenter__(self) -> None:
        self._lookout.add(self)
        await self._bound.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_over = True
        try:
            # Turns the cancellation by the drain's bound into a TimeoutError.
            await self._bound.__aexit__(kind, error, traceback)
        finally:
            if self._watcher is not None:
                self._watcher.cancel()
                with suppress(asyncio.CancelledError):
                    await self._watcher
            # The lookout has this object for a moment longer; the request behind it goes now.
            del self._receive, self._leave

    def watch(self) -> None:
        """Notice from now on when the client leaves; nothing to do once the call is over."""
        if not self.is_over:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (message := await self._receive())["type"] != "http.disconnect":
            pass
        if self._leave(message.get("stalled", False)):
            self._bound.reschedule(asyncio.get_running_loop().time() + self._drain_seconds)
