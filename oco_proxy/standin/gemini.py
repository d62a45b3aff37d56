"""What the stand-in answers on Gemini's paths: content plain and streamed, embeddings, counts.

A prompt has a token for every four bytes of its contents, and the whole 128s of it are cached from
1,024 tokens on. Models named "…-pro" think for four tokens, which stand beside the candidates.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

CACHED_FROM: Final = 1024


def prompt_tokens(request: dict[str, Any]) -> int:
    """The whole prompt, cached tokens included."""
    texts = [request.get(name) for name in ("systemInstruction", "contents", "content", "requests")]
    return len(json.dumps(texts, ensure_ascii=False).encode()) // 4


def thoughts_of(model: str) -> int:
    """Tokens of thought."""
    return 4 if model.endswith("-pro") else 0


def usage_of(request: dict[str, Any], model: str, output: int) -> dict[str, Any]:
    """What is said to be used so far."""
    prompt = prompt_tokens(request)
    thoughts = thoughts_of(model)
    usage: dict[str, Any] = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": output,
        "totalTokenCount": prompt + output + thoughts,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    if prompt >= CACHED_FROM:
        usage["cachedContentTokenCount"] = prompt // 128 * 128
    return usage | ({"thoughtsTokenCount": thoughts} if thoughts else {})


def answer(request: dict[str, Any], model: str, output: int, *, with_usage: bool) -> dict[str, Any]:
    """A plain answer: text, or a call of the first declared function."""
    part: dict[str, Any] = {"text": "word " * output}
    for tool in request.get("tools") or ():
        for function in tool.get("functionDeclarations") or ():
            part = {"functionCall": {"name": function["name"], "args": {"place": "Basel"}}}
    return _piece(request, model, [part], output, with_usage=with_usage, end="STOP")


def pieces(
    request: dict[str, Any], model: str, output: int, *, with_usage: bool
) -> Iterator[dict[str, Any]]:
    """The pieces of a streamed answer; their counts grow."""
    for spoken in range(1, output):
        parts = [{"text": "word "}]
        yield _piece(request, model, parts, spoken, with_usage=with_usage, end=None)
    last = answer(request, model, output, with_usage=with_usage)
    part = last["candidates"][0]["content"]["parts"][0]
    if "text" in part:
        part["text"] = "word "
    yield last


def _piece(
    request: dict[str, Any],
    model: str,
    parts: list[dict[str, Any]],
    output: int,
    *,
    with_usage: bool,
    end: str | None,
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if end is not None:
        candidate["finishReason"] = end
    piece: dict[str, Any] = {"candidates": [candidate], "modelVersion": model}
    if with_usage:
        piece["usageMetadata"] = usage_of(request, model, output)
    return piece


def error(status: int) -> dict[str, Any]:
    """An error as the provider gives it."""
    names = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
    name = names.get(status, "INTERNAL")
    return {"error": {"code": status, "message": "as you asked", "status": name}}


def other(method: str, request: dict[str, Any]) -> dict[str, Any]:
    """Answers of the other methods and collections."""
    vector = {"values": [0.25, -0.5, 0.125]}
    if method == "countTokens":
        return {"totalTokens": prompt_tokens(request)}
    if method == "embedContent":
        return {"embedding": vector, "usageMetadata": {"promptTokenCount": prompt_tokens(request)}}
    if method == "batchEmbedContents":
        return {"embeddings": [vector for _ in request["requests"]]}
    return {"models": [{"name": "models/gemini-2.5-flash", "displayName": "Gemini 2.5 Flash"}]}
