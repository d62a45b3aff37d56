"""The one module that speaks to providers: connections by address, and what can go wrong with them.

A call that reached a provider is never repeated here: it may have been billed.
"""

import asyncio
import ssl
from collections import deque
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

from oco_proxy.proxy.headers import RawHeaders
from oco_proxy.proxy.http1 import BrokenOff, Connection, Silent
from oco_warehouse.errors import UpstreamError

CONNECT_TIMEOUT_SECONDS: Final = 10.0
MAX_CONNECTIONS: Final = 4096
# Shorter than what providers' load balancers keep: a reused connection is rarely a dead one.
KEEPALIVE_SECONDS: Final = 20.0
_PORTS: Final = {"http": 80, "https": 443}
# Methods whose requests carry no length when they have no body.
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


class UpstreamFailure(UpstreamError):
    """A provider could not be reached, fell silent, or broke off.

    Attributes:
        error_type: as in `api_requests.error_type`.
        status: what the client is answered when nothing was sent yet: 502 or 504.
        reached: False when no byte of the request can have arrived, so that nothing was billed.
    """

    def __init__(self, message: str, error_type: str, status: int, *, reached: bool) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.status = status
        self.reached = reached


class _Address(NamedTuple):
    encrypted: bool
    host: str
    port: int


class Answer:
    """A provider's answer whose body is still arriving."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.status = connection.status
        self.reason = connection.reason
        self.headers = connection.headers

    async def next_fragment(self) -> bytes:
        """The next bytes of the body as they come, still encoded; empty at its end.

        Raises:
            UpstreamFailure: when the provider falls silent or breaks off.
        """
        try:
            return await self._connection.next_fragment()
        except Silent:
            raise _silent() from None
        except BrokenOff:
            raise UpstreamFailure(
                "the provider broke off its answer", "upstream_reset", 502, reached=True
            ) from None

    @property
    def is_read(self) -> bool:
        """True when the whole answer came and all of it was taken."""
        return self._connection.is_read


class Upstream:
    """Connections to providers. Use as an async context manager.

    Args:
        silence_seconds: longest time without a byte before a call is given up.
    """

    def __init__(self, silence_seconds: float) -> None:
        self._silence = silence_seconds
        self._idle: dict[_Address, deque[Connection]] = {}
        self._open = 0
        self._encryption = ssl.create_default_context()
        self._encryption.set_alpn_protocols(["http/1.1"])
        self._addresses: dict[tuple[str, str], _Address] = {}

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    async def send(self, method: str, url: str, headers: RawHeaders, body: bytes) -> "Sent":
        """Send a request and wait for the answer's head.

        Args:
            method: as the client said it.
            url: absolute, already percent-encoded; it is sent as it is.
            headers: as they shall arrive, without Host and Content-Length.
            body: sent as it is; empty for none.

        Raises:
            UpstreamFailure: when no answer began.
        """
        scheme, _, rest = url.partition("://")
        authority, slash, target = rest.partition("/")
        address = self._address(scheme, authority)
        lines = [f"{method} {slash}{target} HTTP/1.1\r\nhost: {authority}\r\n".encode("latin-1")]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        if body or method not in _BODILESS:
            lines.append(b"content-length: %d\r\n" % len(body))
        lines.append(b"\r\n")
        connection = self._kept(address) or await self._connect(address)
        try:
            await connection.exchange(b"".join(lines), body, is_head_request=method == "HEAD")
        except Silent:
            self._end(connection)
            raise _silent() from None
        except BrokenOff:
            self._end(connection)
            raise UpstreamFailure(
                "the provider closed the connection without an answer",
                "upstream_reset",
                502,
                reached=True,
            ) from None
        except BaseException:
            self._end(connection)
            raise
        return Sent(self, address, connection)

    def put_back(self, address: _Address, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end; close any other."""
        if not connection.reusable or connection.lost:
            self._end(connection)
            return
        connection.rest()
        connection.idle_since = self._loop.time()
        self._idle.setdefault(address, deque()).append(connection)

    def _kept(self, address: _Address) -> Connection | None:
        kept = self._idle.get(address)
        if not kept:
            return None
        oldest_allowed = self._loop.time() - KEEPALIVE_SECONDS
        # The longest unused ones are at the left; the most recently used one is the safest.
        while kept and (kept[0].lost or kept[0].idle_since < oldest_allowed):
            self._end(kept.popleft())
        while kept:
            connection = kept.pop()
            if not connection.lost:
                return connection
            self._end(connection)
        return None

    async def _connect(self, address: _Address) -> Connection:
        if self._open >= MAX_CONNECTIONS:
            raise UpstreamFailure(
                f"this gateway has {MAX_CONNECTIONS} calls under way, which is its bound",
                "gateway_busy",
                503,
                reached=False,
            )
        self._open += 1
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._silence),
                    address.host,
                    address.port,
                    ssl=self._encryption if address.encrypted else None,
                )
        except TimeoutError:
            self._open -= 1
            raise UpstreamFailure(
                "the provider did not accept a connection in time",
                "upstream_timeout",
                504,
                reached=False,
            ) from None
        except (OSError, ssl.CertificateError):
            self._open -= 1
            raise UpstreamFailure(
                "the provider cannot be reached", "upstream_unreachable", 502, reached=False
            ) from None
        except BaseException:
            self._open -= 1
            raise
        return connection

    def _end(self, connection: Connection) -> None:
        connection.close()
        self._open -= 1

    def _address(self, scheme: str, authority: str) -> _Address:
        known = self._addresses.get((scheme, authority))
        if known is None:
            parts = urlsplit(f"{scheme}://{authority}")
            known = _Address(
                scheme == "https", parts.hostname or "", parts.port or _PORTS.get(scheme, 80)
            )
            self._addresses[scheme, authority] = known
        return known


class Sent:
    """A call that is under way; leaving it early closes its connection."""

    def __init__(self, upstream: Upstream, address: _Address, connection: Connection) -> None:
        self._upstream = upstream
        self._address = address
        self._connection = connection
        self.answer = Answer(connection)

    async def __aenter__(self) -> Answer:
        return self.answer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A connection is kept only when its answer was read to the end.
        self._upstream.put_back(self._address, self._connection)


def _silent() -> UpstreamFailure:
    return UpstreamFailure(
        "the provider fell silent for too long", "upstream_timeout", 504, reached=True
    )
