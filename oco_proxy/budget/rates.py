"""Rate limits: how fast a scope may call, and the same arithmetic in memory for when Redis is gone.

A minute slides: what came in the minute before counts for the part of it that is less than a minute
old. Tokens are counted as expected (a prompt's size and the output limit that it sets), and that is
corrected when the call has ended.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

RATE_COLUMNS: Final = (
    "id::text AS id, scope, entity_id, requests_per_minute, tokens_per_minute, concurrent_requests"
)
EVERYONE: Final = "*"
_MINUTE: Final = 60.0
_MAX_WINDOWS: Final = 100_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One row of `oco.rate_limits`; a limit that is None does not limit.

    Attributes:
        entity_id: `*` gives every entity of the scope an allowance of its own.
    """

    id: str
    scope: str
    entity_id: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


@dataclass(frozen=True, slots=True)
class RateClaim:
    """A rate limit and the entity whose allowance a request takes."""

    limit: RateLimit
    entity_id: str


@dataclass(frozen=True, slots=True)
class NoRoom:
    """Why a request must wait.

    Attributes:
        which: index of the claim.
        what: the column of `oco.rate_limits` that is used up.
        wait_seconds: until there may be room, if nothing else comes.
    """

    which: int
    what: str
    wait_seconds: float


def rate_limit_from_row(row: Any) -> RateLimit:
    """A rate limit from a row that has `RATE_COLUMNS`."""
    return RateLimit(**{name: row[name] for name in RateLimit.__slots__})


def wait_for_room(limit: int, current: float, before: float, more: float, past: float) -> float:
    """Seconds until `more` fits into a sliding minute when nothing else comes; 0 when it fits.

    Args:
        limit: what fits into a minute.
        current: what came in this minute.
        before: what came in the minute before.
        more: what wants in.
        past: the part of this minute that is over, 0 to 1.
    """
    if current + before * (1 - past) + more <= limit:
        return 0.0
    if current + more <= limit:
        return (1 - (limit - more - current) / before - past) * _MINUTE
    rest = 1.0 if current <= 0 else min(1.0, max(0.0, 1 - (limit - more) / current))
    return (1 - past + rest) * _MINUTE


@dataclass(slots=True)
class _Window:
    minute: int = -9
    requests: int = 0
    requests_before: int = 0
    tokens: int = 0
    tokens_before: int = 0
    running: set[str] = field(default_factory=set)

    def turn_to(self, minute: int) -> None:
        if minute == self.minute:
            return
        follows = minute == self.minute + 1
        self.requests_before = self.requests if follows else 0
        self.tokens_before = self.tokens if follows else 0
        self.minute, self.requests, self.tokens = minute, 0, 0


class LocalRates:
    """The limits applied by one process alone, for as long as Redis is gone."""

    def __init__(self) -> None:
        self._windows: OrderedDict[tuple[str, str], _Window] = OrderedDict()

    def admit(
        self, request_id: str, claims: list[RateClaim], tokens: int, now: float | None = None
    ) -> NoRoom | None:
        """Count a request in every window, or say which one has no room; then nothing is counted.

        Args:
            request_id: as `ended` will name it.
            claims: every window that the request counts in.
            tokens: what it is expected to use.
            now: seconds since the epoch; the clock by default.
        """
        minute, inside = divmod(time.time() if now is None else now, _MINUTE)
        past = inside / _MINUTE
        windows = [self._window(claim, int(minute)) for claim in claims]
        for which, (claim, window) in enumerate(zip(claims, windows, strict=True)):
            limit = claim.limit
            if limit.requests_per_minute is not None:
                wait = wait_for_room(
                    limit.requests_per_minute, window.requests, window.requests_before, 1, past
                )
                if wait > 0:
                    return NoRoom(which, "requests_per_minute", wait)
            if limit.tokens_per_minute is not None and tokens:
                wait = wait_for_room(
                    limit.tokens_per_minute, window.tokens, window.tokens_before, tokens, past
                )
                if wait > 0:
                    return NoRoom(which, "tokens_per_minute", wait)
            if (
                limit.concurrent_requests is not None
                and len(window.running) >= limit.concurrent_requests
            ):
                return NoRoom(which, "concurrent_requests", 1.0)
        for window in windows:
            window.requests += 1
            window.tokens += tokens
            window.running.add(request_id)
        return None

    def ended(self, request_id: str, claims: list[RateClaim], more_tokens: int) -> None:
        """Take a request out again and correct what it was expected to use."""
        for claim in claims:
            window = self._windows.get((claim.limit.id, claim.entity_id))
            if window is not None:
                window.running.discard(request_id)
                window.tokens = max(0, window.tokens + more_tokens)

    def clear(self) -> None:
        """Forget everything: Redis counts again."""
        self._windows.clear()

    def _window(self, claim: RateClaim, minute: int) -> _Window:
        key = (claim.limit.id, claim.entity_id)
        window = self._windows.setdefault(key, _Window())
        self._windows.move_to_end(key)
        if len(self._windows) > _MAX_WINDOWS:
            self._windows.popitem(last=False)
        window.turn_to(minute)
        return window
