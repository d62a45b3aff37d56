"""What the stand-in answers on OpenAI's other paths: responses, pictures, sounds, batches, files.

A response with a tool of the caller's own calls it; one with `web_search` searches twice and opens
a page. A picture costs 40 tokens of words, 300 of each picture that came along, and 1,000 that it
is made of. A sound is 50 tokens, or at `whisper-1` nine and a half seconds.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from oco_proxy.standin.forms import form_fields

PICTURE: Final = 1000
BROUGHT: Final = 300
WORDS: Final = 40
SOUND: Final = 50
SECONDS: Final = 9.5
_PIXEL: Final = "iVBORw0KGgo="


def tool_calls(request: dict[str, Any]) -> list[dict[str, Any]]:
    """A chat's call of the first tool that it offers."""
    for tool in request.get("tools") or ():
        function = {"name": tool["function"]["name"], "arguments": '{"place": "Basel"}'}
        return [{"id": "call_standin", "type": "function", "function": function}]
    return []


def response(request: dict[str, Any], prompt: int, output: int) -> dict[str, Any]:
    """A response that is complete, or with `background` one that has not begun."""
    searches = any(tool["type"].startswith("web_search") for tool in request.get("tools") or ())
    answer: dict[str, Any] = {
        "id": "resp_standin1",
        "object": "response",
        "created_at": 1_760_000_000,
        "model": request["model"],
        "service_tier": request.get("service_tier") or "default",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": request.get("tools") or [],
        "status": "completed",
        "output": _items(request, output),
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": prompt + output,
        },
    }
    if searches:
        zero = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        details = {"input_tokens_details": {"image_tokens": 0, "text_tokens": 0}}
        answer["tool_usage"] = {"image_gen": zero | details, "web_search": {"num_requests": 2}}
    if request.get("background") and not request.get("stream"):
        return {**answer, "status": "queued", "output": [], "usage": None}
    return answer


def _items(request: dict[str, Any], output: int) -> list[dict[str, Any]]:
    kinds = {tool["type"]: tool for tool in request.get("tools") or ()}
    items: list[dict[str, Any]] = []
    if any(kind.startswith("web_search") for kind in kinds):
        for number, action in enumerate(("search", "open_page", "search")):
            detail = {"type": action, "query": "q"} if action == "search" else {"type": action}
            search = {"id": f"ws_{number}", "type": "web_search_call", "status": "completed"}
            items.append({**search, "action": detail})
    if "function" in kinds:
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed"}
        arguments = json.dumps({"place": "Basel"})
        return [*items, {**call, "name": kinds["function"]["name"], "arguments": arguments}]
    text = {"type": "output_text", "text": "word " * output, "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    return [*items, {**message, "content": [text]}]


def response_events(request: dict[str, Any], prompt: int, output: int) -> Iterator[bytes]:
    """The events of a streamed response; `max_output_tokens` of 1 leaves it incomplete."""
    whole = response(request, prompt, output)
    started = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield _event("response.created", 0, response=started)
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    for number in range(1, output + 1):
        delta = {**place, "delta": "word ", "logprobs": []}
        yield _event("response.output_text.delta", number, **delta)
    end = "incomplete" if request.get("max_output_tokens") == 1 else "completed"
    yield _event(f"response.{end}", output + 1, response={**whole, "status": end})


def picture(content_type: str, body: bytes) -> dict[str, Any]:
    """Pictures; models named "dall-e-…" say no usage."""
    request = form_fields(body) if "multipart" in content_type else json.loads(body)
    count = int(request.get("n") or 1)
    brought = int(request.get("pictures", 0))
    answer: dict[str, Any] = {"created": 1_760_000_000, "data": [{"b64_json": _PIXEL}] * count}
    if str(request.get("model", "")).startswith("dall-e"):
        return answer
    return answer | {"usage": _picture_usage(count, brought)}


def picture_events(body: bytes) -> Iterator[bytes]:
    """A picture that is streamed, large enough for its event to come in many pieces."""
    base = {
        "b64_json": _PIXEL * 500_000,
        "created_at": 1_760_000_000,
        "size": "1024x1024",
        "quality": "low",
        "background": "auto",
        "output_format": "png",
    }
    partial = {**base, "b64_json": _PIXEL, "partial_image_index": 0}
    yield _event("image_generation.partial_image", 0, **partial)
    count = int(json.loads(body).get("n") or 1)
    yield _event("image_generation.completed", 1, **base, usage=_picture_usage(count, 0))


def _picture_usage(count: int, brought: int) -> dict[str, Any]:
    shown = brought * BROUGHT
    return {
        "input_tokens": WORDS + shown,
        "input_tokens_details": {"text_tokens": WORDS, "image_tokens": shown},
        "output_tokens": count * PICTURE,
        "total_tokens": WORDS + shown + count * PICTURE,
    }


def transcript(body: bytes) -> dict[str, Any]:
    """What was said: billed by tokens, or at whisper-1 by the second."""
    if form_fields(body).get("model") == "whisper-1":
        return {"text": "word", "usage": {"type": "duration", "seconds": SECONDS}}
    return {"text": "word", "usage": _sound_usage()}


def transcript_events() -> Iterator[bytes]:
    """What was said, as it is understood."""
    yield _event("transcript.text.delta", 0, delta="word")
    yield _event("transcript.text.done", 1, text="word", usage=_sound_usage())


def _sound_usage() -> dict[str, Any]:
    return {
        "type": "tokens",
        "input_tokens": SOUND + 5,
        "input_token_details": {"text_tokens": 5, "audio_tokens": SOUND},
        "output_tokens": 7,
        "total_tokens": SOUND + 12,
    }


def other(path: str) -> dict[str, Any]:
    """Batches, files, moderations."""
    if path.startswith("/v1/batches"):
        return {
            "id": "batch_1",
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "status": "validating",
            "input_file_id": "file-1",
            "completion_window": "24h",
            "created_at": 1_760_000_000,
        }
    if path == "/v1/moderations":
        return {"id": "modr-1", "model": "omni-moderation-latest", "results": []}
    if path == "/v1/files":
        file = {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1_760_000_000}
        return {**file, "filename": "a.jsonl", "purpose": "batch", "status": "processed"}
    return {"object": "standin", "path": path}


def _event(kind: str, number: int, **fields: Any) -> bytes:
    data = {"type": kind, "sequence_number": number, **fields}
    text = json.dumps(data, separators=(",", ":"))
    return f"event: {kind}\ndata: {text}\n\n".encode()
