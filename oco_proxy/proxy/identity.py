"""Who calls: a gateway token's own identity, else the headers, completed from the directory.

An agent that leaves its team unsaid still belongs to it: what a request does not say is looked up,
so that a team's or an organization's budget cannot be walked around by leaving a header out.
"""

import asyncio
from dataclasses import replace
from typing import Final

import asyncpg
import msgspec
import structlog

from oco_proxy.middleware.tokens import TokenBook
from oco_proxy.proxy.headers import Fields
from oco_warehouse.database import POSTGRES_GONE
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.names import is_visible, one_spelling
from oco_warehouse.records import Identity

_log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 2.0
MAX_ID_LENGTH: Final = 200
MAX_TAGS: Final = 20


class InvalidToken(InvalidInputError):
    """The X-OCO-Token is not valid, or there is none where one is needed."""


class Directory:
    """Agents, teams and users, as the warehouse has them."""

    def __init__(self) -> None:
        self._team_of_agent: dict[str, str] = {}
        self._org_of_team: dict[str, str] = {}
        self._org_of_user: dict[str, str] = {}

    async def refresh(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Read the whole directory again."""
        agents = await pool.fetch("SELECT id, team_id FROM oco.agents")
        teams = await pool.fetch("SELECT id, org_id FROM oco.teams")
        users = await pool.fetch("SELECT id, org_id FROM oco.users WHERE org_id IS NOT NULL")
        self._team_of_agent = _by_id(agents, "team_id")
        self._org_of_team = _by_id(teams, "org_id")
        self._org_of_user = _by_id(users, "org_id")

    async def run(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Refresh until cancelled."""
        while True:
            try:
                await self.refresh(pool)
            except POSTGRES_GONE as error:
                _log.warning("directory_not_refreshed", reason=type(error).__name__)
            await asyncio.sleep(REFRESH_SECONDS)

    def complete(self, identity: Identity) -> Identity:
        """Fill in what the directory knows and the request does not say."""
        team = identity.team_id
        if team is None and identity.agent_id is not None:
            team = self._team_of_agent.get(identity.agent_id)
        org = identity.org_id
        if org is None and team is not None:
            org = self._org_of_team.get(team)
        if org is None and identity.user_id is not None:
            org = self._org_of_user.get(identity.user_id)
        if (team, org) == (identity.team_id, identity.org_id):
            return identity
        return replace(identity, team_id=team, org_id=org)


async def identify(
    headers: Fields, tokens: TokenBook, directory: Directory, *, token_required: bool = False
) -> Identity:
    """Who calls. A token's own identity wins, field by field, over the headers.

    Raises:
        InvalidToken: when an X-OCO-Token is given and not valid, or is required and not given.
        InvalidInputError: when a header is not usable as an identifier.
        `POSTGRES_GONE`: when a token cannot be checked.
    """
    said = Identity(
        agent_id=_identifier(headers, b"x-agent-id"),
        team_id=_identifier(headers, b"x-team-id"),
        user_id=_identifier(headers, b"x-user-id"),
        org_id=_identifier(headers, b"x-org-id"),
    )
    secret = headers.get(b"x-oco-token")
    if secret:
        token = await tokens.find(secret)
        if token is None:
            raise InvalidToken("the X-OCO-Token is not valid, has expired or was revoked")
        # What the token's own identity implies cannot be said otherwise by a header.
        own = directory.complete(token.identity)
        if own.agent_id is not None and own.agent_id != said.agent_id:
            # The header's team and organization belong to another agent than the token's.
            said = replace(said, agent_id=own.agent_id, team_id=None, org_id=None)
        said = Identity(
            agent_id=own.agent_id or said.agent_id,
            team_id=own.team_id or said.team_id,
            user_id=own.user_id or said.user_id,
            org_id=own.org_id or said.org_id,
        )
    elif token_required:
        raise InvalidToken("this gateway needs an X-OCO-Token, and the call has none")
    return directory.complete(said)


def read_tags(headers: Fields) -> dict[str, str]:
    """Attribution tags from `X-OCO-Tags`, a JSON object of short texts.

    Raises:
        InvalidInputError: when the header is something else.
    """
    text = headers.text(b"x-oco-tags")
    if not text:
        return {}
    try:
        tags = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        tags = None
    if (
        not isinstance(tags, dict)
        or len(tags) > MAX_TAGS
        or not all(
            isinstance(value, str)
            and 0 < len(name) <= MAX_ID_LENGTH
            and len(value) <= MAX_ID_LENGTH
            and is_visible(name + value)
            for name, value in tags.items()
        )
    ):
        raise InvalidInputError(
            f"X-OCO-Tags must be a JSON object of at most {MAX_TAGS} texts of at most "
            f"{MAX_ID_LENGTH} visible characters"
        )
    return {one_spelling(name): one_spelling(value) for name, value in tags.items()}


def _identifier(headers: Fields, name: bytes) -> str | None:
    value = headers.text(name).strip()
    if not value:
        return None
    if len(value) > MAX_ID_LENGTH or not is_visible(value):
        raise InvalidInputError(
            f"{name.decode().title()} must be at most {MAX_ID_LENGTH} visible characters"
        )
    return one_spelling(value)


def _by_id(rows: list[asyncpg.Record], column: str) -> dict[str, str]:
    """The column by id, both as headers are read."""
    return {one_spelling(row["id"]): one_spelling(row[column]) for row in rows}
