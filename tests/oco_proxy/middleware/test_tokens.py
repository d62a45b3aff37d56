"""What a token is worth when PostgreSQL speaks, and when it is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from oco_proxy.middleware import tokens
from oco_proxy.middleware.tokens import TokenBook
from oco_warehouse.database import Warehouse, create_pool
from oco_warehouse.tokens import hash_token

ADD = (
    "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role, agent_id, expires_at) "
    "VALUES ('t', %s, 'oco_t', 'agent', 'bot', now() + %s::interval)"
)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REMEMBER_SECONDS", 0.0)


def run(warehouse: Warehouse, work: Callable[[TokenBook, Any], Awaitable[None]]) -> None:
    async def begin() -> None:
        pool = await create_pool(warehouse.url, max_size=2)
        try:
            await work(TokenBook(pool), pool)
        finally:
            pool.terminate()

    asyncio.run(begin())


@pytest.mark.usefixtures("forgetful")
def test_a_revoked_token_is_worth_nothing(warehouse: Warehouse) -> None:
    warehouse.execute(ADD, [hash_token("oco_a"), "1 hour"])

    async def work(book: TokenBook, pool: Any) -> None:
        found = await book.find("oco_a")
        assert found is not None and found.identity.agent_id == "bot"
        await pool.execute("UPDATE oco.api_tokens SET revoked_at = now()")
        assert await book.find("oco_a") is None

    run(warehouse, work)


@pytest.mark.usefixtures("forgetful")
def test_without_postgresql_known_tokens_hold_and_others_cannot_be_checked(
    warehouse: Warehouse,
) -> None:
    warehouse.execute(ADD, [hash_token("oco_a"), "1 hour"])

    async def work(book: TokenBook, pool: Any) -> None:
        assert await book.find("oco_a") is not None
        assert await book.find("oco_wrong") is None
        await pool.close()
        assert await book.find("oco_a") is not None
        for secret in ("oco_wrong", "oco_new"):
            with pytest.raises(asyncpg.InterfaceError):
                await book.find(secret)

    run(warehouse, work)


@pytest.mark.usefixtures("forgetful")
def test_without_postgresql_a_token_still_expires(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.execute(ADD, [hash_token("oco_a"), "1 second"])
    warehouse.execute(ADD, [hash_token("oco_b"), "1 hour"])

    async def work(book: TokenBook, pool: Any) -> None:
        assert await book.find("oco_a") is not None
        assert await book.find("oco_b") is not None
        await pool.close()
        await asyncio.sleep(1.1)
        with pytest.raises(asyncpg.InterfaceError):
            await book.find("oco_a")
        assert await book.find("oco_b") is not None
        monkeypatch.setattr(tokens, "STALE_SECONDS", 0.5)
        with pytest.raises(asyncpg.InterfaceError):
            await book.find("oco_b")

    run(warehouse, work)
