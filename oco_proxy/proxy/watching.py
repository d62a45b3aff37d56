"""Notices when a client leaves before its answer is complete.

Nobody watches a call that is over within a moment: a task for each would cost more than the call's
whole bookkeeping.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

WATCH_AFTER_SECONDS: Final = 0.05


class Watched:
    """The time of one call: once the client has left, the provider has the drain's time to finish.

    Args:
        receive: ASGI's; nobody else may call it meanwhile.
        leave: told that the client left; False when that was known before.
        drain_seconds: from then on.

    Raises:
        TimeoutError: at the end, when the drain's time was over.
    """

    def __init__(self, receive: Any, leave: Callable[[], bool], drain_seconds: float) -> None:
        self._receive = receive
        self._leave = leave
        self._drain_seconds = drain_seconds
        self._loop = asyncio.get_running_loop()
        self._watcher: asyncio.Task[None] | None = None
        self._bound = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        self._timer = self._loop.call_later(WATCH_AFTER_SECONDS, self._begin)
        await self._bound.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        try:
            # Turns the cancellation by the drain's bound into a TimeoutError.
            await self._bound.__aexit__(kind, error, traceback)
        finally:
            if self._watcher is not None:
                self._watcher.cancel()
                with suppress(asyncio.CancelledError):
                    await self._watcher

    def _begin(self) -> None:
        self._watcher = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._leave():
            self._bound.reschedule(self._loop.time() + self._drain_seconds)
