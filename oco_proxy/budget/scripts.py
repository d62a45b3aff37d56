"""Redis' side of the budgets: keys, scripts and what they answer. No decision is made here."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from redis.exceptions import ResponseError

from oco_proxy.budget.holds import Hold
from oco_proxy.budget.limits import Claim
from oco_proxy.budget.rates import RateClaim
from oco_proxy.budget.redis_link import Argument, RedisLink

# Answers come in well under a millisecond; a Redis that needs longer is treated as gone.
TIMEOUT_SECONDS: Final = 0.5
# A gateway says every few seconds that its requests still run, so the holds of a crashed one end.
RESERVATION_MS: Final = 60_000
# What was spent stays held until its row is written, however long PostgreSQL is away.
SETTLED_MS: Final = 24 * 3600 * 1000
# A Redis without memory admits nobody for as long as every gateway needs to tell what it holds. One
# that stands still for longer than that at this very moment is not waited for.
GRACE_MS: Final = 1000
_KEPT_AFTER_PERIOD: Final = timedelta(days=2)
_NO_LIMIT: Final = -1
# Periods of budgets whose keys are made once instead of twice a call.
_REMEMBERED: Final = 4096

# One hash tag: all keys of one script lie in one slot of a cluster.
_PREFIX: Final = "oco:{budgets}"
EPOCH_KEY: Final = f"{_PREFIX}:epoch"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the admission script said.

    Attributes:
        kind: ok, epoch, wait, seed, over or rate.
        which: index of the claim that is meant, for seed, over and rate.
        what: the rate that is used up.
    """

    kind: str
    epoch: str = ""
    wait_ms: int = 0
    which: int = 0
    spent_nano: int = 0
    held_nano: int = 0
    what: str = ""


ADMITTED: Final = Verdict("ok")


