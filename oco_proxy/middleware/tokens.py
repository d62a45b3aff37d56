"""Access tokens: looked up by their hash, remembered for a few seconds, never kept in the clear."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import asyncpg

from oco_warehouse.records import Identity
from oco_warehouse.tokens import Role, hash_token

# A revoked token stops within this time on every gateway.
REMEMBER_SECONDS: Final = 2.0
_MAX_REMEMBERED: Final = 10_000
_READ: Final = """
SELECT id::text AS id, name, role, agent_id, team_id, user_id, org_id
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


class TokenBook:
    """Valid tokens by hash. A wrong token is remembered too, so that guessing costs no database."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._known: OrderedDict[str, tuple[float, Token | None]] = OrderedDict()

    async def find(self, secret: str) -> Token | None:
        """The token of a secret; None when it is not (or no longer) valid.

        Raises:
            asyncpg.PostgresError, OSError, TimeoutError: when PostgreSQL does not answer.
        """
        digest = hash_token(secret)
        now = time.monotonic()
        known = self._known.get(digest)
        if known is not None and now - known[0] < REMEMBER_SECONDS:
            return known[1]
        row = await self._pool.fetchrow(_READ, digest)
        token = None
        if row is not None:
            identity = Identity(row["agent_id"], row["team_id"], row["user_id"], row["org_id"])
            token = Token(row["id"], row["name"], row["role"], identity)
        self._known[digest] = (now, token)
        self._known.move_to_end(digest)
        if len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return token
