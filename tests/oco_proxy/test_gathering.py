import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.gathering import LARGE_BYTES, GatheringTransport


class Written:
    """A transport that keeps what it is told."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def gathering(target: Written) -> GatheringTransport:
    return GatheringTransport(cast("asyncio.Transport", target), asyncio.get_running_loop())


def test_a_head_and_its_body_go_out_at_once_and_together() -> None:
    target = Written()

    async def work() -> None:
        transport = gathering(target)
        transport.write(b"head ")
        assert target.writes == []
        transport.write(b"body")
        assert target.writes == [b"head body"]

    asyncio.run(work())


def test_a_head_without_a_body_waits_for_no_longer_than_the_turn() -> None:
    target = Written()

    async def work() -> None:
        gathering(target).write(b"head")
        await asyncio.sleep(0)
        assert target.writes == [b"head"]

    asyncio.run(work())


def test_closing_sends_first_what_waits() -> None:
    target = Written()

    async def work() -> None:
        transport = gathering(target)
        transport.write(b"last words")
        transport.close()
        assert transport.is_closing()
        await asyncio.sleep(0)

    asyncio.run(work())
    assert (target.writes, target.closed) == ([b"last words"], True)


@given(st.lists(st.sampled_from([0, 1, 100, LARGE_BYTES - 1, LARGE_BYTES, LARGE_BYTES + 1])))
def test_no_byte_is_lost_doubled_or_moved(sizes: list[int]) -> None:
    target = Written()
    pieces = [bytes([index % 256]) * size for index, size in enumerate(sizes)]

    async def work() -> None:
        transport = gathering(target)
        for index, piece in enumerate(pieces):
            transport.write(piece)
            if index % 3 == 2:
                await asyncio.sleep(0)
        transport.close()

    asyncio.run(work())
    assert b"".join(target.writes) == b"".join(pieces)


def test_everything_else_is_the_transports_own() -> None:
    async def work() -> None:
        assert gathering(Written()).is_closing() is False
        with pytest.raises(AttributeError):
            gathering(Written()).no_such_thing  # noqa: B018

    asyncio.run(work())
