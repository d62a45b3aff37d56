"""Everything that a client can say to the gateway, with a private word in each place of it."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MANNERS = ("answer", "gzip", "lies", "headers", "400", "401", "429", "500", "reset", "garbage")


@dataclass(frozen=True)
class Call:
    """One request; `path` begins behind the gateway's address."""

    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


class Private:
    """Private texts by the place that they stand in: the word, then the place's name."""

    def __init__(self, word: str) -> None:
        self._word = word

    def __getattr__(self, place: str) -> str:
        return self._word + place


def provider_headers(private: Private) -> dict[str, str]:
    """A provider's key wherever one is sent, and other headers that say who somebody is."""
    return {
        "Authorization": f"Bearer sk-{private.bearerkey}",
        "X-Api-Key": f"sk-ant-{private.apikey}",
        "X-Goog-Api-Key": private.googkey,
        "Api-Key": private.azurekey,
        "OpenAI-Organization": private.organization,
        "Cookie": f"session={private.cookie}",
        "User-Agent": private.useragent,
        "Referer": f"http://{private.referer}.example",
        "X-Forwarded-For": private.forwarded,
        "Idempotency-Key": private.idempotency,
        "Baggage": private.baggage,
        "Traceparent": private.trace,
        "X-OCO-Route": private.route,
    }


def metered_calls(private: Private) -> Iterator[Call]:
    """Every kind of call that is read and priced, plain and streamed, with its key in the query."""
    query = f"?key={private.querykey}&note={private.query}"
    proxy = "/api/v1/proxy"
    for more in ({}, {"stream": True}):
        yield _json(f"{proxy}/openai/v1/chat/completions{query}", {**_chat(private), **more})
        yield _json(f"{proxy}/openai/v1/responses{query}", {**_responses(private), **more})
        yield _json(f"{proxy}/anthropic/v1/messages{query}", {**_messages(private), **more})
    gemini = f"{proxy}/gemini/v1beta/models/gemini-2.5-flash"
    yield _json(f"{gemini}:generateContent{query}", _contents(private))
    yield _json(f"{gemini}:streamGenerateContent{query}&alt=sse", _contents(private))
    yield _json(f"{gemini}:streamGenerateContent{query}", _contents(private))


def other_calls(private: Private) -> Iterator[Call]:
    """Uploads, reads and paths that nobody knows: what passes without being read."""
    proxy = "/api/v1/proxy"
    words = f"{private.path}/{private.pathb}/{private.pathc}"
    yield _upload(f"{proxy}/openai/v1/files", private)
    yield _upload(f"{proxy}/openai/v1/audio/transcriptions", private)
    yield _upload(f"{proxy}/anthropic/v1/files", private)
    yield _upload(f"{proxy}/gemini/upload/v1beta/files?key={private.querykey}", private)
    yield _json(f"{proxy}/openai/v1/embeddings", {"model": "e", "input": private.embedded})
    yield _json(f"{proxy}/openai/v1/completions", {"model": "c", "prompt": private.legacy})
    for provider in ("openai", "anthropic", "gemini"):
        for version in ("v1", "v1beta"):
            yield Call(f"{proxy}/{provider}/{version}/{words}?q={private.query}", method="GET")
            yield Call(f"{proxy}/{provider}/{version}/files/{private.fileid}", method="DELETE")
            yield _json(f"{proxy}/{provider}/{version}/{private.pathd}", {"a": private.prompt})
    yield _json(f"{proxy}/gemini/v1beta/models/m:{private.method}", _contents(private))
    yield _json(f"{proxy}/{private.provider}/v1/chat/completions", _chat(private))
    yield Call(f"{proxy}/{private.provider}", method="GET")


def refused_calls(private: Private) -> Iterator[Call]:
    """What the gateway refuses by itself, for a reason that is private."""
    chat = "/api/v1/proxy/openai/v1/chat/completions"
    good = _chat(private)
    yield Call(chat, f'{{"model": "m", "messages": "{private.prompt}'.encode())
    yield Call(chat, private.prompt.encode() + b"\xff\xfe\x00")
    yield Call(chat, b"[" * 100_000 + private.prompt.encode())
    yield Call(chat, private.prompt.encode("utf-16"))
    yield _json(chat, [good])
    for name in ("max_tokens", "stream", "n", "tools", "stream_options"):
        yield _json(chat, {**good, name: private.badvalue})
    yield _json(chat, {**good, "max_tokens": 10**15, private.badname: 1})
    yield _json(chat, {**good, "messages": private.prompt * 30_000})  # too large
    yield _json(chat, good, {"Content-Encoding": "gzip"})
    yield _json(chat, good, {"X-OCO-Token": f"oco_{private.wrongtoken}"})
    yield _json(chat, good, {"X-OCO-Tags": f'{{"{private.tags}'})
    yield _json(chat, good, {"X-Agent-ID": private.longid * 20})
    yield _json(chat, good, {"X-Agent-ID": "poor"})
    yield _json(chat, good, {"X-Agent-ID": "hasty"})
    yield _json(chat, good, {"X-Agent-ID": "hasty"})
    yield _json(chat, good, {"X-OCO-Tags": '{"fail": "now"}'})
    yield _json("/api/v1/proxy/anthropic/v1/messages", {**good, "max_tokens": private.badvalue})
    yield _json(
        "/api/v1/proxy/gemini/v1beta/models/m:generateContent",
        {**_contents(private), "generationConfig": private.badvalue},
    )


