"""The stand-in's HTTP: sockets, the token, watches and lost answers."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from oco_pipelines.resilience.standin import protobuf
from oco_pipelines.resilience.standin.api import Api, failure, route, selects
from oco_pipelines.resilience.standin.objects import ApiError
from oco_pipelines.resilience.standin.resources import Json
from oco_pipelines.resilience.standin.storage import STORAGE_PATH, Storage

LONGEST_WATCH_SECONDS: Final = 300.0
LARGEST_BODY: Final = 3 * 1024 * 1024


class ApiServer(ThreadingHTTPServer):
    """Serves an `Api` on loopback.

    Args:
        api: what answers.
        storage: serves the files that Velero hands out addresses of.
        token: bearer token; a wrong one is refused. A request without one is let in, because
            kubectl sends no token over plain HTTP.
        require_token: refuse requests without a token too.
        port: 0 for a free one.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        api: Api,
        storage: Storage,
        token: str,
        port: int = 0,
        *,
        require_token: bool = False,
    ) -> None:
        self.api = api
        self.storage = storage
        self.allowed: set[str | None] = {f"Bearer {token}"}
        if not require_token:
            self.allowed.add(None)
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServer

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing: requests are kept in `Api.seen`."""

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.server.api.seen.append((method, parts.path))
        if parts.path.startswith(STORAGE_PATH):
            self._send_file(parts.path.removeprefix(STORAGE_PATH))
            return
        try:
            body = self._body()
            self._check_token()
            fault = self.server.api.take_fault(method, parts.path)
            if fault is not None and not fault.after:
                self._send_fault(fault.status, fault.retry_after)
                return
            if method == "GET" and query.get("watch", "").lower() in {"1", "true"}:
                self._watch(parts.path, query)
                return
            content_type = self.headers.get("Content-Type", "").partition(";")[0]
            status, answer = self.server.api.answer(method, parts.path, query, body, content_type)
            if fault is not None:
                self._send_fault(fault.status, fault.retry_after)
                return
        except ApiError as error:
            status, answer = error.code, failure(error)
        self._send(status, answer)

    def _check_token(self) -> None:
        if self.headers.get("Authorization") not in self.server.allowed:
            raise ApiError(401, "Unauthorized", "Unauthorized")

    def _send_file(self, token: str) -> None:
        """What a signed address of the object storage gives: whoever knows it may read."""
        raw = self.server.storage.read(token)
        self.send_response(404 if raw is None else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(raw or b"")))
        self.end_headers()
        self.wfile.write(raw or b"")

    def _body(self) -> Any:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            raise ApiError(413, "RequestEntityTooLarge", "request is too large")
        raw = self.rfile.read(length)
        if not raw:
            return {}
        if self.headers.get("Content-Type", "").partition(";")[0] == protobuf.CONTENT_TYPE:
            return protobuf.decode(raw)
        if "json" not in self.headers.get("Content-Type", "json"):
            raise ApiError(415, "UnsupportedMediaType", "only JSON bodies are served")
        try:
            body = json.loads(raw)
        except ValueError:
            raise ApiError(400, "BadRequest", "body is not JSON") from None
        return body

    def _send_fault(self, status: int, retry_after: int | None) -> None:
        if not status:
            # The client waits no longer than for its connection: as good as a timeout, and quicker.
            self.close_connection = True
            return
        error = ApiError(status, "Fault", "the stand-in was told to fail")
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._send(status, failure(error), headers)

    def _send(self, status: int, answer: Json, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def _watch(self, path: str, query: dict[str, str]) -> None:
        objects = self.server.api.objects
        target = route(path)
        asked = query.get("resourceVersion") or ""
        known = asked.isdigit() and asked != "0"
        # Without a version a watch begins with all that is there.
        listed, there = objects.list_all(target.resource, target.namespace)
        version = int(asked) if known else listed
        seconds = min(float(query.get("timeoutSeconds") or 60), LONGEST_WATCH_SECONDS)
        end = time.monotonic() + seconds
        objects.since(version)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        write = _chunks(self.wfile.write)
        for body in [] if known else there:
            if target.name in {"", body["metadata"]["name"]} and selects(query, body):
                write({"type": "ADDED", "object": body})
        while time.monotonic() < end and not self.server.closing.is_set():
            try:
                changes = objects.since(version)
            except ApiError as error:
                write({"type": "ERROR", "object": failure(error)})
                break
            for change in changes:
                version = change.version
                same = change.resource == target.resource
                home = change.body["metadata"].get("namespace", "")
                name = change.body["metadata"]["name"]
                named = target.namespace in {"", home} and target.name in {"", name}
                if same and named and selects(query, change.body):
                    write({"type": change.type, "object": change.body})
            with objects.changed:
                if objects.version == version:
                    objects.changed.wait(0.2)
        self.wfile.write(b"0\r\n\r\n")


def _chunks(send: Callable[[bytes], int]) -> Callable[[Json], None]:
    def write(event: Json) -> None:
        raw = json.dumps(event).encode() + b"\n"
        send(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")

    return write
