"""Who a call is attributed to, when a token, headers and the directory say different things."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from oco_proxy.proxy.headers import Fields
from oco_proxy.proxy.identity import Directory, identify, read_tags
from oco_warehouse.database import Warehouse, create_pool
from oco_warehouse.errors import InvalidInputError
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


@pytest.mark.parametrize("spelled", ["böt".encode(), "böt".encode("latin-1"), "bo\u0308t".encode()])
def test_a_name_is_the_same_however_a_header_spells_it(spelled: bytes) -> None:
    fields = Fields([(b"x-agent-id", spelled)])
    tokens: Any = None
    said = asyncio.run(identify(fields, tokens, Directory()))
    assert said == Identity(agent_id="böt")


@pytest.mark.parametrize(
    "spelled",
    [
        '{"é":"ü"}'.encode(),
        '{"é":"ü"}'.encode("latin-1"),
        b'{"\\u00e9":"\\u00fc"}',
        b'{"e\\u0301":"u\\u0308"}',
    ],
)
def test_a_tag_is_the_same_however_a_header_spells_it(spelled: bytes) -> None:
    assert read_tags(Fields([(b"x-oco-tags", spelled)])) == {"é": "ü"}


@pytest.mark.parametrize("hidden", ["\x07", "\u200b", "\u3164"])
def test_names_with_what_nobody_sees_are_refused(hidden: str) -> None:
    tokens: Any = None
    with pytest.raises(InvalidInputError, match="visible"):
        fields = Fields([(b"x-agent-id", f"b{hidden}t".encode())])
        asyncio.run(identify(fields, tokens, Directory()))
    with pytest.raises(InvalidInputError, match="visible"):
        read_tags(Fields([(b"x-oco-tags", json.dumps({"t": hidden}).encode())]))


def test_a_directory_that_spells_a_name_apart_still_knows_its_team(warehouse: Warehouse) -> None:
    warehouse.execute("INSERT INTO oco.organizations (id, name) VALUES ('o', 'o')")
    warehouse.execute("INSERT INTO oco.teams (id, name, org_id) VALUES ('t', 't', 'o')")
    warehouse.execute(
        "INSERT INTO oco.agents (id, name, team_id) VALUES (%s, 'a', 't')", ["bo\u0308t"]
    )

    async def run() -> Identity:
        pool = await create_pool(warehouse.url, max_size=1)
        directory = Directory()
        await directory.refresh(pool)
        await pool.close()
        return directory.complete(Identity(agent_id="böt"))

    assert asyncio.run(run()).team_id == "t"
