"""Private words in everything that is private, then a search through every byte that is written.

Searched: every file below $OCO_HOME (tables, write-ahead log, spools and what was damaged in them,
logs of servers that log each statement with its values, Dagster's folder), a dump of all databases
(the warehouse's and Dagster's), all that Redis has and was sent, what gateways on the log level
`debug` and Dagster print, and the metrics. There are no traces: the gateway makes none.

Two things are stored on purpose and are not private here: names of models, and what identifies a
caller (agent, team, user, organization, tags). A second word, the control, goes there; it has to be
found in each place, because a search that finds nothing could be a broken one.
"""

import base64
import json
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from oco_warehouse.database import Warehouse
from oco_warehouse.tokens import hash_token
from tests.oco_proxy.privacy import calls
from tests.oco_proxy.privacy.calls import MANNERS, Call, Private
from tests.oco_proxy.privacy.mirror import Mirror, run_mirror
from tests.oco_proxy.privacy.platform import ADMIN, damage_a_record, run_platform, wait_until
from tests.oco_proxy.privacy.search import files_with, found_in, new_word

GATEWAY = ["-m", "oco_proxy"]
# A gateway with bugs: it fails on what it reads, and says what that was.
FAULTY_GATEWAY = [
    "-c",
    """
import sys
from oco_proxy.__main__ import main
from oco_proxy.api import lists
from oco_proxy.proxy import dialects

def fail_on(real, sign):
    def call(*arguments, **named):
        if sign in repr(arguments):
            raise RuntimeError(f"cannot take {arguments!r}")
        return real(*arguments, **named)
    return call

dialects.read_shape = fail_on(dialects.read_shape, "fail_on_request")
dialects.meter_for = fail_on(dialects.meter_for, "'completions'")
lists.decode_cursor = fail_on(lists.decode_cursor, "fail_on_cursor")
sys.exit(main([]))
""",
]


class Client:
    """Sends everything, from several threads, and counts what it is answered."""

    def __init__(self, url: str, private: Private, control: str) -> None:
        self.url = url
        self.identity = {"X-Agent-ID": control, "X-OCO-Token": f"oco_{private.token}"}
        self.headers = calls.provider_headers(private) | self.identity
        self.statuses: Counter[int] = Counter()
        self.answers = b""

    def send_all(self, wanted: Iterable[tuple[Call, str]]) -> None:
        with ThreadPoolExecutor(8) as threads, httpx.Client(timeout=20) as client:
            for status, answer in threads.map(lambda pair: self._send(client, *pair), wanted):
                self.statuses[status] += 1
                self.answers += answer

    def _send(self, client: httpx.Client, call: Call, manner: str) -> tuple[int, bytes]:
        headers = {**self.headers, "X-Mirror": manner, **call.headers}
        answer = b""
        try:
            with client.stream(
                call.method, self.url + call.path, content=call.body, headers=headers
            ) as response:
                for piece in response.iter_raw():
                    answer += piece
                    if manner == "slow":
                        break  # leaves in the middle of a stream
        except httpx.RemoteProtocolError:
            return 0, answer
        return response.status_code, answer

    def send_raw(self, data: bytes) -> None:
        """Bytes that are no request, or half of one; then the client is gone."""
        address = urlsplit(self.url)
        with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def raw_calls(private: Private) -> list[bytes]:
    chat = b"POST /api/v1/proxy/openai/v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    words = private.prompt.encode()
    return [
        chat + b"Content-Length: 5000\r\n\r\n" + words,
        chat + words + b"\r\n\r\n",
        b"GET /" + words + b" HTTP/9.9\r\n\r\n",
        words + b"\r\n\r\n",
        chat + b"Connection: upgrade\r\nUpgrade: websocket\r\nX-Words: " + words + b"\r\n\r\n",
        chat + b"X-Long: " + words * 20_000,
    ]


