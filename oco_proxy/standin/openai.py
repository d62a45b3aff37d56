"""A stand-in for providers: OpenAI's chat completions plain and streamed, embeddings and models.

A chat that offers a tool calls the first one. `media` has OpenAI's other paths.
On `/v1/messages` it answers as Anthropic does, on `models/NAME:method` as Gemini does.

Token counts are a pure function of the request, so a test can say what a call must cost. What goes
wrong is asked for by the header `X-Standin`, a comma-separated list of:
    status=429      answer with this status and an error object
    fails=2         … but only to the first so many requests with the very same header
    delay=0.5       wait so many seconds before the answer
    pause=0.2       wait so many seconds between the chunks of a stream
    reset           break off in mid-answer
    no-usage        leave usage out
    gzip            compress the answer
    tokens=50       so many completion tokens
    dated=20240718  a chat is answered by the model's snapshot of that date, as OpenAI does
"""

import asyncio
import gzip
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn

from oco_proxy.standin import anthropic, gemini, media

CREATED: Final = 1_760_000_000
FINGERPRINT: Final = "fp_standin"
CACHED_FROM: Final = 1024
_START_SECONDS: Final = 10.0
# Azure's addresses name the model.
_DEPLOYMENT: Final = re.compile(r"^/openai/deployments/[^/]+")


