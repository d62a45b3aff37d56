"""The hot route over the wire: bytes, headers, refusals, and every way in which a call can end."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from oco_proxy.proxy import dialects
from oco_warehouse.tokens import hash_token

BODY: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
TARGET = "/chat/completions"


@contextmanager
def raw_provider(answer: bytes, hold: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers every connection's first request with exactly these bytes."""
    server = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                data = b""
                while b"\r\n\r\n" not in data or not _complete(data):
                    part = connection.recv(65536)
                    if not part:
                        break
                    data += part
                requests.append(data)
                time.sleep(hold)
                with suppress(OSError):  # a caller that does not take all of it
                    connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", requests
    finally:
        server.close()


def _complete(data: bytes) -> bool:
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return True


def exchange(url: str, request: bytes) -> tuple[bytes, list[bytes], bytes]:
    """(status line, header lines, body bytes) as they are on the wire."""
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=20) as client:
        client.sendall(request)
        data = b""
        while part := client.recv(65536):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    return status, headers, body


def test_status_headers_and_body_come_back_as_the_provider_sent_them(
    start: Callable[..., Any],
) -> None:
    body = b"\x1f\x8bnot really gzip, \x00\xff but nobody has to look"
    answer = (
        b"HTTP/1.1 418 Teapot\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
        b"Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nX-Request-Id: req_theirs\r\n"
        b"Date: Sat, 01 Jan 2000 00:00:00 GMT\r\nServer: theirs\r\nX-Odd: caf\xe9\r\n"
        b"Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    ) + body
    request = (
        b"POST /api/v1/proxy/openai/v1/files?a=%2F&b=c%20d HTTP/1.1\r\nHost: gateway\r\n"
        b"Authorization: Bearer sk-secret\r\nX-Agent-ID: bot\r\nX-Custom: 1\r\nX-Custom: 2\r\n"
        b"Accept-Encoding: gzip, br\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    )
    with raw_provider(answer) as (url, seen), start(OCO_OPENAI_BASE_URL=url) as gateway:
        status, headers, got = exchange(gateway.url, request)
    assert got == body
    assert status.split()[1] == b"418"
    assert [h for h in headers if h.startswith(b"set-cookie")] == [
        b"set-cookie: a=1; Path=/",
        b"set-cookie: b=2",
    ]
    for line in (
        b"x-request-id: req_theirs",
        b"date: Sat, 01 Jan 2000 00:00:00 GMT",
        b"server: theirs",
        b"x-odd: caf\xe9",
        b"content-encoding: gzip",
    ):
        assert headers.count(line) == 1
    names = {line.split(b":")[0] for line in headers}
    assert b"x-hop" not in names and b"keep-alive" not in names
    (arrived,) = seen
    assert arrived.startswith(b"POST /v1/files?a=%2F&b=c%20d HTTP/1.1\r\n")
    assert arrived.endswith(b"\r\n\r\nabc")
    lowered = arrived.lower()
    assert b"authorization: bearer sk-secret" in lowered
    assert lowered.count(b"x-custom: ") == 2
    assert b"accept-encoding: gzip, br" in lowered
    assert b"x-agent-id" not in lowered and b"host: gateway" not in lowered
    assert b"user-agent" not in lowered


def test_a_request_body_goes_out_byte_for_byte(gateway: Any, standin: Any) -> None:
    body = b'{ "model" :"gpt-4o-mini",\n"messages":[{"role":"user","content":"\\u00e9 \xc3\xa9"}]}'
    httpx.post(f"{gateway.openai}{TARGET}", content=body)
    assert standin.seen[0].body == body


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        ("/api/v1/proxy/nobody/v1/x", b"{}", 404, "unknown_provider"),
        ("/api/v1/proxy/openai/v1/chat/completions", b"{nonsense", 400, "invalid_request"),
        ("/api/v1/proxy/openai/v1/chat/completions", b" " * 2000, 413, "body_too_large"),
    ],
)
def test_a_bad_request_is_refused_in_one_clear_line(
    start: Callable[..., Any], path: str, content: bytes, status: int, code: str
) -> None:
    with start(OCO_MAX_BODY_BYTES="1024") as gateway:
        answer = httpx.post(f"{gateway.url}{path}", content=content)
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:oco:problem:{code}"
    assert problem["instance"].endswith(answer.headers["x-request-id"])
    assert "\n" not in problem["detail"]


def test_a_token_of_the_gateway_wins_over_headers_and_never_reaches_the_provider(
    gateway: Any, standin: Any
) -> None:
    gateway.warehouse.execute(
        "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role, agent_id) "
        "VALUES ('t', %s, 'oco_', 'agent', 'real')",
        [hash_token("oco_secret")],
    )
    headers = {"X-OCO-Token": "oco_secret", "X-Agent-ID": "forged", "X-User-ID": "u"}
    assert httpx.post(f"{gateway.openai}{TARGET}", json=BODY, headers=headers).status_code == 200
    wrong = httpx.post(f"{gateway.openai}{TARGET}", json=BODY, headers={"X-OCO-Token": "oco_no"})
    (row,) = gateway.rows(1)
    assert (row["agent_id"], row["user_id"]) == ("real", "u")
    assert not any(name.startswith("x-") for name, _ in standin.seen[0].headers)
    assert wrong.status_code == 401


