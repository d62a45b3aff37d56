"""One multiplexed connection to Redis: every command of this process goes out in order on it.

redis-py needs a connection for each command that is under way and about three times the CPU; a
budget check on the hot path cannot afford either. Here commands of one turn of the event loop leave
in one write, answers are matched by order, and the C parser that redis-py uses reads them. What
goes out first is executed first, so a settlement that nobody waits for still precedes the next
admission. The connection is opened when it is first needed, and again after it failed.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis
from redis.asyncio.connection import parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

# Beyond this many unanswered commands Redis is not keeping up: it is treated as gone.
MAX_PENDING: Final = 20_000
_SECOND_LOOK_SECONDS: Final = 0.1

Argument = str | int | float | bytes | memoryview
Reply = Any
_Failed = Callable[[Exception], None]


class RedisLink:
    """Commands to one Redis server.

    Args:
        url: redis://, rediss:// or unix:// as redis-py reads it.
        timeout_seconds: longest wait for an answer; the connection is given up then.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._where = parse_url(url)
        self._timeout = timeout_seconds
        self._connection: _Connection | None = None
        self._opening = asyncio.Lock()

    async def execute(self, *command: Argument) -> Reply:
        """Send a command and wait for its answer; texts are decoded.

        Raises:
            redis.exceptions.ResponseError: when Redis refuses the command.
            redis.exceptions.ConnectionError, redis.exceptions.TimeoutError: when it is gone.
        """
        connection = self._connection
        if connection is None or connection.lost:
            connection = await self._open()
        return await connection.send(command)

    def post(self, command: tuple[Argument, ...], on_failure: _Failed) -> None:
        """Send a command without waiting; `on_failure` hears of it when it did not succeed."""
        connection = self._connection
        if connection is None or connection.lost:
            on_failure(RedisConnectionError("there is no connection to Redis"))
            return
        connection.post(command, on_failure)

    async def close(self) -> None:
        """End the connection; a later command opens a new one."""
        if self._connection is not None:
            self._connection.give_up(RedisConnectionError("the connection was closed"))
            self._connection = None
            await asyncio.sleep(0)  # the transport closes in the loop's next turn

    async def _open(self) -> "_Connection":
        async with self._opening:
            if self._connection is not None and not self._connection.lost:
                return self._connection
            try:
                async with asyncio.timeout(self._timeout):
                    connection = await self._connect()
                    for command in self._greeting():
                        await connection.send(command)
            except TimeoutError:
                raise RedisTimeoutError("Redis did not accept a connection in time") from None
            except OSError as error:
                raise RedisConnectionError(error.strerror or "unreachable") from None
            self._connection = connection
            return connection

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()

        def make() -> _Connection:
            return _Connection(self._timeout)

        path = self._where.get("path")
        if path:
            return (await loop.create_unix_connection(make, path))[1]
        encrypted = "SSL" in getattr(self._where.get("connection_class"), "__name__", "")
        context = ssl.create_default_context() if encrypted else None
        host, port = self._where.get("host", "localhost"), self._where.get("port", 6379)
        return (await loop.create_connection(make, host, port, ssl=context))[1]

    def _greeting(self) -> list[tuple[Argument, ...]]:
        commands: list[tuple[Argument, ...]] = []
        password, user = self._where.get("password"), self._where.get("username")
        if password:
            commands.append(("AUTH", user, password) if user else ("AUTH", password))
        if self._where.get("db"):
            commands.append(("SELECT", self._where["db"]))
        return commands


class _Connection(asyncio.Protocol):
    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace")
        # Who hears of the answers, in order: who waits, or who only wants to know of failures.
        self._pending: deque[asyncio.Future[Reply] | _Failed] = deque()
        self._sent_at: deque[float] = deque()
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._doubted: asyncio.Future[Reply] | _Failed | None = None
        self.lost = False

    def send(self, command: tuple[Argument, ...]) -> "asyncio.Future[Reply]":
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._send(command, answer)
        return answer

    def post(self, command: tuple[Argument, ...], on_failure: _Failed) -> None:
        """Send for nobody who waits: without a future, which would cost as much as the command."""
        self._send(command, on_failure)

    def _send(
        self, command: tuple[Argument, ...], answer: "asyncio.Future[Reply] | _Failed"
    ) -> None:
        if self.lost or len(self._pending) >= MAX_PENDING:
            _fail(answer, RedisConnectionError("the connection to Redis is lost"))
            return
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        # The stub names a tuple of one; the function takes any length.
        self._outgoing.append(hiredis.pack_command(command))  # type: ignore[arg-type]
        self._pending.append(answer)
        self._sent_at.append(self._loop.time())
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._check)

    def give_up(self, error: Exception) -> None:
        """Fail whatever waits and end the connection."""
        self.lost = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._pending:
            _fail(self._pending.popleft(), error)
        self._sent_at.clear()
        self._outgoing.clear()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.give_up(RedisConnectionError("Redis closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while self._pending and (reply := self._reader.gets()) is not False:
                self._sent_at.popleft()
                answer = self._pending.popleft()
                if isinstance(reply, hiredis.ReplyError):
                    _fail(answer, ResponseError(str(reply)))
                elif isinstance(answer, asyncio.Future) and not answer.done():
                    answer.set_result(reply)
        except hiredis.ProtocolError:
            self.give_up(RedisConnectionError("Redis answered something that is not its protocol"))

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _check(self) -> None:
        """The oldest unanswered command decides whether Redis still answers in time."""
        self._watch = None
        if not self._sent_at:
            return
        left = self._sent_at[0] + self._timeout - self._loop.time()
        if left > 0:
            self._doubted = None
            self._watch = self._loop.call_later(left, self._check)
        elif self._doubted is not self._pending[0]:
            # When it was us who were held up, the answer lies in the socket, unread.
            self._doubted = self._pending[0]
            self._watch = self._loop.call_later(_SECOND_LOOK_SECONDS, self._check)
        else:
            self.give_up(RedisTimeoutError("Redis did not answer in time"))


def _fail(answer: "asyncio.Future[Reply] | _Failed", error: Exception) -> None:
    if not isinstance(answer, asyncio.Future):
        answer(error)
    elif not answer.done():  # else its caller was cancelled
        answer.set_exception(error)
