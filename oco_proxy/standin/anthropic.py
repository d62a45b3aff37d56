"""What the stand-in answers on Anthropic's paths: messages plain and streamed, counts, models.

A prompt has a token for every four bytes of its messages; from 1,024 tokens on, the whole 128s of
it are read from a cache, and a request with `cache_control` writes 64, 16 of them for an hour.
A tool that the request offers is called once.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

CACHED_FROM: Final = 1024
_WRITTEN: Final = 64
_WRITTEN_1H: Final = 16


def prompt_tokens(request: dict[str, Any]) -> int:
    """The whole prompt, cached tokens included."""
    text = json.dumps([request.get("system"), request.get("messages")], ensure_ascii=False)
    return len(text.encode()) // 4


def usage_of(request: dict[str, Any], output: int) -> dict[str, Any]:
    """What is said to be used; `input_tokens` leaves cached tokens out."""
    whole = prompt_tokens(request)
    read = whole // 128 * 128 if whole >= CACHED_FROM else 0
    written = _WRITTEN if "cache_control" in json.dumps(request) else 0
    long = _WRITTEN_1H if written else 0
    return {
        "input_tokens": max(0, whole - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written - long,
            "ephemeral_1h_input_tokens": long,
        },
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": 4 if request.get("thinking") else 0},
        "service_tier": "standard",
    }


def content_of(request: dict[str, Any], output: int) -> dict[str, Any]:
    """One block: a call of the first tool of the caller's own, or text."""
    tools = [tool for tool in request.get("tools") or () if "input_schema" in tool]
    if tools:
        return {
            "type": "tool_use",
            "id": "toolu_standin",
            "name": tools[0]["name"],
            "input": {"place": "Basel"},
        }
    return {"type": "text", "text": "word " * output}


def message(request: dict[str, Any], output: int, *, with_usage: bool) -> dict[str, Any]:
    """A plain answer."""
    block = content_of(request, output)
    answer = {
        "id": "msg_standin",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [block],
        "stop_reason": "tool_use" if block["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
    }
    return {**answer, "usage": usage_of(request, output)} if with_usage else answer


def events(request: dict[str, Any], output: int, *, with_usage: bool) -> Iterator[bytes]:
    """The events of a streamed answer, each with the empty line that ends it.

    The first counts say one token of output; the last ones, in `message_delta`, are the whole.
    """
    whole = message(request, output, with_usage=with_usage)
    (block,) = whole["content"]
    start = {**whole, "content": [], "stop_reason": None}
    if with_usage:
        start["usage"] = usage_of(request, 1)
    yield _event("message_start", message=start)
    yield _event("ping")
    if block["type"] == "tool_use":
        empty = {**block, "input": {}}
        parts = ['{"place": ', '"Basel"}']
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    else:
        empty = {**block, "text": ""}
        deltas = [{"type": "text_delta", "text": "word "} for _ in range(output)]
    yield _event("content_block_start", index=0, content_block=empty)
    for delta in deltas:
        yield _event("content_block_delta", index=0, delta=delta)
    yield _event("content_block_stop", index=0)
    usage = {"usage": {"output_tokens": output}} if with_usage else {}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=end, **usage)
    yield _event("message_stop")


def error(status: int) -> dict[str, Any]:
    """An error as the provider gives it."""
    kind = {400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error"}
    return {
        "type": "error",
        "error": {"type": kind.get(status, "api_error"), "message": "as you asked"},
        "request_id": "req_standin",
    }


def other(path: str, request: dict[str, Any]) -> dict[str, Any]:
    """Answers of the paths that cost nothing, and of batches."""
    if path.endswith("/count_tokens"):
        return {"input_tokens": prompt_tokens(request)}
    if path.endswith("/batches"):
        return {"id": "msgbatch_standin", "type": "message_batch", "processing_status": "ended"}
    model = {
        "id": "claude-haiku-4-5",
        "type": "model",
        "display_name": "Claude Haiku 4.5",
        "created_at": "2025-10-01T00:00:00Z",
    }
    return {"data": [model], "has_more": False, "first_id": model["id"], "last_id": model["id"]}


def _event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()
