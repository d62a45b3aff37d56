"""The server's side of a client's connection: what it may send, and how long it may take.

A client may end its side behind its request and still has its answer. One that is gone looks the
same until something is written to it, so a client that waits for long is asked whether it is there.
"""

import asyncio
import socket
import uuid
from typing import Any, Final, cast
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import httptools
import structlog
import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from oco_proxy.exchange import BODY_SILENCE_SECONDS, Exchange
from oco_proxy.gathering import GatheringTransport
from oco_proxy.middleware.problems import CONTENT_TYPE, problem_body
from oco_proxy.patience import Patience
from oco_proxy.taking import Taking

_log = structlog.get_logger(__name__)

MAX_HEAD_BYTES: Final = 64 * 1024
# From its first byte to its last, or from the connection's opening where none comes.
HEAD_SECONDS: Final = 30.0
# After a refusal: closing while a client still sends would take the refusal from it.
LINGER_SECONDS: Final = 4.0
# A client that ended its side is asked after this time, and then less and less often.
ASK_SECONDS: Final = 0.1
_ASK_AT_LEAST_EVERY: Final = 5.0
# Means nothing to a client that waits, and brings a reset from one that does not.
_ARE_YOU_THERE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_PATIENCE: Final[WeakKeyDictionary[ServerState, Patience]] = WeakKeyDictionary()


class ConnectionConfig(uvicorn.Config):
    """uvicorn's configuration, with what these connections need beyond it.

    Args:
        client_timeout_seconds: a client that takes no byte of its answer for so long is cut off.
    """

    def __init__(self, *args: Any, client_timeout_seconds: float, **named: Any) -> None:
        super().__init__(*args, **named)
        self.client_timeout_seconds = client_timeout_seconds


class ClientConnection(HttpToolsProtocol):
    """uvicorn's protocol with bounds, on a transport that gathers.

    Attributes:
        cycle: the newest request; those before it may still be waiting for their answers.
    """

    config: ConnectionConfig
    cycle: Exchange

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        # What is being answered: an older one than `cycle` where a client does not wait.
        self._under_way: Exchange | None = None
        self._in_head = False
        # Bytes that the parser took since it last had something to tell.
        self._kept = 0
        self._heard = False
        self._is_refused = False
        # What was waited for at the last look, and since when.
        self._stage: object = self
        self._since = 0.0
        self._taking: Taking | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        gathering = GatheringTransport(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", gathering))
        patience = _PATIENCE.get(self.server_state)
        if patience is None:
            patience = _PATIENCE[self.server_state] = Patience(self.loop)
        patience.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        _PATIENCE[self.server_state].discard(self)
        # uvicorn tells the newest request alone. Those that wait have no one to be asked for.
        self.pipeline.clear()
        if self._under_way is not None and not self._under_way.response_complete:
            self._under_way.disconnected = True
            self._under_way.message_event.set()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """The client has taken most of what there was."""
        self._taking = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Bytes of one request, or of several."""
        if self._is_refused:
            return
        self._unset_keepalive_if_required()
        self._heard = True
        self._kept += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                _PATIENCE[self.server_state].discard(self)  # another protocol takes over
                self.handle_websocket_upgrade()
        except httptools.HttpParserError:
            if self._kept <= MAX_HEAD_BYTES:
                self._refuse(400, "invalid_http", "This is not HTTP/1.1.")
                return
        if self._kept > MAX_HEAD_BYTES:
            self._refuse(
                431,
                "head_too_large",
                f"The request line and the headers are larger than {MAX_HEAD_BYTES} bytes.",
            )

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client says nothing more; True keeps the connection for the answer it waits for."""
        cycle = self.cycle
        if cycle is None or self._in_head or cycle.more_body or cycle.response_started:
            return False
        cycle.keep_alive = False
        self.loop.call_later(ASK_SECONDS, self._ask_whether_it_is_there, cycle, 2 * ASK_SECONDS)
        return True

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer after the body."""
        if not self._in_head:
            return  # a trailer, which no server interface can pass on
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete: the application may begin."""
        if self._kept > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES:
            raise ValueError("the head is too large")
        version = self.parser.get_http_version()
        scope = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        if self.parser.should_upgrade() and self._should_upgrade():
            self._end_head()
            return
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        self._end_head()
        before = self.cycle
        self.cycle = Exchange(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            # The client did not wait for the answer before.
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._kept = 0
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._kept = 0
        super().on_message_complete()

    # in turns

    def look(self, now: float) -> None:
        """End what has lasted too long; `now` is the loop's time."""
        if self._is_refused:
            if self._waited(_PATIENCE, now) >= LINGER_SECONDS:
                self.transport.abort()
            return
        if self.flow.write_paused or self.transport.is_closing():
            self._look_at_what_is_taken(now)
            return
        cycle = self.cycle
        if self.pipeline:
            return
        if cycle is None or cycle.response_complete:
            if self._waited(self.headers, now) >= HEAD_SECONDS:
                self._give_up_head()
        elif cycle.more_body:
            if self._heard or self.flow.read_paused:
                self._heard, self._stage, self._since = False, cycle, now
            elif self._waited(cycle, now) >= BODY_SILENCE_SECONDS:
                cycle.fell_silent = True
                cycle.keep_alive = False
                cycle.message_event.set()

    def _look_at_what_is_taken(self, now: float) -> None:
        # Nothing is written meanwhile, so less to take means that something was taken.
        if self._taking is None:
            self._taking = Taking(self.transport, now)
        elif self._taking.nothing_since(now) >= self.config.client_timeout_seconds:
            if self._under_way is not None:
                self._under_way.stalled = True
            self._taking.reset()

    def _waited(self, stage: object, now: float) -> float:
        """Seconds since the look that was the first to find this stage."""
        if stage is not self._stage:
            self._stage, self._since = stage, now
        return now - self._since

    def _give_up_head(self) -> None:
        if self._in_head:
            self._refuse(
                408, "request_timeout", f"The headers did not come within {HEAD_SECONDS:g} s."
            )
        else:
            self.transport.close()

    def _ask_whether_it_is_there(self, cycle: Exchange, pause: float) -> None:
        if cycle.response_complete or self.transport.is_closing():
            return
        # Nobody reads this connection any more, so a reset shows in its socket alone.
        if self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
            return
        # In the midst of an answer the question would become a part of it.
        asked = self._under_way
        if (
            asked is not None
            and not asked.response_started
            and asked.scope["http_version"] == "1.1"
            and not self.flow.write_paused
        ):
            self.transport.write(_ARE_YOU_THERE)
        pause = min(pause, _ASK_AT_LEAST_EVERY)
        self.loop.call_later(pause, self._ask_whether_it_is_there, cycle, 2 * pause)

    # the rest

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._under_way = cast("Exchange", cycle)
        super()._start_asgi_task(cycle, app)

    def _end_head(self) -> None:
        self._in_head = False
        self._kept = 0

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer in the application's place, and end the connection."""
        cycle = self.cycle
        if self.pipeline or (
            cycle is not None and cycle.response_started and not cycle.response_complete
        ):
            self.transport.close()  # an answer is on its way: this is no place for another
            return
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        request_id = uuid.uuid4().hex
        body = problem_body(
            status=status,
            code=code,
            title=STATUS_LINE[status][13:].strip().decode(),
            detail=detail,
            request_id=request_id,
        )
        head = (
            f"content-type: {CONTENT_TYPE}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        _log.info("connection_refused", request_id=request_id, status=status, code=code)
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.write_eof()
        self._is_refused = True
