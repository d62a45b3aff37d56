"""Redis' side of the budgets: keys, scripts and what they answer. No decision is made here."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from typing import Any, Final

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from oco_proxy.budget.holds import Hold
from oco_proxy.budget.limits import Claim

# Answers come in well under a millisecond; a Redis that needs longer is treated as gone.
TIMEOUT_SECONDS: Final = 0.5
MAX_CONNECTIONS: Final = 64
# A gateway says every few seconds that its requests still run, so the holds of a crashed one end.
RESERVATION_MS: Final = 60_000
# What was spent stays held until its row is written, however long PostgreSQL is away.
SETTLED_MS: Final = 24 * 3600 * 1000
# A Redis without memory admits nobody for as long as every gateway needs to tell what it holds.
GRACE_MS: Final = 600
_KEPT_AFTER_PERIOD: Final = timedelta(days=2)

# One hash tag: all keys of one script lie in one slot of a cluster.
_PREFIX: Final = "oco:{budgets}"
EPOCH_KEY: Final = f"{_PREFIX}:epoch"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the admission script said.

    Attributes:
        kind: ok, epoch, wait, seed or over.
        which: index of the claim that is meant, for seed and over.
    """

    kind: str
    epoch: str = ""
    wait_ms: int = 0
    which: int = 0
    spent_nano: int = 0
    held_nano: int = 0


def connect(url: str) -> "redis.asyncio.Redis":
    """A client with a bounded, waiting pool; the caller closes it."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
        decode_responses=True,
    )
    return redis.asyncio.Redis.from_pool(pool)


class Scripts:
    """The three scripts. Every method may raise `redis.RedisError`, OSError or TimeoutError."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client = client
        folder = resources.files("oco_proxy.budget")
        self._admission, self._hold, self._posting = (
            client.register_script(folder.joinpath(name).read_text("utf-8"))
            for name in ("admission.lua", "hold.lua", "posting.lua")
        )

    async def admit(self, hold: Hold, epoch: str, seeds: dict[str, int]) -> Verdict:
        """Check and reserve. `seeds` are nano-dollars by budget id, as PostgreSQL says."""
        keys = [EPOCH_KEY]
        arguments: list[Any] = [epoch, uuid.uuid4().hex, GRACE_MS]
        arguments += [hold.request_id, hold.amount_nano, RESERVATION_MS]
        for claim in hold.claims:
            keys += _keys(claim)
            seed = seeds.get(claim.budget.id, -1)
            arguments += [claim.budget.limit_nano, seed, _expiry(claim)]
        kind, *rest = await self._admission(keys=keys, args=arguments)
        if kind == "epoch":
            return Verdict(kind, epoch=rest[0])
        if kind == "wait":
            return Verdict(kind, wait_ms=int(rest[0]))
        if kind == "seed":
            return Verdict(kind, which=int(rest[0]) - 1)
        if kind == "over":
            which, spent, held = map(int, rest)
            return Verdict(kind, which=which - 1, spent_nano=spent, held_nano=held)
        return Verdict("ok")

    async def hold(self, hold: Hold) -> None:
        """Make Redis hold what this process says that it holds."""
        keys = [key for claim in hold.claims for key in _keys(claim)]
        lifetime = SETTLED_MS if hold.settled else RESERVATION_MS
        expiries = [_expiry(claim) for claim in hold.claims]
        await self._hold(keys=keys, args=[hold.request_id, hold.amount_nano, lifetime, *expiries])

    async def post(self, claim_keys: list[str], spent: int, expiry: int, ids: list[str]) -> None:
        """End the holds of recorded requests and raise what is spent."""
        await self._posting(keys=claim_keys, args=[spent, expiry, *ids])

    async def epoch(self) -> str | None:
        """The current epoch; None when Redis has none."""
        epoch = await self._client.hget(EPOCH_KEY, "id")
        return None if epoch is None else str(epoch)

    async def begin_epoch(self) -> None:
        """Make every gateway tell again what it holds, and every counter be seeded again."""
        seconds, micros = await self._client.time()
        born = seconds * 1000 + micros // 1000
        await self._client.hset(EPOCH_KEY, mapping={"id": uuid.uuid4().hex, "born": born})


def posting_keys(budget_id: str, period_start: datetime) -> list[str]:
    """Keys of one period of one budget."""
    base = f"{_PREFIX}:{budget_id}:{int(period_start.timestamp())}"
    return [base, f"{base}:holds", f"{base}:expiries"]


def _keys(claim: Claim) -> list[str]:
    return posting_keys(claim.budget.id, claim.period.start)


def _expiry(claim: Claim) -> int:
    return keys_expire_at(claim.period.end)


def keys_expire_at(period_end: datetime) -> int:
    """When the keys of a period go, in ms since the epoch."""
    return int((period_end + _KEPT_AFTER_PERIOD).timestamp() * 1000)