@dataclass(slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class Standin:
    """A running stand-in.

    Attributes:
        url: address without a path, as `OCO_OPENAI_BASE_URL` takes it.
        seen: requests in the order of their arrival, at most `keep` of them.
        answered: calls whose answer was sent to its end.
        arrived: calls that came whole.
    """

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    keep: int = 1000
    answered: int = 0
    arrived: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        pieces = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        body = b"".join(pieces)
        self.arrived += 1
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
        query = scope["query_string"].decode("latin-1")
        if len(self.seen) < self.keep:
            self.seen.append(Seen(scope["method"], scope["path"], query, headers, body))
        answer = _Answer(send, self._knobs(dict(headers)))
        if ":" in scope["path"] or "x-goog-api-key" in dict(headers):
            await answer.give_as_gemini(scope["path"], query, body)
        else:
            path = _DEPLOYMENT.sub("/v1", scope["path"])
            await answer.give(path, body, dict(headers).get("content-type", ""))
        self.answered += 1

    def _knobs(self, headers: dict[str, str]) -> dict[str, str]:
        knobs = _knobs(headers)
        if "fails" in knobs:
            asked = headers["x-standin"]
            self.failures[asked] += 1
            if self.failures[asked] > int(knobs["fails"]):
                knobs.pop("status", None)
        return knobs


def completion_tokens(knobs: dict[str, str], limit: int | None) -> int:
    """Tokens of the answer: what the knob says, else 12, and never above the request's limit."""
    wanted = int(knobs.get("tokens", "12"))
    return wanted if limit is None else min(wanted, limit)


def usage_of(body: bytes, output: int) -> dict[str, Any]:
    """What the stand-in says was used: a token for every four bytes of the messages."""
    request = json.loads(body)
    text = json.dumps(_words(request), ensure_ascii=False)
    prompt = len(text.encode()) // 4
    cached = prompt // 128 * 128 if prompt >= CACHED_FROM else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 4 if request.get("model", "").startswith("o") else 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _words(request: dict[str, Any]) -> Any:
    return request.get("messages") or request.get("input") or request.get("prompt") or ""


def _knobs(headers: dict[str, str]) -> dict[str, str]:
    parts = [part.strip() for part in headers.get("x-standin", "").split(",") if part.strip()]
    return dict(part.partition("=")[::2] for part in parts)


class _Answer:
    def __init__(self, send: Any, knobs: dict[str, str]) -> None:
        self._send = send
        self._knobs = knobs

    async def give(self, path: str, body: bytes, content_type: str) -> None:
        await asyncio.sleep(float(self._knobs.get("delay", "0")))
        status = int(self._knobs.get("status", "200"))
        if path.startswith("/v1/messages"):
            await self._anthropic(path, body, status)
        elif status >= 400:
            error = {"message": "as you asked", "type": "standin", "param": None, "code": None}
            await self._json({"error": error}, status)
        elif path == "/v1/models":
            model = {
                "id": "gpt-4o-mini",
                "object": "model",
                "created": CREATED,
                "owned_by": "openai",
            }
            await self._json({"object": "list", "data": [model]})
        elif path == "/v1/chat/completions":
            await self._chat(json.loads(body), body)
        elif path == "/v1/embeddings":
            await self._embeddings(json.loads(body), body)
        elif path == "/v1/completions":
            await self._completion(json.loads(body), body)
        else:
            await self._media(path, body, content_type)

    async def _completion(self, request: dict[str, Any], body: bytes) -> None:
        output = completion_tokens(self._knobs, request.get("max_tokens"))
        choice = {"index": 0, "text": "word " * output, "logprobs": None, "finish_reason": "stop"}
        head = {"id": "cmpl-standin", "object": "text_completion", "created": CREATED}
        usage = usage_of(body, output)
        await self._json({**head, "model": request["model"], "choices": [choice], "usage": usage})

    async def _media(self, path: str, body: bytes, content_type: str) -> None:
        events = b"text/event-stream"
        stream = b'"stream":true' in body.replace(b" ", b"") or b'name="stream"' in body
        if path == "/v1/responses":
            request = json.loads(body)
            limit = request.get("max_output_tokens")
            asked = (request, len(body) // 4, completion_tokens(self._knobs, limit))
            if stream:
                await self._pieces(events, list(media.response_events(*asked)))
            else:
                await self._json(media.response(*asked))
        elif path.startswith("/v1/images/") and stream:
            await self._pieces(events, list(media.picture_events(body)))
        elif path.startswith("/v1/images/"):
            await self._json(media.picture(content_type, body))
        elif path == "/v1/audio/speech":
            await self._pieces(b"audio/mpeg", [b"ID3" + bytes(2000)])
        elif path.startswith("/v1/audio/") and stream:
            await self._pieces(events, list(media.transcript_events()))
        elif path.startswith("/v1/audio/"):
            await self._json(media.transcript(body))
        else:
            await self._json(media.other(path))

    async def _chat(self, request: dict[str, Any], body: bytes) -> None:
        limit = request.get("max_completion_tokens") or request.get("max_tokens")
        output = completion_tokens(self._knobs, limit)
        head = {
            "id": "chatcmpl-standin",
            "created": CREATED,
            "model": "-".join([request["model"], *filter(None, [self._knobs.get("dated")])]),
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
        }
        usage = None if "no-usage" in self._knobs else usage_of(body, output)
        if request.get("stream"):
            await self._stream(head, request, output, usage)
            return
        message: dict[str, Any] = {"role": "assistant", "content": "word " * output}
        if calls := media.tool_calls(request):
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        answer = {**head, "object": "chat.completion", "choices": [choice]}
        await self._json(answer if usage is None else {**answer, "usage": usage})

    async def _stream(
        self,
        head: dict[str, Any],
        request: dict[str, Any],
        output: int,
        usage: dict[str, Any] | None,
    ) -> None:
        asked = bool((request.get("stream_options") or {}).get("include_usage"))
        head = {**head, "object": "chat.completion.chunk"}
        extra: dict[str, Any] = {"usage": None} if asked else {}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": "word "} for _ in range(output)]
        if calls := media.tool_calls(request):
            deltas[1:] = [{"tool_calls": [{"index": 0, **call}]} for call in calls]
        await self._start(200, b"text/event-stream; charset=utf-8")
        for index, delta in enumerate(deltas):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
            await self._event({**head, "choices": [choice], **extra})
            await asyncio.sleep(float(self._knobs.get("pause", "0")))
            if "reset" in self._knobs and index >= len(deltas) // 2:
                return
        end = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
        await self._event({**head, "choices": [end], **extra})
        if asked and usage is not None:
            await self._event({**head, "choices": [], "usage": usage})
        await self._part(b"data: [DONE]\n\n", more=True)
        await self._part(b"", more=False)

    async def _anthropic(self, path: str, body: bytes, status: int) -> None:
        request = json.loads(body or b"{}")
        if status >= 400:
            await self._json(anthropic.error(status), status)
        elif path != "/v1/messages":
            await self._json(anthropic.other(path, request))
        else:
            output = completion_tokens(self._knobs, request.get("max_tokens"))
            with_usage = "no-usage" not in self._knobs
            if request.get("stream"):
                events = anthropic.events(request, output, with_usage=with_usage)
                await self._pieces(b"text/event-stream; charset=utf-8", list(events))
            else:
                await self._json(anthropic.message(request, output, with_usage=with_usage))

    async def give_as_gemini(self, path: str, query: str, body: bytes) -> None:
        await asyncio.sleep(float(self._knobs.get("delay", "0")))
        status = int(self._knobs.get("status", "200"))
        request = json.loads(body or b"{}")
        model, _, method = path.rpartition("/")[2].partition(":")
        config = request.get("generationConfig") or {}
        output = completion_tokens(self._knobs, config.get("maxOutputTokens"))
        with_usage = "no-usage" not in self._knobs
        if status >= 400:
            await self._json(gemini.error(status), status)
        elif method == "generateContent":
            await self._json(gemini.answer(request, model, output, with_usage=with_usage))
        elif method == "streamGenerateContent":
            pieces = gemini.pieces(request, model, output, with_usage=with_usage)
            texts = [json.dumps(piece).encode() for piece in pieces]
            if "alt=sse" in query:
                events = [b"data: " + text + b"\r\n\r\n" for text in texts]
                await self._pieces(b"text/event-stream", events)
            else:
                opened = [b"[" * (at == 0) + text + b"\n,\r\n" for at, text in enumerate(texts)]
                opened[-1] = opened[-1].removesuffix(b",\r\n") + b"]"
                await self._pieces(b"application/json; charset=UTF-8", opened)
        else:
            await self._json(gemini.other(method, request))

    async def _pieces(self, content_type: bytes, pieces: list[bytes]) -> None:
        await self._start(200, content_type)
        for index, piece in enumerate(pieces):
            await self._part(piece, more=True)
            await asyncio.sleep(float(self._knobs.get("pause", "0")))
            if "reset" in self._knobs and index >= len(pieces) // 2:
                return
        await self._part(b"", more=False)

    async def _embeddings(self, request: dict[str, Any], body: bytes) -> None:
        used = usage_of(body, 0)["prompt_tokens"]
        row = {"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.125]}
        usage = {"prompt_tokens": used, "total_tokens": used}
        await self._json(
            {"object": "list", "data": [row], "model": request["model"], "usage": usage}
        )

    async def _json(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        headers = [(b"x-request-id", b"req_standin"), (b"openai-version", b"2020-10-01")]
        if status in {429, 500}:
            headers.append((b"retry-after-ms", b"5"))
        if "gzip" in self._knobs:
            data = gzip.compress(data)
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(data)).encode()))
        await self._start(status, b"application/json", headers)
        if "reset" in self._knobs:
            await self._part(data[: len(data) // 2], more=True)
            return
        await self._part(data, more=False)

    async def _event(self, value: dict[str, Any]) -> None:
        data = json.dumps(value, separators=(",", ":")).encode()
        await self._part(b"data: " + data + b"\n\n", more=True)

    async def _start(
        self, status: int, content_type: bytes, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        fields = [(b"content-type", content_type), *(headers or [])]
        await self._send({"type": "http.response.start", "status": status, "headers": fields})

    async def _part(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


@contextmanager
def run_standin(port: int = 0) -> Iterator[Standin]:
    """Serve a stand-in on loopback from a thread until the block ends.

    Args:
        port: 0 takes a free one.
    """
    standin = Standin()
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    standin.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        standin, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_SECONDS
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield standin
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        with suppress(OSError):
            listener.close()