def api_calls(private: Private) -> Iterator[Call]:
    """What the API is told in error: prompts, keys and tokens in every place of a request."""
    admin = {"Authorization": "Bearer oco_admin"}
    wrong = {"Authorization": f"Bearer oco_{private.wrongtoken}"}
    yield Call("/api/v1/budgets", headers=wrong, method="GET")
    yield Call(f"/api/v1/requests?cursor={private.cursor}", headers=admin, method="GET")
    yield Call(f"/api/v1/requests?{private.unknown}=1", headers=admin, method="GET")
    for method in ("GET", "PUT", "DELETE"):
        for path in ("/api/v1/", "/docs/", "/", "/api/v1/tokens/"):
            yield Call(f"{path}{private.path}", headers=admin, method=method)
        yield Call(f"/v1/chat/{private.path}?key={private.querykey}", method=method)
    yield Call("/api/v1/budgets", f'{{"scope": "{private.prompt}'.encode(), admin)
    yield Call("/api/v1/budgets", private.prompt.encode() + b"\xff", admin)
    for path in ("budgets", "tokens", "channels", "routing/policies"):
        body = {"name": "\0" + private.name, "role": private.role, private.member: private.value}
        yield _json(f"/api/v1/{path}", body, admin)


def _json(path: str, body: Any, headers: dict[str, str] | None = None) -> Call:
    more = {"Content-Type": "application/json", **(headers or {})}
    return Call(path, json.dumps(body).encode(), more)


def _upload(path: str, private: Private) -> Call:
    disposition = "--cut\r\nContent-Disposition: form-data; name="
    field = f'{disposition}"{private.fieldname}"\r\n\r\n{private.fieldvalue}\r\n'
    file = f'{disposition}"file"; filename="{private.filename}.pdf"\r\n\r\n{private.upload * 1000}'
    headers = {"Content-Type": "multipart/form-data; boundary=cut"}
    return Call(path, f"{field}{file}\r\n--cut--\r\n".encode(), headers)


def _image(private: Private) -> str:
    return base64.b64encode(private.image.encode() * 100).decode()


def _chat(private: Private) -> dict[str, Any]:
    schema = {"type": "object", "properties": {private.schema: {"description": private.schema}}}
    function = {"name": private.tool, "description": private.tooltext, "parameters": schema}
    asked = {"name": private.tool, "arguments": json.dumps({"a": private.arguments})}
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_image(private)}"}}
    return {
        "model": "gpt-4o-mini",
        "max_tokens": 50,
        "messages": [
            {"role": "system", "content": private.system},
            {"role": "user", "content": [{"type": "text", "text": private.prompt}, image]},
            {"role": "assistant", "tool_calls": [{"id": private.callid, "function": asked}]},
            {"role": "tool", "tool_call_id": private.callid, "content": private.toolresult},
        ],
        "tools": [{"type": "function", "function": function}],
        "response_format": {"type": "json_schema", "json_schema": schema},
        "stop": [private.stop],
        "user": private.user,
        "metadata": {private.metadata: private.metadata},
        private.member: private.value,
    }


def _responses(private: Private) -> dict[str, Any]:
    return {
        "model": "gpt-4o-mini",
        "max_output_tokens": 50,
        "instructions": private.system,
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": private.prompt}]},
            {"type": "function_call_output", "call_id": "c", "output": private.toolresult},
        ],
        "tools": [{"type": "function", "name": private.tool, "description": private.tooltext}],
        "metadata": {private.metadata: private.metadata},
        "previous_response_id": private.previous,
    }


def _messages(private: Private) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": _image(private)}
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": private.arguments}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": private.toolresult}
    return {
        "model": "claude-haiku-4-5",
        "max_tokens": 50,
        "system": [{"type": "text", "text": private.system}],
        "messages": [
            {"role": "user", "content": [{"type": "document", "source": source}]},
            {"role": "assistant", "content": [{"type": "text", "text": private.prompt}, use]},
            {"role": "user", "content": [result]},
        ],
        "tools": [{"name": private.tool, "description": private.tooltext, "input_schema": {}}],
        "metadata": {"user_id": private.user},
        "stop_sequences": [private.stop],
    }


def _contents(private: Private) -> dict[str, Any]:
    inline = {"inlineData": {"mimeType": "image/png", "data": _image(private)}}
    asked = {"functionCall": {"name": private.tool, "args": {"a": private.arguments}}}
    given = {"functionResponse": {"name": private.tool, "response": {"a": private.toolresult}}}
    declared = {"name": private.tool, "description": private.tooltext}
    return {
        "systemInstruction": {"parts": [{"text": private.system}]},
        "contents": [
            {"role": "user", "parts": [{"text": private.prompt}, inline]},
            {"role": "model", "parts": [asked]},
            {"role": "user", "parts": [given]},
        ],
        "tools": [{"functionDeclarations": [declared]}],
        "generationConfig": {"maxOutputTokens": 50, "stopSequences": [private.stop]},
        "cachedContent": private.cached,
    }
