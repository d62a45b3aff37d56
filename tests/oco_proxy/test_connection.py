"""What a client may send and how long it may take, over the wire."""

import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from oco_proxy import connection, exchange, patience
from oco_proxy.standin import Standin
from tests.oco_proxy.proxy.test_route import raw_provider

CALL = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}'
PATH = b"/api/v1/proxy/openai/v1/chat/completions"
HEAD = b"POST %b HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n" % (PATH, len(CALL))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.3)
    for module in (connection, exchange):
        monkeypatch.setattr(module, "BODY_SILENCE_SECONDS", 0.6)


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=15) as client:
        yield client


def everything(client: socket.socket) -> bytes:
    data = b""
    while part := client.recv(65536):
        data += part
    return data


def problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)["type"].rpartition(":")[2]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", [PATH, b"/api/v1/budgets"])
def test_an_upload_that_falls_silent_is_told_so_and_ended(
    gateway: Any, admin_headers: dict[str, str], path: bytes
) -> None:
    head = (
        b"POST %b HTTP/1.1\r\nHost: g\r\nContent-Length: 99\r\nContent-Type: application/json\r\n"
    )
    token = admin_headers["Authorization"].encode()
    with connected(gateway.url) as client:
        client.sendall(head % path + b"Authorization: %b\r\n\r\n{" % token)
        assert problem(everything(client)) == (408, "request_timeout")
    assert gateway.rows() == []