def test_a_gateway_that_requires_tokens_takes_no_call_without_one(
    priced: Any, start: Callable[..., Any], standin: Any
) -> None:
    priced.execute(
        "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role) "
        "VALUES ('bot', %s, 'oco_bot', 'agent')",
        [hash_token("oco_bot_token")],
    )
    with start(OCO_REQUIRE_TOKEN="true") as gateway:
        url = f"{gateway.openai}{TARGET}"
        for headers in ({"X-Agent-ID": "bot"}, {"X-OCO-Token": ""}, {"X-OCO-Token": "wrong"}):
            refused = httpx.post(url, json=BODY, headers=headers)
            assert refused.status_code == 401 and "X-OCO-Token" in refused.json()["detail"]
        assert standin.seen == []
        answer = httpx.post(url, json=BODY, headers={"X-OCO-Token": "oco_bot_token"})
        assert answer.status_code == 200


def test_a_provider_that_cannot_be_reached_is_a_502_and_costs_nothing(
    start: Callable[..., Any],
) -> None:
    with start(OCO_OPENAI_BASE_URL="http://127.0.0.1:1") as gateway:
        answer = httpx.post(f"{gateway.openai}{TARGET}", json=BODY)
        (row,) = gateway.rows(1)
    assert answer.status_code == row["status_code"] == 502
    assert (row["error_type"], row["cost_usd"]) == ("upstream_unreachable", 0)


def test_a_provider_that_falls_silent_is_a_504_of_unknown_cost(start: Callable[..., Any]) -> None:
    with start(OCO_UPSTREAM_TIMEOUT_SECONDS="0.3") as gateway:
        answer = httpx.post(
            f"{gateway.openai}{TARGET}", json=BODY, headers={"X-Standin": "delay=2"}
        )
        (row,) = gateway.rows(1)
    assert answer.status_code == 504
    assert (row["error_type"], row["cost_status"]) == ("upstream_timeout", "unpriced")


@pytest.mark.parametrize("stream", [False, True])
def test_half_an_answer_reaches_the_client_as_half_an_answer(gateway: Any, stream: bool) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(
            f"{gateway.openai}{TARGET}",
            json={**BODY, "stream": stream},
            headers={"X-Standin": "reset"},
        )
    (row,) = gateway.rows(1)
    assert (row["error_type"], row["cost_status"]) == ("upstream_reset", "partial")
    assert row["cost_usd"] > 0
    assert httpx.post(f"{gateway.openai}{TARGET}", json=BODY).status_code == 200


def leave_early(gateway: Any, standin: str) -> None:
    with httpx.stream(
        "POST",
        f"{gateway.openai}{TARGET}",
        json={**BODY, "stream": True},
        headers={"X-Standin": standin},
    ) as answer:
        next(answer.iter_raw())


def test_a_client_that_leaves_is_metered_to_the_end_within_the_drain(gateway: Any) -> None:
    leave_early(gateway, "pause=0.05,tokens=20")
    (row,) = gateway.rows(1)
    assert (row["error_type"], row["cost_status"]) == ("client_closed", "exact")
    assert row["output_tokens"] == 20


def test_after_the_drain_the_call_is_given_up_and_partial(start: Callable[..., Any]) -> None:
    with start(OCO_DRAIN_TIMEOUT_SECONDS="0.2") as gateway:
        began = time.monotonic()
        leave_early(gateway, "pause=0.1,tokens=200")
        (row,) = gateway.rows(1)
        assert time.monotonic() - began < 5
    assert (row["error_type"], row["cost_status"]) == ("client_closed", "partial")
    assert 0 < row["output_tokens"] < 100


def test_a_stream_arrives_as_it_is_made(gateway: Any) -> None:
    times = []
    with httpx.stream(
        "POST",
        f"{gateway.openai}{TARGET}",
        json={**BODY, "stream": True},
        headers={"X-Standin": "pause=0.2,tokens=4"},
    ) as answer:
        times.extend(time.monotonic() for _ in answer.iter_raw())
    assert times[-1] - times[0] > 0.6


def test_a_stream_that_comes_compressed_all_the_same_loses_only_its_usage_event(
    start: Callable[..., Any],
) -> None:
    import gzip

    first = b'data: {"model":"gpt-4o-mini","choices":[{"delta":{"content":"a"}}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1}}\n\n'
    wire = gzip.compress(first + usage + b"data: [DONE]\n\n")
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(wire)
    ) + wire
    with raw_provider(answer) as (url, seen), start(OCO_OPENAI_BASE_URL=url) as gateway:
        got = httpx.post(f"{gateway.openai}{TARGET}", json={**BODY, "stream": True})
        (row,) = gateway.rows(1)
    assert got.content == first + b"data: [DONE]\n\n"
    assert row["input_tokens"] == 7
    assert b"accept-encoding: identity" in seen[0].lower()


def test_a_large_body_is_read_beside_the_loop(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, threads = dialects.read_shape, set()

    def noted(*arguments: Any) -> Any:
        threads.add((len(arguments[2]) > 2**20, threading.current_thread().name))
        return read(*arguments)

    monkeypatch.setattr(dialects, "read_shape", noted)
    for text in ("hi", "x" * 2**20):
        body = {**BODY, "messages": [{"role": "user", "content": text}]}
        assert httpx.post(f"{gateway.openai}{TARGET}", json=body).status_code == 200
    names = dict(threads)
    assert names[False] == "gateway" and names[True] != "gateway"


def test_a_large_body_passes_whole(gateway: Any, standin: Any) -> None:
    picture = "data:image/png;base64," + "A" * (20 * 1024 * 1024)
    content = [{"type": "image_url", "image_url": {"url": picture}}]
    body = json.dumps({**BODY, "messages": [{"role": "user", "content": content}]}).encode()
    answer = httpx.post(f"{gateway.openai}{TARGET}", content=body, timeout=60)
    assert answer.status_code == 200
    assert standin.seen[0].body == body