class _Script:
    """A script that Redis knows by its hash once it has seen it."""

    def __init__(self, link: RedisLink, name: str) -> None:
        self._link = link
        self._text = resources.files("oco_proxy.budget").joinpath(name).read_text("utf-8")
        # Redis names a script by its SHA-1; nothing rests on it being hard to forge.
        self._hash = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, keys: Sequence[str], arguments: list[Argument]) -> Any:
        try:
            return await self._link.execute("EVALSHA", self._hash, len(keys), *keys, *arguments)
        except ResponseError as error:
            if not _is_unknown(error):
                raise
        return await self._link.execute("EVAL", self._text, len(keys), *keys, *arguments)

    def post(
        self,
        keys: list[str],
        arguments: list[Argument],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """Run without waiting."""

        def failed(error: Exception) -> None:
            if _is_unknown(error):
                whole = ("EVAL", self._text, len(keys), *keys, *arguments)
                self._link.post(whole, on_failure)
            else:
                on_failure(error)

        self._link.post(("EVALSHA", self._hash, len(keys), *keys, *arguments), failed)


class Scripts:
    """The three scripts.

    Every coroutine may raise `redis.RedisError`: Redis is gone or refuses.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._admission = _Script(link, "admission.lua")
        self._hold = _Script(link, "hold.lua")
        self._posting = _Script(link, "posting.lua")
        self._next_epoch = uuid.uuid4().hex

    async def admit(self, hold: Hold, epoch: str, seeds: dict[str, int]) -> Verdict:
        """Check and reserve. `seeds` are nano-dollars by budget id, as PostgreSQL says."""
        keys = [EPOCH_KEY]
        arguments: list[Argument] = [epoch, self._next_epoch, GRACE_MS]
        arguments += [hold.request_id, hold.amount_nano, RESERVATION_MS]
        arguments += [len(hold.claims), hold.tokens]
        for claim in hold.claims:
            keys += _keys(claim)
            seed = seeds.get(claim.budget.id, -1)
            arguments += [claim.budget.limit_nano, seed, _expiry(claim)]
        for rate in hold.rates:
            keys += _rate_keys(rate)
            limit = rate.limit
            for most in (
                limit.requests_per_minute,
                limit.tokens_per_minute,
                limit.concurrent_requests,
            ):
                arguments.append(_NO_LIMIT if most is None else most)
        kind, *rest = await self._admission.run(keys, arguments)
        if kind == "ok":
            return ADMITTED
        if kind == "epoch":
            self._next_epoch = uuid.uuid4().hex  # the last one may be in use now
            return Verdict(kind, epoch=rest[0])
        if kind == "wait":
            return Verdict(kind, wait_ms=int(rest[0]))
        if kind == "seed":
            return Verdict(kind, which=int(rest[0]) - 1)
        if kind == "rate":
            return Verdict(kind, which=int(rest[0]) - 1, what=rest[1], wait_ms=int(rest[2]))
        which, spent, held = map(int, rest)
        return Verdict(kind, which=which - 1, spent_nano=spent, held_nano=held)

    async def hold(self, hold: Hold) -> None:
        """Make Redis hold what this process says that it holds."""
        await self._hold.run(*_hold_arguments(hold, 0))

    def settle(self, hold: Hold, more_tokens: int, on_failure: Callable[[Exception], None]) -> None:
        """Say that a request has ended, without waiting: nothing overtakes it on the way."""
        self._hold.post(*_hold_arguments(hold, more_tokens), on_failure)

    async def post(
        self, claim_keys: Sequence[str], spent: int, expiry: int, ids: list[str]
    ) -> None:
        """End the holds of recorded requests and raise what is spent."""
        await self._posting.run(claim_keys, [spent, expiry, *ids])

    async def epoch(self) -> str | None:
        """The current epoch; None when Redis has none."""
        epoch = await self._link.execute("HGET", EPOCH_KEY, "id")
        return None if epoch is None else str(epoch)

    async def begin_epoch(self) -> None:
        """Make every gateway tell again what it holds, and every counter be seeded again."""
        seconds, micros = await self._link.execute("TIME")
        born = int(seconds) * 1000 + int(micros) // 1000
        await self._link.execute("HSET", EPOCH_KEY, "id", uuid.uuid4().hex, "born", born)


@lru_cache(_REMEMBERED)
def posting_keys(budget_id: str, period_start: datetime) -> tuple[str, str, str]:
    """Keys of one period of one budget."""
    base = f"{_PREFIX}:{budget_id}:{int(period_start.timestamp())}"
    return base, f"{base}:holds", f"{base}:expiries"


@lru_cache(_REMEMBERED)
def keys_expire_at(period_end: datetime) -> int:
    """When the keys of a period go, in ms since the epoch."""
    return int((period_end + _KEPT_AFTER_PERIOD).timestamp() * 1000)


def _hold_arguments(hold: Hold, more_tokens: int) -> tuple[list[str], list[Argument]]:
    keys = [key for claim in hold.claims for key in _keys(claim)]
    keys += [key for rate in hold.rates for key in _rate_keys(rate)]
    lifetime = SETTLED_MS if hold.settled else RESERVATION_MS
    arguments: list[Argument] = [hold.request_id, hold.amount_nano, lifetime, len(hold.claims)]
    arguments += [int(hold.settled), more_tokens]
    arguments += [_expiry(claim) for claim in hold.claims]
    arguments += [int(rate.limit.concurrent_requests is not None) for rate in hold.rates]
    return keys, arguments


def _keys(claim: Claim) -> tuple[str, str, str]:
    return posting_keys(claim.budget.id, claim.period.start)


def _rate_keys(claim: RateClaim) -> list[str]:
    base = f"{_PREFIX}:rate:{claim.limit.id}:{claim.entity_id}"
    return [base, f"{base}:running"]


def _expiry(claim: Claim) -> int:
    return keys_expire_at(claim.period.end)


def _is_unknown(error: Exception) -> bool:
    return isinstance(error, ResponseError) and str(error).startswith("NOSCRIPT")
