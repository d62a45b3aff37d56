"""A small Azure Blob Storage on loopback: lists blobs in pages and gives them, for a token."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.loopback import served

TOKEN = "a-token-of-the-test"
CONTAINER = "exports"
_BEGAN = datetime(2026, 10, 5, tzinfo=UTC)


@dataclass
class Blobs:
    """The container; each blob that is put is a second younger than the last."""

    blobs: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    page_size: int = 2
    denied: bool = False
    broken: int = 0  # So many answers are cut in the middle.
    url: str = ""
    puts: int = 0
    lists: int = 0

    def put(self, key: str, content: bytes) -> None:
        self.puts += 1
        self.blobs[key] = (content, _BEGAN + timedelta(seconds=self.puts))


@contextmanager
def blobs() -> Iterator[Blobs]:
    """The server, on a free port."""
    state = Blobs()

    class Handler(_Handler):
        store = state

    with served(Handler) as address:
        state.url = address
        yield state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Blobs

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.headers["Authorization"] != f"Bearer {TOKEN}" or self.store.denied:
            self._error(403, "AuthorizationPermissionMismatch")
        elif asked.get("comp") == "list" and unquote(url.path) == f"/{CONTAINER}":
            self._list(asked)
        else:
            key = unquote(url.path).removeprefix(f"/{CONTAINER}/")
            if key in self.store.blobs:
                content, modified = self.store.blobs[key]
                self._send(200, content, modified)
            else:
                self._error(404, "BlobNotFound")

    def _list(self, asked: dict[str, str]) -> None:
        self.store.lists += 1
        keys = sorted(key for key in self.store.blobs if key.startswith(asked.get("prefix", "")))
        start = int(asked.get("marker") or 0)
        end = start + self.store.page_size
        listed = "".join(self._blob(key) for key in keys[start:end])
        marker = str(end) if end < len(keys) else ""
        answer = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f'<EnumerationResults ContainerName="{CONTAINER}"><Blobs>{listed}</Blobs>'
            f"<NextMarker>{marker}</NextMarker></EnumerationResults>"
        )
        self._send(200, answer.encode())

    def _blob(self, key: str) -> str:
        content, modified = self.store.blobs[key]
        return (
            f"<Blob><Name>{escape(key)}</Name><Properties>"
            f"<Last-Modified>{format_datetime(modified, usegmt=True)}</Last-Modified>"
            f"<Etag>0x{hash((content, modified)) & 0xFFFFFFFF:X}</Etag>"
            f"<Content-Length>{len(content)}</Content-Length><Content-Type>text/csv</Content-Type>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
        )

    def _error(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>Nein.</Message></Error>".encode())

    def _send(self, status: int, content: bytes, modified: datetime = _BEGAN) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", format_datetime(modified, usegmt=True))
        self.send_header("ETag", f"0x{hash((content, modified)) & 0xFFFFFFFF:X}")
        self.end_headers()
        is_cut = self.store.broken > 0 and status == 200 and len(content) > 1000
        self.wfile.write(content[: len(content) // 2] if is_cut else content)
        if is_cut:
            self.store.broken -= 1
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Nothing."""
