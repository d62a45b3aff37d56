"""The multiplexed connection against a real Redis, and against one that misbehaves."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis

from oco_proxy.budget.redis_link import RedisLink

Work = Callable[[RedisLink], Awaitable[None]]


def with_link(url: str, work: Work, timeout: float = 2) -> None:
    async def run() -> None:
        link = RedisLink(url, timeout)
        try:
            await work(link)
        finally:
            await link.close()

    asyncio.run(run())


def with_server(answer: bytes | None, work: Work) -> None:
    """A server that answers every command with the same bytes; None: with silence."""

    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(65536):
                if answer is not None:
                    writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        link = RedisLink(f"redis://127.0.0.1:{port}/0", 0.2)
        try:
            await work(link)
        finally:
            await link.close()
            server.close()

    asyncio.run(run())


def test_a_thousand_commands_at_once_get_their_own_answers(redis_url: str) -> None:
    async def work(link: RedisLink) -> None:
        answers = await asyncio.gather(*(link.execute("ECHO", str(n)) for n in range(1000)))
        assert answers == [str(n) for n in range(1000)]

    with_link(redis_url, work)


def test_what_is_posted_first_is_done_first(redis_url: str) -> None:
    async def work(link: RedisLink) -> None:
        failures: list[Exception] = []
        await link.execute("SET", "n", 0)
        for _ in range(50):
            link.post(("INCR", "n"), failures.append)
        assert await link.execute("GET", "n") == "50"
        assert failures == []

    with_link(redis_url, work)


def test_a_refused_command_fails_alone(redis_url: str) -> None:
    async def work(link: RedisLink) -> None:
        bad, good = await asyncio.gather(
            link.execute("NO-SUCH-COMMAND"), link.execute("ECHO", "x"), return_exceptions=True
        )
        assert isinstance(bad, redis.ResponseError)
        assert good == "x"

    with_link(redis_url, work)


def test_an_abandoned_command_does_not_shift_the_answers_of_others(redis_url: str) -> None:
    async def work(link: RedisLink) -> None:
        await link.execute("PING")
        abandoned = asyncio.create_task(link.execute("ECHO", "first"))
        await asyncio.sleep(0)
        abandoned.cancel()
        assert await link.execute("ECHO", "second") == "second"

    with_link(redis_url, work)


def test_a_lost_connection_fails_what_waits_and_the_next_command_opens_another(
    redis_url: str,
) -> None:
    async def work(link: RedisLink) -> None:
        own = await link.execute("CLIENT", "ID")
        redis.Redis.from_url(redis_url).client_kill_filter(_id=own)
        with pytest.raises(redis.ConnectionError):
            for _ in range(100):
                await link.execute("PING")
                await asyncio.sleep(0.01)
        assert await link.execute("PING") == "PONG"

    with_link(redis_url, work)


def test_a_silent_redis_is_given_up_in_time() -> None:
    async def work(link: RedisLink) -> None:
        async with asyncio.timeout(1):
            with pytest.raises(redis.TimeoutError):
                await link.execute("PING")

    with_server(None, work)


def test_something_that_is_not_redis_is_told_apart() -> None:
    async def work(link: RedisLink) -> None:
        with pytest.raises(redis.ConnectionError):
            await link.execute("PING")

    with_server(b"HTTP/1.1 400 Bad Request\r\n\r\n", work)


def test_an_unreachable_redis_is_an_error_of_redis() -> None:
    async def work(link: RedisLink) -> None:
        with pytest.raises(redis.ConnectionError):
            await link.execute("PING")
        failures: list[Exception] = []
        link.post(("PING",), failures.append)
        assert len(failures) == 1

    with_link("redis://127.0.0.1:1/0", work)