def prepare(warehouse: Warehouse, private: Private, control: str) -> None:
    """Tokens, a budget that is used up, a limit that is reached, and a budget with room."""
    for name, secret, role in (("a", ADMIN, "admin"), ("b", f"oco_{private.token}", "agent")):
        warehouse.execute(
            "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role) "
            "VALUES (%s, %s, 'oco_', %s)",
            [name, hash_token(secret), role],
        )
    warehouse.execute(
        "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, output_per_m_token, "
        "price_version) VALUES ('openai', 'gpt-4o-mini', 1, 1, 'v')"
    )
    for agent, limit in (("poor", 0), (f"{control}rich", 1000)):
        warehouse.execute(
            "INSERT INTO oco.budgets (id, scope, entity_id, limit_usd) "
            "VALUES (%s, 'agent', %s, %s)",
            [f"budget{agent}", agent, limit],
        )
    warehouse.execute(
        "INSERT INTO oco.rate_limits (scope, entity_id, requests_per_minute) "
        "VALUES ('agent', 'hasty', 1)"
    )


def wanted_calls(private: Private, control: str) -> list[tuple[Call, str]]:
    """Every call in every manner that the provider may answer it."""
    metered = list(calls.metered_calls(private))
    manners = (*MANNERS, "slow", "silent")
    wanted = [(call, manner) for call in metered for manner in manners]
    wanted += [
        (call, manner) for call in calls.other_calls(private) for manner in ("answer", "400")
    ]
    wanted += [(call, "answer") for call in calls.refused_calls(private)]
    wanted += [(call, "answer") for call in calls.api_calls(private)]
    chat = metered[0]
    own = {**chat.headers, "X-Agent-ID": f"{control}rich"}
    other = chat.path.replace("/openai/", f"/{control}/")
    browser = {**chat.headers, "Origin": f"http://{private.origin}.example"}
    asking = {**browser, "Access-Control-Request-Method": "POST"}
    asking["Access-Control-Request-Headers"] = private.asked
    failing = replace(chat, body=chat.body[:-1] + b', "fail_on_request": 1}')
    wanted += [
        (replace(chat, headers=own), "answer"),
        (replace(chat, path=other), "answer"),
        (replace(chat, headers=browser), "answer"),
        (replace(chat, headers=asking, method="OPTIONS"), "answer"),
        (replace(failing, headers=browser), "answer"),
        (failing, "answer"),
    ]
    return wanted


def fail_in_api(private: Private) -> Call:
    path = f"/api/v1/requests?cursor=fail_on_cursor{private.cursor}"
    return Call(path, method="GET", headers={"Authorization": f"Bearer {ADMIN}"})


@pytest.mark.slow
def test_nothing_private_is_written_anywhere(tmp_path: Path) -> None:
    word, control = new_word(), new_word()
    private = Private(word)
    with run_platform(tmp_path) as platform, run_mirror(private.answer) as mirror:
        prepare(platform.warehouse, private, control)
        providers = tmp_path / "providers.json"
        providers.write_text(json.dumps({control: {"dialect": "openai", "base_url": mirror.url}}))
        settings = {
            "OCO_OPENAI_BASE_URL": mirror.url,
            "OCO_ANTHROPIC_BASE_URL": mirror.url,
            "OCO_GEMINI_BASE_URL": mirror.url,
            "OCO_PROVIDERS": str(providers),
            "OCO_UPSTREAM_TIMEOUT_SECONDS": "1",
            "OCO_DRAIN_TIMEOUT_SECONDS": "1",
            "OCO_MAX_BODY_BYTES": "250000",
            "CEREBRA_LOG_LEVEL": "debug",
        }
        with platform.gateway(FAULTY_GATEWAY, **settings) as url:
            first = Client(url, private, control)
            first.send_all([*wanted_calls(private, control), (fail_in_api(private), "answer")])
            for data in raw_calls(private):
                first.send_raw(data)
        damage_a_record(platform.settings.spool)
        dagster = platform.materialise(control)
        with platform.gateway(GATEWAY, **settings, OCO_ERROR_SHAPE="provider") as url:
            second = Client(url, private, control)
            second.send_all((call, "answer") for call in calls.metered_calls(private))
            second.send_all((call, "answer") for call in calls.refused_calls(private))
            wait_until(lambda: list(platform.settings.spool.glob("damaged-*.jsonl")))
            made = make_token(url)
        with platform.gateway(GATEWAY, **settings, REDIS_URL="redis://127.0.0.1:1") as url:
            third = Client(url, private, f"{control}rich")
            third.send_all((call, "answer") for call in calls.metered_calls(private))
            third.send_all((call, "answer") for call in calls.refused_calls(private))
            assert dagster.wait(60) == 0, (tmp_path / "printed-dagster.log").read_text()[-3000:]
        places = platform.captured()
        everything_was_tried(first, mirror, word, places["printed by gateways"])
        for secret in (word, made):
            leaks = {place: found_in(data, secret) for place, data in places.items()}
            leaks |= files_with(platform.home, secret)
            leaks = {place: ways for place, ways in leaks.items() if ways}
            assert leaks == {}, json.dumps(leaks, indent=1)
        # The control: what is stored on purpose is found wherever it goes.
        assert {place for place, data in places.items() if not found_in(data, control)} == set()
        found = " ".join(files_with(platform.home, control))
        for folder in ("postgres/base/", "postgres/pg_wal/", "logs/postgres.log", "spool/damaged"):
            assert folder in found, folder