@pytest.mark.usefixtures("impatient")
def test_an_upload_that_is_slow_but_not_silent_is_answered(gateway: Any) -> None:
    with connected(gateway.url) as client:
        client.sendall(HEAD + b"Connection: close\r\n\r\n")
        for at in range(0, len(CALL), 8):
            client.sendall(CALL[at : at + 8])
            time.sleep(0.1)
        assert everything(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("impatient")
def test_a_head_that_trickles_in_is_given_up(gateway: Any) -> None:
    with connected(gateway.url) as client:
        client.sendall(b"POST / HTTP/1.1\r\n")
        client.settimeout(0.05)
        answer = b""
        for _ in range(100):
            client.sendall(b"X: 1\r\n")
            with suppress(TimeoutError):
                if answer := client.recv(65536):
                    break
    assert problem(answer) == (408, "request_timeout")


@pytest.mark.usefixtures("impatient")
def test_half_a_head_is_told_so_and_ended(gateway: Any) -> None:
    with connected(gateway.url) as client:
        client.sendall(b"POST / HTTP/1.1\r\nX-A")
        assert problem(everything(client)) == (408, "request_timeout")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("said", [b"", b"\r\n"])
def test_a_connection_that_asks_nothing_is_closed(gateway: Any, said: bytes) -> None:
    with connected(gateway.url) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n" if said else b"")
        client.sendall(said)
        began = time.monotonic()
        everything(client)
        assert time.monotonic() - began < 3


@pytest.mark.usefixtures("impatient")
def test_a_call_that_takes_long_is_not_disturbed(gateway: Any) -> None:
    answer = httpx.post(
        f"{gateway.openai}/chat/completions", content=CALL, headers={"X-Standin": "delay=1.5"}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "endless",
    [
        b"GET / HTTP/1.1\r\nX-Long: ",
        b"GET / HTTP/1.1\r\n",
        b"GET /",
        b"POST %b HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: " % PATH,
        b"POST %b HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n1;x=" % PATH,
    ],
    ids=["value", "headers", "url", "trailer", "extension"],
)
def test_what_is_no_body_has_a_bound(gateway: Any, endless: bytes) -> None:
    piece = b"X-H: 1\r\n" * 2048 if endless.endswith(b"1.1\r\n") else b"a" * 16384
    with connected(gateway.url) as client:
        client.sendall(endless)
        sent, answer = 0, b""
        while not answer and sent < 64 * 1024 * 1024:
            client.sendall(piece)
            sent += len(piece)
            if select.select([client], [], [], 0)[0]:
                answer = client.recv(65536)
        assert problem(answer) == (431, "head_too_large")


@pytest.mark.parametrize("size", [60_000, 70_000])
def test_a_head_beyond_the_bound_is_refused_in_one_clear_line(gateway: Any, size: int) -> None:
    with connected(gateway.url) as client:
        client.sendall(HEAD + b"Connection: close\r\nX-Long: " + b"a" * size + b"\r\n\r\n" + CALL)
        answer = everything(client)
    if size < connection.MAX_HEAD_BYTES:
        assert answer.startswith(b"HTTP/1.1 200 ")
    else:
        assert problem(answer) == (431, "head_too_large")


def test_what_is_not_http_is_refused_in_one_clear_line(gateway: Any) -> None:
    with connected(gateway.url) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
        assert problem(everything(client)) == (400, "invalid_http")


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_a_client_that_ends_its_side_is_answered(gateway: Any, close: bytes) -> None:
    with connected(gateway.url) as client:
        client.sendall(HEAD + close + b"\r\n" + CALL)
        client.shutdown(socket.SHUT_WR)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"chatcmpl" in answer
    (row,) = gateway.rows(1)
    assert (row["status_code"], row["error_type"]) == (200, None)


def test_a_client_that_ends_its_side_and_waits_long_is_answered(gateway: Any) -> None:
    with connected(gateway.url) as client:
        client.sendall(HEAD + b"X-Standin: delay=1\r\n\r\n" + CALL)
        client.shutdown(socket.SHUT_WR)
        *interim, answer = everything(client).split(b"HTTP/1.1 ")[1:]
    assert {one.split()[0] for one in interim} <= {b"100"}
    assert answer.startswith(b"200 ") and b"chatcmpl" in answer


def test_a_client_that_is_gone_is_noticed_while_the_provider_still_works(
    start: Callable[..., Any],
) -> None:
    with start(OCO_DRAIN_TIMEOUT_SECONDS="0.2") as gateway:
        with connected(gateway.url) as client:
            client.sendall(HEAD + b"X-Standin: delay=10\r\n\r\n" + CALL)
            time.sleep(0.1)
        began = time.monotonic()
        (row,) = gateway.rows(1)
        assert time.monotonic() - began < 5
    assert (row["status_code"], row["error_type"]) == (499, "client_closed")


STREAM = CALL[:-1] + b', "stream": true}'


def streaming(standin: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\nX-Standin: %b\r\n\r\n"
    return head % (PATH, len(STREAM), standin) + STREAM


def test_nothing_is_put_into_the_answers_of_a_client_that_did_not_wait_for_them(
    gateway: Any,
) -> None:
    with connected(gateway.url) as client:
        client.sendall(2 * streaming(b"pause=0.05,tokens=12"))
        client.shutdown(socket.SHUT_WR)
        got = everything(client)
    answers = got.split(b"0\r\n\r\n")
    assert len(answers) == 3 and answers[2] == b""
    for answer in answers[:2]:
        interim, ok, events = answer.partition(b"HTTP/1.1 200 ")
        assert interim.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"") == b""
        assert ok and b"HTTP/1.1" not in events and b"[DONE]" in events


@pytest.mark.parametrize(
    ("standin_does", "ending"),
    [(b"pause=0.1,tokens=200", (200, "partial")), (b"delay=10", (499, "unpriced"))],
    ids=["in mid-answer", "before the answer"],
)
def test_a_client_that_did_not_wait_for_its_answers_and_left_is_noticed(
    start: Callable[..., Any], standin: Standin, standin_does: bytes, ending: tuple[int, str]
) -> None:
    with start(OCO_DRAIN_TIMEOUT_SECONDS="0.2") as gateway:
        with connected(gateway.url) as client:
            client.sendall(2 * streaming(standin_does))
            if standin_does.startswith(b"pause"):
                assert client.recv(1024).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.2)
        began = time.monotonic()
        (row,) = gateway.rows(1)
        assert time.monotonic() - began < 5
        time.sleep(0.2)
        assert len(standin.seen) == 1
        assert len(gateway.rows()) == 1
    assert (row["status_code"], row["cost_status"]) == ending
    assert row["error_type"] == "client_closed"


# More than the kernels between them keep for a client that takes little.
LONG_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
LONG_ANSWER = LONG_ANSWER % 10**12 + 32_000 * (
    b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % (b"x" * 1000)
)


