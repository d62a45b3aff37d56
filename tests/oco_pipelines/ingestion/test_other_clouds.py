"""gs:// and az:// through the real client, against a stand-in of their list and get calls."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from oco_pipelines.ingestion.object_store import list_files, local_file
from oco_warehouse.errors import ConfigurationError, InvalidInputError
from oco_warehouse.settings import load_settings
from tests.loopback import served

FILES = {"focus/2026-09/a.csv": b"one", "focus/2026-10/b c.csv.gz": b"two"}
ACCOUNT = "devstoreaccount1"
WHEN = "Thu, 01 Oct 2026 00:00:00 GMT"


class Handler(BaseHTTPRequestHandler):
    """Buckets that hold FILES; the bucket `closed` lets no one in."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        path = unquote(address.path).lstrip("/").removeprefix(f"{ACCOUNT}/")
        bucket, _, key = path.partition("/")
        if bucket == "closed":
            self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif query.get("comp") == ["list"]:
            self.answer(200, azure_list(query.get("prefix", [""])[0]))
        elif "list-type" in query:
            self.answer(200, google_list(query.get("prefix", [""])[0]))
        elif key in FILES:
            self.answer(200, FILES[key])
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", WHEN)
        self.send_header("ETag", '"mark"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Tests are quiet."""


def google_list(prefix: str) -> bytes:
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><ETag>mark-{len(key)}</ETag>"
        "<LastModified>2026-10-01T00:00:00.000Z</LastModified></Contents>"
        for key, data in FILES.items()
        if key.startswith(prefix)
    )
    return f"<ListBucketResult>{entries}</ListBucketResult>".encode()


def azure_list(prefix: str) -> bytes:
    entries = "".join(
        f"<Blob><Name>{escape(key)}</Name><Properties><Content-Length>{len(data)}"
        f"</Content-Length><Etag>mark-{len(key)}</Etag><Last-Modified>{WHEN}</Last-Modified>"
        "<Content-Type>text/csv</Content-Type></Properties></Blob>"
        for key, data in FILES.items()
        if key.startswith(prefix)
    )
    return (
        f"<EnumerationResults><Blobs>{entries}</Blobs><NextMarker/></EnumerationResults>".encode()
    )


@pytest.fixture
def address() -> Iterator[str]:
    with served(Handler) as address:
        yield address


@pytest.fixture(params=["gs", "az"])
def cloud(
    request: pytest.FixtureRequest, address: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, dict[str, str]]:
    """(scheme, settings) of each cloud, pointed at the stand-in as its own emulators are."""
    if request.param == "az":
        monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
        monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", address)
        return "az", {}
    key = {
        "gcs_base_url": address,
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    }
    return "gs", {"GCP_CREDENTIALS_JSON": json.dumps(key)}


def test_files_are_listed_and_read(cloud: tuple[str, dict[str, str]]) -> None:
    scheme, environment = cloud
    settings, root = load_settings(environment), f"{scheme}://bills/focus"
    files = list_files(root, settings)
    assert [(file.key, file.size) for file in files] == [
        ("2026-09/a.csv", 3),
        ("2026-10/b c.csv.gz", 3),
    ]
    contents = []
    for file in files:
        with local_file(root, file.key, settings) as path:
            contents.append(path.read_bytes())
    assert contents == [b"one", b"two"]


def test_a_missing_file_and_a_closed_bucket_are_one_line(
    cloud: tuple[str, dict[str, str]],
) -> None:
    scheme, environment = cloud
    settings = load_settings(environment)
    missing = local_file(f"{scheme}://bills/focus", "nothing.csv", settings)
    with pytest.raises(InvalidInputError, match="does not exist"), missing:
        pass
    with pytest.raises(ConfigurationError, match="access is denied"):
        list_files(f"{scheme}://closed/focus", settings)
