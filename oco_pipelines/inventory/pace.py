"""How fast a cloud is asked: never faster than a stated rate, whatever it would bear."""

import time
from collections.abc import Callable


class Pace:
    """Lets so many calls pass a second.

    Args:
        rate: calls a second.
        clock: seconds that only grow.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._every = 1 / rate
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    def wait(self) -> None:
        """Wait until the next call may be made."""
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._every