@contextmanager
def taking_little(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(15)
        client.connect((str(parts.hostname), parts.port or 80))
        client.sendall(streaming(b""))
        yield client


@pytest.mark.usefixtures("impatient")
def test_a_client_that_takes_nothing_of_its_answer_is_cut_off_and_recorded(
    start: Callable[..., Any],
) -> None:
    with (
        raw_provider(LONG_ANSWER) as (url, _),
        start(
            OCO_OPENAI_BASE_URL=url,
            OCO_CLIENT_TIMEOUT_SECONDS="0.5",
            OCO_DRAIN_TIMEOUT_SECONDS="0.2",
        ) as gateway,
        taking_little(gateway.url) as client,
    ):
        began = time.monotonic()
        (row,) = gateway.rows(1)
        assert 0.5 < time.monotonic() - began < 8
        with pytest.raises(ConnectionResetError):
            everything(client)
    assert (row["status_code"], row["cost_status"]) == (200, "partial")
    assert row["error_type"] == "client_stalled"
    assert row["output_tokens"] > 0


@pytest.mark.usefixtures("impatient")
def test_a_client_that_takes_its_answer_slowly_but_steadily_is_not_cut_off(
    start: Callable[..., Any],
) -> None:
    with (
        raw_provider(LONG_ANSWER) as (url, _),
        start(OCO_OPENAI_BASE_URL=url, OCO_CLIENT_TIMEOUT_SECONDS="0.5") as gateway,
        taking_little(gateway.url) as client,
    ):
        taken, began = 0, time.monotonic()
        while time.monotonic() - began < 3:
            taken += len(client.recv(1024))
            time.sleep(0.05)
        assert gateway.rows() == []
        assert taken < 100_000  # far less than a kernel would have to ask the process for more


def test_a_client_of_http_1_0_gets_no_chunks(gateway: Any) -> None:
    body = CALL[:-1] + b', "stream": true}'
    head = b"POST %b HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % (PATH, len(body))
    with connected(gateway.url) as client:
        client.sendall(head + body)
        answer, _, events = everything(client).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in answer and b"connection: close" in answer
    assert events.startswith(b"data: {") and events.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("said", "status_line", "body"),
    [
        (b"304 Not Modified\r\nContent-Length: 100\r\n\r\n", b"304 Not Modified", b""),
        (b"200 Weird Reason\r\nContent-Length: 2\r\n\r\nhi", b"200 Weird Reason", b"hi"),
        (b"200 \r\nContent-Length: 2\r\n\r\nhi", b"200 ", b"hi"),
        (
            b"529 Site is overloaded\r\nContent-Length: 2\r\n\r\nhi",
            b"529 Site is overloaded",
            b"hi",
        ),
        (b"999 Denied\r\nContent-Length: 2\r\n\r\nhi", b"999 Denied", b"hi"),
        (b"600 X\r\nContent-Length: 0\r\n\r\n", b"600 X", b""),
        (b"301 Moved\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nhi", b"301 Moved", b"hi"),
        (b"204 No Content\r\n\r\n", b"204 No Content", b""),
        (b"205 Reset Content\r\nContent-Length: 0\r\n\r\n", b"205 Reset Content", b""),
    ],
)
def test_an_unusual_answer_arrives_as_it_is_and_costs_nothing_unless_it_is_one(
    start: Callable[..., Any], said: bytes, status_line: bytes, body: bytes
) -> None:
    with (
        raw_provider(b"HTTP/1.1 " + said) as (url, _),
        start(OCO_OPENAI_BASE_URL=url) as gateway,
        connected(gateway.url) as client,
    ):
        client.sendall(HEAD + b"Connection: close\r\n\r\n" + CALL)
        head, _, got = everything(client).partition(b"\r\n\r\n")
        (row,) = gateway.rows(1)
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 " + status_line
    assert got == body
    assert row["status_code"] == int(status_line[:3])
    if status_line.startswith(b"200"):
        assert row["cost_status"] == "estimated"
    else:
        assert (row["cost_status"], row["cost_usd"]) == ("exact", 0)


def test_the_usage_event_is_taken_out_whatever_the_case_of_the_content_type(
    start: Callable[..., Any],
) -> None:
    usage = b'{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}'
    said = (
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}}],"usage":null}\n\n'
        b'data: {"choices":[],"usage":%b}\n\ndata: [DONE]\n\n' % usage
    )
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream\r\nConnection: close\r\n\r\n" + said
    )
    with raw_provider(answer) as (url, _), start(OCO_OPENAI_BASE_URL=url) as gateway:
        got = httpx.post(
            f"{gateway.openai}/chat/completions", content=CALL[:-1] + b', "stream": true}'
        )
        (row,) = gateway.rows(1)
    assert b"prompt_tokens" not in got.content and b"[DONE]" in got.content
    assert (row["output_tokens"], row["cost_status"]) == (12, "exact")
