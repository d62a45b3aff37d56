"""Who a call is attributed to, when a token, headers and the directory say different things."""

import asyncio
from dataclasses import dataclass
from typing import Any

from oco_proxy.proxy.headers import Fields
from oco_proxy.proxy.identity import Directory, identify
from oco_warehouse.database import Warehouse, create_pool
from oco_warehouse.records import Identity


@dataclass
class OneToken:
    """A book with one valid token."""

    identity: Identity

    async def find(self, _: str) -> Any:
        return self


def who(warehouse: Warehouse, own: Identity, **headers: str) -> Identity:
    warehouse.execute(
        "INSERT INTO oco.organizations (id, name) VALUES ('o', 'o'), ('elsewhere', 'e')"
    )
    warehouse.execute("INSERT INTO oco.teams (id, name, org_id) VALUES ('t', 't', 'o')")
    warehouse.execute("INSERT INTO oco.agents (id, name, team_id) VALUES ('a', 'a', 't')")

    async def run() -> Identity:
        pool = await create_pool(warehouse.url, max_size=1)
        directory = Directory()
        await directory.refresh(pool)
        await pool.close()
        raw = [(f"x-{name}-id".encode(), value.encode()) for name, value in headers.items()]
        book: Any = OneToken(own)
        return await identify(Fields([(b"x-oco-token", b"secret"), *raw]), book, directory)

    return asyncio.run(run())


def test_headers_cannot_move_an_agents_token_to_another_team(warehouse: Warehouse) -> None:
    said = who(warehouse, Identity(agent_id="a"), agent="a", team="other", org="elsewhere")
    assert said == Identity(agent_id="a", team_id="t", org_id="o")


def test_headers_cannot_move_a_teams_token_to_another_organization(warehouse: Warehouse) -> None:
    said = who(warehouse, Identity(team_id="t"), agent="new", org="elsewhere", user="u")
    assert said == Identity(agent_id="new", team_id="t", user_id="u", org_id="o")


def test_headers_say_what_a_token_leaves_open(warehouse: Warehouse) -> None:
    said = who(warehouse, Identity(user_id="u"), agent="a")
    assert said == Identity(agent_id="a", team_id="t", user_id="u", org_id="o")
