"""A provider that says private things: its answers, errors and headers hold what it is given.

The header `X-Mirror` asks for a manner:
    answer      200, with a private text and usage, streamed when the request asks for it
    gzip        the same, compressed
    lies        200, with private words where counts belong, and JSON that is broken off
    headers     200, with private words in headers, content type and content encoding
    NNN         an error with this status that quotes the whole request
    silent      nothing, until the client gives up
    reset       breaks off in mid-answer
    garbage     private words that are not HTTP
    slow        a stream that takes its time, for clients that leave
"""

import gzip
import json
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

SILENCE_SECONDS = 3.0
_PAUSE_SECONDS = 0.1


class Mirror(socketserver.ThreadingTCPServer):
    """A running mirror; `secret` is what it says."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, secret: str) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.secret = secret
        self.seen: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no news."""


@contextmanager
def run_mirror(secret: str) -> Iterator[Mirror]:
    """Serve from a thread until the block ends."""
    with Mirror(secret) as mirror:
        thread = threading.Thread(target=mirror.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield mirror
        finally:
            mirror.shutdown()
            thread.join(timeout=5)


class _Exchange(socketserver.StreamRequestHandler):
    """One request and its answer; then the connection ends."""

    server: Mirror

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = self.rfile.read(int(headers.get("content-length", "0")))
        self.server.seen.append(head + body)
        path = request_line.split(" ")[1]
        with suppress(OSError):
            self._answer(headers.get("x-mirror", "answer"), path, head, body)

    def _answer(self, manner: str, path: str, head: bytes, body: bytes) -> None:
        secret = self.server.secret
        is_stream = b'"stream": true' in body or "streamGenerateContent" in path
        if manner == "silent":
            time.sleep(SILENCE_SECONDS)
        elif manner == "garbage":
            self.wfile.write(f"{secret} is no status line\r\n{secret}\r\n\r\n".encode())
        elif manner.isdigit():
            said = f"cannot take {head.decode('latin-1')} {body.decode('latin-1')}"
            error = json.dumps({"error": {"message": said, "type": secret, "code": secret}})
            self._send(int(manner), error.encode())
        elif manner == "lies":
            lie = f'{{"model": 7, "usage": {{"prompt_tokens": "{secret}", "{secret}": ["{secret}'
            prefix = b"data: " if is_stream else b""
            self._send(200, prefix + lie.encode() + b"\n\n", is_stream=is_stream)
        elif manner == "headers":
            more = (
                f"set-cookie: {secret}\r\nx-request-id: {secret}\r\ncontent-encoding: {secret}\r\n"
            )
            self._send(200, b"{}", more=more)
        elif manner == "gzip":
            whole = b"".join(_pieces(path, secret, is_stream=is_stream))
            more = "content-encoding: gzip\r\n"
            self._send(200, gzip.compress(whole), more=more, is_stream=is_stream)
        else:
            self._stream(manner, list(_pieces(path, secret, is_stream=is_stream)), is_stream)

    def _send(self, status: int, body: bytes, *, more: str = "", is_stream: bool = False) -> None:
        kind = "text/event-stream" if is_stream else "application/json"
        self.wfile.write(
            f"HTTP/1.1 {status} As asked\r\ncontent-type: {kind}\r\n{more}"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )

    def _stream(self, manner: str, pieces: list[bytes], is_stream: bool) -> None:
        kind = "text/event-stream" if is_stream else "application/json"
        if manner == "reset" and len(pieces) == 1:
            pieces = [pieces[0][:20], pieces[0][20:]]
        self.wfile.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )
        for index, piece in enumerate(pieces):
            if manner == "reset" and index == len(pieces) // 2:
                # A reset instead of an end.
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(_PAUSE_SECONDS if manner == "slow" else 0)
        self.wfile.write(b"0\r\n\r\n")


def _pieces(path: str, secret: str, *, is_stream: bool) -> Iterator[bytes]:
    """An answer that a provider of this path could give, every text of it private."""
    if "/messages" in path:
        usage = {"input_tokens": 7, "output_tokens": 5}
        block = {"type": "tool_use", "id": secret, "name": secret, "input": {secret: secret}}
        whole: dict[str, Any] = {
            "type": "message",
            "id": secret,
            "model": "claude-haiku-4-5",
            "content": [{"type": "text", "text": secret}, block],
            "usage": usage,
        }
        events = [
            {"type": "message_start", "message": {**whole, "content": []}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": secret}},
            {"type": "content_block_delta", "delta": {"partial_json": secret}},
            {"type": "message_delta", "delta": {"stop_sequence": secret}, "usage": usage},
            {"type": "message_stop"},
        ]
    elif ":" in path:
        part = {"text": secret, "functionCall": {"name": secret, "args": {secret: secret}}}
        counts = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
        whole = {
            "candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}],
            "usageMetadata": counts,
            "modelVersion": "gemini-2.5-flash",
            "responseId": secret,
        }
        events = [whole, whole, whole]
    else:
        call = {"id": secret, "function": {"name": secret, "arguments": secret}}
        message = {"role": "assistant", "content": secret, "tool_calls": [call]}
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "input_tokens": 7, "output_tokens": 5}
        whole = {
            "id": secret,
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "output": [{"content": [{"text": secret}]}],
            "usage": usage,
        }
        chunk = {"id": secret, "choices": [{"index": 0, "delta": message}]}
        end = {"type": "response.completed", "response": whole, "choices": [], "usage": usage}
        events = [chunk, chunk, chunk, end]
    if not is_stream:
        yield json.dumps(whole).encode()
        return
    for event in events:
        name = f"event: {event['type']}\n" if "type" in event else ""
        yield f"{name}data: {json.dumps(event)}\n\n".encode()
