"""The client towards providers, against servers that say exactly what a test wants."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oco_proxy.proxy.http1 import HIGH_WATER_BYTES
from oco_proxy.proxy.upstream import Answer, Upstream, UpstreamFailure

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
    b"X-Odd: \xe9\r\nX-Twice: a\r\nX-Twice: b\r\n\r\n"
    b"3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: t\r\n\r\n"
)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Work = Callable[[Upstream, str], Awaitable[None]]


def run(serve: Serve, work: Work, silence: float = 5) -> None:
    async def main() -> None:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(guarded, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x?q=1"
        async with asyncio.timeout(20), Upstream(silence) as upstream:
            await work(upstream, url)
        server.close()

    asyncio.run(main())


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head, await reader.readexactly(length)


def saying(*pieces: bytes, close: bool = False) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                return

    return serve


async def ask(
    upstream: Upstream, url: str, method: str = "POST", body: bytes = b"{}"
) -> tuple[int, list[Any], bytes]:
    sent = await upstream.send(method, url, [(b"X-Mine", b"1")], body)
    async with sent as answer:
        return answer.status, answer.headers, await whole_body(answer)


async def whole_body(answer: Answer) -> bytes:
    parts = []
    while part := await answer.next_fragment():
        parts.append(part)
    return b"".join(parts)


def failure_of(serve: Serve, silence: float = 5) -> UpstreamFailure:
    caught: list[UpstreamFailure] = []

    async def work(upstream: Upstream, url: str) -> None:
        with pytest.raises(UpstreamFailure) as raised:
            await ask(upstream, url)
        caught.append(raised.value)

    run(serve, work, silence)
    return caught[0]


def test_a_request_arrives_as_it_was_given() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    async def work(upstream: Upstream, url: str) -> None:
        await ask(upstream, url, body=b'{"a": 1}')

    run(serve, work)
    head, body = seen[0]
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /v1/x?q=1 HTTP/1.1"
    assert lines[1].startswith(b"host: 127.0.0.1:")
    assert lines[2:4] == [b"X-Mine: 1", b"content-length: 8"]
    assert body == b'{"a": 1}'


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(0, len(CHUNKED)), max_size=12))
def test_an_answer_is_the_same_wherever_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CHUNKED)]
    pieces = [CHUNKED[a:b] for a, b in pairwise(edges)]

    async def work(upstream: Upstream, url: str) -> None:
        status, headers, body = await ask(upstream, url)
        assert (status, body) == (200, b"hello")
        assert headers[1:] == [(b"x-odd", b"\xe9"), (b"x-twice", b"a"), (b"x-twice", b"b")]

    run(saying(*pieces), work)


@pytest.mark.parametrize(
    ("method", "answer", "body"),
    [
        (
            "POST",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK,
            b"hello",
        ),
        ("POST", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        ("POST", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b""),
        ("POST", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_answers_without_a_body_and_interim_ones(method: str, answer: bytes, body: bytes) -> None:
    async def work(upstream: Upstream, url: str) -> None:
        for _ in range(3):
            status, headers, got = await ask(upstream, url, method)
            assert got == body
            assert status >= 200
            assert (b"Link", b"x") not in headers

    run(saying(answer), work)


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    async def work(upstream: Upstream, url: str) -> None:
        for _ in range(2):
            assert (await ask(upstream, url))[2] == b"to the end"

    run(saying(b"HTTP/1.1 200 OK\r\n\r\nto the", b" end", close=True), work)


def test_a_connection_is_used_again_after_an_error_and_not_after_connection_close() -> None:
    connections = 0
    answers = iter([
        b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno", OK,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", OK,
    ])  # fmt: skip

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(next(answers))

    async def work(upstream: Upstream, url: str) -> None:
        assert [(await ask(upstream, url))[0] for _ in range(4)] == [500, 200, 200, 200]

    run(serve, work)
    assert connections == 2


def test_an_answer_that_was_not_read_to_its_end_closes_the_connection() -> None:
    async def work(upstream: Upstream, url: str) -> None:
        async with await upstream.send("POST", url, [], b"{}") as answer:
            assert answer.status == 200
        assert (await ask(upstream, url))[2] == b"hello"

    run(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello"), work)


def test_bytes_after_an_answer_do_not_become_the_next_one() -> None:
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    answers = iter([OK + poison, OK])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(next(answers))

    async def work(upstream: Upstream, url: str) -> None:
        assert [(await ask(upstream, url))[2] for _ in range(2)] == [b"hello", b"hello"]

    run(serve, work)


def test_a_large_upload_arrives_whole_and_an_early_refusal_ends_it() -> None:
    body = bytes(range(256)) * 80_000
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not seen:
            seen.append((await read_request(reader))[1])
            writer.write(OK)
        else:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.2)

    async def work(upstream: Upstream, url: str) -> None:
        assert (await ask(upstream, url, body=body))[0] == 200
        assert (await ask(upstream, url.replace("127.0.0.1", "localhost"), body=body))[0] == 413

    run(serve, work)
    assert seen == [body]


def test_a_slow_reader_stops_the_provider_and_loses_nothing() -> None:
    size = 20 * HIGH_WATER_BYTES
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size

    async def work(upstream: Upstream, url: str) -> None:
        async with await upstream.send("POST", url, [], b"{}") as answer:
            await asyncio.sleep(0.3)
            assert len(answer._connection._fragments) * 65536 <= 2 * HIGH_WATER_BYTES + 262144
            got = await whole_body(answer)
        assert len(got) == size

    run(saying(head, b"x" * size), work)


@pytest.mark.parametrize(
    ("pieces", "error_type", "status"),
    [
        ([], "upstream_reset", 502),
        ([b"HTTP/1.1 200"], "upstream_reset", 502),
        ([b"not http at all\r\n\r\n"], "upstream_reset", 502),
        ([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"], "upstream_reset", 502),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400_000 + b"\r\n\r\n"], "upstream_reset", 502),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], "upstream_reset", 502),
        ([CHUNKED[:-20]], "upstream_reset", 502),
    ],
)
def test_a_broken_answer_is_told_apart_from_a_whole_one(
    pieces: list[bytes], error_type: str, status: int
) -> None:
    failure = failure_of(saying(*pieces, close=True))
    assert (failure.error_type, failure.status) == (error_type, status)
    assert failure.reached


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_silence_is_given_up(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(said)
        await asyncio.sleep(2)

    failure = failure_of(serve, silence=0.2)
    assert (failure.error_type, failure.status) == ("upstream_timeout", 504)


def test_a_provider_that_cannot_be_reached_got_no_byte() -> None:
    async def work(upstream: Upstream, _: str) -> None:
        for url in ("http://127.0.0.1:1/x", "http://no-such-host.invalid/x"):
            with pytest.raises(UpstreamFailure) as raised:
                await ask(upstream, url)
            assert raised.value.error_type == "upstream_unreachable"
            assert not raised.value.reached

    run(saying(OK), work)