def make_token(url: str) -> str:
    """What only the maker of a token may read: its end, in small letters as the search reads it."""
    headers = {"Authorization": f"Bearer {ADMIN}"}
    body = {"name": "n", "role": "viewer"}
    answer = httpx.post(f"{url}/api/v1/tokens", json=body, headers=headers)
    token: str = answer.raise_for_status().json()["token"]
    return token[-30:].lower()


def everything_was_tried(client: Client, mirror: Mirror, word: str, printed: bytes) -> None:
    """Otherwise nothing would be found because nothing was said."""
    events = {json.loads(line)["event"] for line in printed.splitlines() if line.startswith(b"{")}
    assert {"call", "refused", "request", "unexpected_error", "spool_line_damaged"} <= events
    assert "redis_is_gone" in events
    assert "client_left_before_its_request_was_complete" in events
    errors = b"upstream_reset upstream_timeout client_closed budget_exceeded rate_limited".split()
    assert [error for error in errors if error not in printed] == []
    assert printed.count(b"RuntimeError") >= 4
    assert {0, 200, 400, 401, 404, 405, 413, 415, 429, 500, 502, 504} <= set(client.statuses)
    sent = b"".join(mirror.seen)
    for place in (
        *("prompt", "system", "tool", "arguments", "toolresult", "upload", "filename", "bearerkey"),
        *("apikey", "googkey", "querykey", "path", "stop", "schema", "member", "metadata"),
    ):
        assert f"{word}{place}".encode() in sent, place
    # The gateway's own words never go to a provider.
    assert f"{word}token".encode() not in sent
    assert client.answers.count(f"{word}answer".encode()) > 100


@pytest.mark.parametrize(
    "disguise",
    [
        lambda word: word.encode(),
        lambda word: word.upper().encode(),
        lambda word: base64.b64encode(word.encode()),
        lambda word: base64.urlsafe_b64encode(b"x" + word.encode() + b"y"),
        lambda word: base64.b64encode(b"xx" + word.encode() + b"yyyy"),
        lambda word: "".join(f"%{ord(letter):02X}" for letter in word).encode(),
        lambda word: "".join(f"\\u{ord(letter):04x}" for letter in word).encode(),
        lambda word: word.encode().hex().encode(),
        lambda word: word.encode("utf-16"),
        lambda word: word.encode("utf-16-be"),
        lambda word: quote(f"ä{word} ").encode(),
    ],
)
def test_the_search_finds_a_word_in_every_disguise(
    tmp_path: Path, disguise: Callable[[str], bytes]
) -> None:
    word, other = new_word(), new_word()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(b"\0before " + disguise(word) + b" after\xff")
    assert list(files_with(tmp_path, word)) == ["below/file"]
    assert files_with(tmp_path, other) == {}


def test_the_search_finds_a_word_in_a_name_of_a_file(tmp_path: Path) -> None:
    word = new_word()
    (tmp_path / word).touch()
    assert list(files_with(tmp_path, word)) == [word]
