"""The one module that speaks HTTP to providers.

aiohttp with `auto_decompress=False`: raw bytes and headers pass through unchanged, and it takes a
fraction of the CPU that httpx needs for one request. Everything else talks to `Upstream` and
`Answer`, so another client can take its place here.
"""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from oco_proxy.proxy.headers import RawHeaders
from oco_warehouse.errors import UpstreamError

CONNECT_TIMEOUT_SECONDS: Final = 10.0
MAX_CONNECTIONS: Final = 4096
# Shorter than what providers' load balancers keep: a reused connection is rarely a dead one.
KEEPALIVE_SECONDS: Final = 20.0
# Above this a body is written in pieces, so that one upload does not hold up everyone else.
PIECE_BYTES: Final = 256 * 1024
_AUTOMATIC: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


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


class Answer:
    """A provider's answer whose body is still arriving."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.raw_headers

    async def fragments(self) -> AsyncIterator[bytes]:
        """Body bytes as they come, still encoded.

        Raises:
            UpstreamFailure: when the provider falls silent or breaks off.
        """
        try:
            async for fragment in self._response.content.iter_any():
                yield fragment
        except TimeoutError:
            raise _silent() from None
        except (aiohttp.ClientError, OSError):
            raise UpstreamFailure(
                "the provider broke off its answer", "upstream_reset", 502, reached=True
            ) from None


class Upstream:
    """Connections to providers. Use as an async context manager.

    Args:
        silence_seconds: longest time without a byte before a call is given up.
    """

    def __init__(self, silence_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=silence_seconds
        )

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=self._timeout,
            skip_auto_headers=_AUTOMATIC,
            read_bufsize=256 * 1024,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

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
        fields = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers
        )
        data: bytes | AsyncIterator[bytes] | None = body or None
        if len(body) > PIECE_BYTES:
            fields["Content-Length"] = str(len(body))
            data = _pieces(body)
        try:
            response = await self._session.request(
                method, URL(url, encoded=True), headers=fields, data=data, allow_redirects=False
            )
        except aiohttp.ClientConnectorError:
            raise UpstreamFailure(
                "the provider cannot be reached", "upstream_unreachable", 502, reached=False
            ) from None
        except aiohttp.ConnectionTimeoutError:
            raise UpstreamFailure(
                "the provider did not accept a connection in time",
                "upstream_timeout",
                504,
                reached=False,
            ) from None
        except TimeoutError:
            raise _silent() from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise UpstreamFailure(
                "the provider closed the connection without an answer",
                "upstream_reset",
                502,
                reached=True,
            ) from None
        return Sent(response)


class Sent:
    """A call that is under way; leaving it early closes its connection."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.answer = Answer(response)

    async def __aenter__(self) -> Answer:
        return self.answer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A connection goes back to the pool only when its answer was read to the end.
        if kind is None and self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    view = memoryview(body)
    for at in range(0, len(body), PIECE_BYTES):
        yield bytes(view[at : at + PIECE_BYTES])
        await asyncio.sleep(0)


def _silent() -> UpstreamFailure:
    return UpstreamFailure(
        "the provider fell silent for too long", "upstream_timeout", 504, reached=True
    )
