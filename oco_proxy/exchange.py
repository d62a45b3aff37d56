"""One request of a client and its answer, as the server interface of ASGI has them.

What a provider may say goes out as it came: any status, its own reason phrase, a length beside an
answer that has no body. uvicorn's own cycle knows only what an application of ours would say.
"""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

from oco_proxy.middleware.problems import ProblemError

# The longest wait for the next piece of a request's body.
BODY_SILENCE_SECONDS: Final = 60.0
# Answers that have no body, whatever their headers say.
BODILESS: Final = frozenset({204, 304})
# Clients of these versions know no chunks: the end of the connection is the end of the body.
_BEFORE_CHUNKS: Final = frozenset({"0.9", "1.0"})


class ClientSilent(ProblemError):
    """The rest of a request's body did not come in time."""

    def __init__(self) -> None:
        super().__init__(
            408,
            "request_timeout",
            f"The rest of the request body did not come within {BODY_SILENCE_SECONDS:g} s.",
        )


class Exchange(RequestResponseCycle):
    """uvicorn's cycle; the start of an answer may have a `reason` beside its `status`.

    Attributes:
        fell_silent: set by the connection when the body's next piece is overdue.
        stalled: set by the connection when it ends because nothing of the answer is taken.
    """

    fell_silent = False
    stalled = False
    _left: int | None = None
    _has_body = True

    async def receive(self) -> Any:
        """What the client says next; a disconnect may tell beyond ASGI that it was `stalled`.

        Raises:
            ClientSilent: it says nothing more, and its request is not complete.
        """
        message = await super().receive()
        if self.fell_silent and not self.disconnected:
            raise ClientSilent
        if self.stalled:
            return {"type": "http.disconnect", "stalled": True}
        return message

    async def send(self, message: Any) -> None:
        """Write the start of the answer, or a piece of its body."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        expected = "http.response.body" if self.response_started else "http.response.start"
        if message["type"] != expected or self.response_complete:
            raise RuntimeError(f"{message['type']!r} is out of its turn")
        if self.response_started:
            self._go_on(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            self._begin(message["status"], message.get("reason"), message.get("headers", ()))

    def _begin(self, status: int, reason: bytes | None, headers: Any) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        content = [STATUS_LINE[status] if reason is None else _status_line(status, reason)]
        says_close = False
        for name, value in [*self.default_headers, *headers]:
            if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
                raise RuntimeError("a header cannot be sent")
            lowered = name.lower()
            if lowered == b"content-length" and self.chunked_encoding is None:
                self._left = int(value)
                self.chunked_encoding = False
            elif lowered == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                says_close = True
            content += (lowered, b": ", value, b"\r\n")
        if not self.keep_alive and not says_close:
            content.append(b"connection: close\r\n")
        self._has_body = self.scope["method"] != "HEAD" and status not in BODILESS
        if self.chunked_encoding is None:
            self.chunked_encoding = (
                self._has_body and self.scope["http_version"] not in _BEFORE_CHUNKS
            )
            if self.chunked_encoding:
                content.append(b"transfer-encoding: chunked\r\n")
        content.append(b"\r\n")
        self.transport.write(b"".join(content))

    def _go_on(self, body: bytes, *, is_last: bool) -> None:
        if not self._has_body:
            # Nothing to write, but the head need not wait any longer.
            self.transport.write(b"")
        elif self.chunked_encoding:
            piece = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            self.transport.write(piece + b"0\r\n\r\n" if is_last else piece)
        else:
            self._count(len(body))
            self.transport.write(body)
        if not is_last:
            return
        if self._has_body and self._left:
            raise RuntimeError("the body is shorter than its Content-Length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _count(self, size: int) -> None:
        if self._left is None:
            return
        self._left -= size
        if self._left < 0:
            raise RuntimeError("the body is longer than its Content-Length")


def _status_line(status: int, reason: bytes) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (status, reason)
