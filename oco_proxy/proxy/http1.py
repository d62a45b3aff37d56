"""One HTTP/1.1 connection to a provider: a request out, an answer in, as raw bytes and headers.

Our own because the gateway's overhead is mostly its client: libraries decode, merge and validate
what must pass through unchanged, at several times the CPU. The grammar itself is llhttp's, by way
of httptools, as in the server that we run on.
"""

import asyncio
from collections import deque
from typing import Any, Final, cast

import httptools

# More than this unread: the provider is told to wait, so that a slow client fills no memory.
HIGH_WATER_BYTES: Final = 256 * 1024
MAX_HEAD_BYTES: Final = 256 * 1024
# Above this a body is written in pieces, so that one upload does not hold up everyone else.
PIECE_BYTES: Final = 256 * 1024
_NO_BODY: Final = frozenset({204, 304})
# What tells where a body ends.
_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})
_SWITCHING_PROTOCOLS: Final = 101


class BrokenOff(Exception):
    """The connection ended, or what came is not HTTP, before the answer was complete."""


class Silent(Exception):
    """Nothing came for too long."""


class Connection(asyncio.Protocol):
    """Carries one exchange at a time.

    Attributes:
        status: of the answer, once `exchange` has returned.
        reason: its phrase, as the provider words it.
        headers: of the answer, in their order, names in lower case.
        complete: the answer was received to its end.
        reusable: complete, and both sides keep the connection.
        answering: at least one byte of the answer came.
        lost: the connection is closed.
        idle_since: the loop's time at which it was put back.
    """

    def __init__(self, silence_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._silence = silence_seconds
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.lost = False
        self.idle_since = 0.0
        self._last_activity = 0.0
        self._in_exchange = False
        self._parser: Any = httptools.HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self._head: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._fragments: deque[bytes] = deque()
        self._unread = 0
        self._paused = False
        self._head_bytes = 0
        self._in_body = False
        self._sent_all = False
        self._is_head_request = False
        self._ends_with_connection = False
        self._failure: Exception | None = None
        self.status = 0
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.reusable = False
        self.answering = False

    async def exchange(self, head: bytes, body: bytes, *, is_head_request: bool) -> None:
        """Send a request and wait for the head of its answer.

        Args:
            head: request line and headers with the empty line that ends them.
            body: sent as it is; may be empty.
            is_head_request: the answer has no body, whatever its headers say.

        Raises:
            BrokenOff, Silent: there is no answer; the connection is closed.
        """
        self._begin()
        self._is_head_request = is_head_request
        self._in_exchange = True
        if self.lost or self._transport is None:
            raise BrokenOff
        self._head = self._loop.create_future()
        self._last_activity = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._silence, self._check_silence)
        if len(body) <= PIECE_BYTES:
            self._transport.write(head + body)
            self._sent_all = True
        else:
            self._transport.write(head)
            await self._write_pieces(self._transport, self._head, body)
        await self._head

    async def next_fragment(self) -> bytes:
        """The next bytes of the body as they came; empty at its end.

        Raises:
            BrokenOff, Silent: the rest will not come; the connection is closed.
        """
        while not self._fragments:
            if self.complete:
                return b""
            if self._failure is not None:
                raise self._failure
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        fragment = self._fragments.popleft()
        self._unread -= len(fragment)
        if self._paused and self._unread <= HIGH_WATER_BYTES // 2:
            self._paused = False
            # What was silent meanwhile was us.
            self._last_activity = self._loop.time()
            if self._transport is not None and not self.lost:
                self._transport.resume_reading()
        return fragment

    @property
    def is_read(self) -> bool:
        """True when the answer is complete and no fragment of it waits."""
        return self.complete and not self._fragments

    def rest(self) -> None:
        """The exchange is over and the connection may carry another one."""
        # The timer runs on: most connections are used again before it is due.
        self._in_exchange = False

    def close(self) -> None:
        """End the connection at once."""
        self._in_exchange = False
        self._fail(BrokenOff())
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed: the end of an answer that has no length, else a failure."""
        self.lost = True
        self._writable.set()
        if exc is None and self._in_body and self._ends_with_connection:
            self._finish(reusable=False)
        self._fail(BrokenOff())

    def pause_writing(self) -> None:
        """The provider takes no more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._last_activity = self._loop.time()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        self._last_activity = self._loop.time()
        if not self._in_exchange or self.complete:
            # Something that nobody asked for: the connection cannot be trusted any more.
            self.reusable = False
            self.close()
            return
        self.answering = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.reusable = False
            self.close()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """An answer begins, or an interim one."""
        if self.complete:
            raise ValueError("a second answer to one request")

    def on_status(self, phrase: bytes) -> None:
        """The reason phrase, or a part of it."""
        self._head_bytes += len(phrase)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head is too large")
        self.reason += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer after the body."""
        if self._in_body:
            return  # a trailer, which no server interface can pass on
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head is too large")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head of the answer, or of an interim one (1xx)."""
        status = self._parser.get_status_code()
        if status < 200:
            if status == _SWITCHING_PROTOCOLS:
                raise ValueError("nobody asked to switch protocols")
            return
        self.status = status
        self._in_body = True
        self._ends_with_connection = status not in _NO_BODY and not any(
            name in _LENGTHS for name, _ in self.headers
        )
        if self._is_head_request:
            # llhttp would wait for the body that the headers announce.
            self._finish(reusable=False)
        if self._head is not None and not self._head.done():
            self._head.set_result(None)

    def on_body(self, data: bytes) -> None:
        """A fragment of the body, without the framing of chunks."""
        self._fragments.append(data)
        self._unread += len(data)
        if not self._paused and self._unread > HIGH_WATER_BYTES and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """The answer, or an interim one, is complete."""
        if not self._in_body:
            # Those of a 1xx; the answer is still to come.
            self.headers, self.reason = [], b""
            self._head_bytes = 0
            return
        self._finish(reusable=self._sent_all and bool(self._parser.should_keep_alive()))

    # the rest

    def _finish(self, *, reusable: bool) -> None:
        self.complete = True
        self.reusable = reusable
        self._wake()

    def _fail(self, failure: Exception) -> None:
        self._stop_timer()
        if self._failure is None and not self.complete:
            self._failure = failure
        if self._head is not None and not self._head.done():
            self._head.set_exception(failure)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _write_pieces(
        self, transport: asyncio.Transport, head: "asyncio.Future[None]", body: bytes
    ) -> None:
        view = memoryview(body)
        for at in range(0, len(body), PIECE_BYTES):
            await self._writable.wait()
            if self.lost or head.done():
                return  # an answer, or the end, before the whole request was sent
            transport.write(bytes(view[at : at + PIECE_BYTES]))
            self._last_activity = self._loop.time()
            await asyncio.sleep(0)
        self._sent_all = True

    def _check_silence(self) -> None:
        self._timer = None
        if not self._in_exchange:
            return
        now = self._loop.time()
        left = self._last_activity + self._silence - now
        if self._paused:
            left = self._silence
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_silence)
            return
        self._in_exchange = False
        self._fail(Silent())
        if self._transport is not None:
            self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
