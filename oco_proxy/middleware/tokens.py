"""Access tokens: looked up by their hash, remembered for a few seconds, never kept in the clear.

While PostgreSQL does not answer nobody can revoke a token either, so what it said last still holds.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import asyncpg
import structlog

from oco_warehouse.database import POSTGRES_GONE
from oco_warehouse.records import Identity
from oco_warehouse.tokens import Role, hash_token

_log = structlog.get_logger(__name__)

# A revoked token stops within this time on every gateway.
REMEMBER_SECONDS: Final = 2.0
# How long a token outlives PostgreSQL's last word on it.
STALE_SECONDS: Final = 3600.0
ASK_SECONDS: Final = 2.0
REST_SECONDS: Final = 1.0
_MAX_REMEMBERED: Final = 10_000
_READ: Final = """
SELECT id::text AS id, name, role, agent_id, team_id, user_id, org_id, expires_at
FROM oco.api_tokens
WHERE token_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""


@dataclass(frozen=True, slots=True)
class Token:
    """A valid token."""

    id: str
    name: str
    role: Role
    identity: Identity
    expires_at: datetime | None = None


class _Known(NamedTuple):
    at: float
    token: Token | None

    def outlives_the_warehouse(self, now: float) -> bool:
        if self.token is None or now - self.at > STALE_SECONDS:
            return False
        return self.token.expires_at is None or self.token.expires_at > datetime.now(UTC)


class TokenBook:
    """Valid tokens by hash. A wrong token is remembered too, so that guessing costs no database."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._resting_until = 0.0

    async def find(self, secret: str) -> Token | None:
        """The token of a secret; None when it is not (or no longer) valid.

        Raises:
            `POSTGRES_GONE`: when PostgreSQL
                does not answer and the token is not known from before.
        """
        digest = hash_token(secret)
        now = time.monotonic()
        known = self._known.get(digest)
        if known is not None and now - known.at < REMEMBER_SECONDS:
            return known.token
        last = known if known is not None and known.outlives_the_warehouse(now) else None
        if last is not None and now < self._resting_until:
            return last.token
        try:
            token = await self._read(digest)
        except POSTGRES_GONE as error:
            if last is None:
                raise
            self._resting_until = time.monotonic() + REST_SECONDS
            _log.warning("tokens_not_checked", reason=type(error).__name__)
            return last.token
        self._known[digest] = _Known(now, token)
        self._known.move_to_end(digest)
        if len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return token

    async def _read(self, digest: str) -> Token | None:
        async with asyncio.timeout(ASK_SECONDS):
            row = await self._pool.fetchrow(_READ, digest)
        if row is None:
            return None
        identity = Identity(row["agent_id"], row["team_id"], row["user_id"], row["org_id"])
        return Token(row["id"], row["name"], row["role"], identity, row["expires_at"])
