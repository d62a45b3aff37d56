"""Streams: what they look like, a provider that pauses in them, and when their first byte arrives.

Throughput is measured with the whole stream in one piece, because a provider that paces its events
would be what is measured. The first byte needs the opposite: a provider that says its first event,
and the others later, so that a proxy which waits for the end is found out.

`python -m benchmarks.streams PORT` is that provider.
"""

import asyncio
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from benchmarks.load import AROUND, HEADERS, PATH, STREAMED, process
from oco_warehouse.embedded_guardian import free_port

CHUNKS: Final = 60
PAUSE_SECONDS: Final = 0.01
_CHUNK: Final = (
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini",'
    '"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}],"usage":null}\n\n'
)
_USAGE: Final = (
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini",'
    '"choices":[],"usage":{"prompt_tokens":210,"completion_tokens":60,"total_tokens":270}}\n\n'
)
STREAM: Final = _CHUNK * CHUNKS + _USAGE + "data: [DONE]\n\n"
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


@contextmanager
def pausing_provider() -> Iterator[int]:
    """A provider that pauses after its first event; yields its port."""
    port = free_port(0)
    with process([sys.executable, "-m", "benchmarks.streams", str(port)], AROUND, {}):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                time.sleep(0.05)
            else:
                yield port
                return
        raise RuntimeError("the pausing provider does not listen")


def first_byte_us(address: str, streams: int) -> float:
    """Median time from a request's last byte to the first byte of the first event.

    Args:
        address: whose `PATH` is called, one stream after another on one connection.
        streams: how many.
    """
    parts = urlsplit(address + PATH)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    lines += [f"Content-Length: {len(STREAMED)}", "", STREAMED]
    request = "\r\n".join(lines).encode()
    taken = []
    with socket.create_connection((parts.hostname, parts.port or 80)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(streams):
            connection.sendall(request)
            began = time.perf_counter()
            got = b""
            while b"data:" not in got:
                got += _receive(connection)
            taken.append(time.perf_counter() - began)
            while not got.endswith(b"0\r\n\r\n"):
                got += _receive(connection)
    return statistics.median(taken) * 1e6


def _receive(connection: socket.socket) -> bytes:
    got = connection.recv(65536)
    if not got:
        raise RuntimeError("a stream broke off")
    return got


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    first, rest = _CHUNK.encode(), STREAM[len(_CHUNK) :].encode()
    while head := await reader.readuntil(b"\r\n\r\n"):
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-len")]
        await reader.readexactly(sum(int(line.split(b":")[1]) for line in lengths))
        writer.write(_HEAD + b"%x\r\n%s\r\n" % (len(first), first))
        await asyncio.sleep(PAUSE_SECONDS)
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))


async def _provide(port: int) -> None:
    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_answer(reader, writer))
        # A client that leaves ends the reading; there is nothing to say about it.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_provide(int(sys.argv[1])))
