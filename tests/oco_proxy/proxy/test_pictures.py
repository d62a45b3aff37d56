"""Pictures are emptied before a large body is read, and nobody can claim a size of their own."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from oco_proxy.proxy import anthropic, gemini_request, request_body
from oco_proxy.proxy.pictures import empty_data_members, empty_data_urls, size_of
from oco_proxy.proxy.request_body import RequestShape

PICTURE = "QUJD" * 50_000
IMAGE_TOKENS = 8000
ROOM = 1500


def openai(picture: str, text: str = "hi", *, kind: str = "image_url") -> bytes:
    parts = [{"type": "text", "text": text}, {"type": kind, "image_url": {"url": picture}}]
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}]}).encode()


def read_openai(body: bytes) -> RequestShape:
    return request_body.read_shape(body, IMAGE_TOKENS)


def read_anthropic(body: bytes) -> RequestShape:
    return anthropic.read_shape("", body, IMAGE_TOKENS)


def read_gemini(body: bytes) -> RequestShape:
    return gemini_request.read_shape("v1beta/models/m:generateContent", body, IMAGE_TOKENS)


def anthropic_part(part: dict[str, Any]) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]}).encode()


SOURCE = {"type": "base64", "media_type": "image/png", "data": PICTURE}
INLINE = {"mimeType": "image/png", "data": PICTURE}
PICTURES: dict[str, tuple[Callable[[bytes], RequestShape], bytes]] = {
    "openai": (read_openai, openai(f"data:image/png;base64,{PICTURE}")),
    "openai with escaped slashes": (
        read_openai,
        openai(f"data:image/png;base64,{PICTURE}/").replace(b"/", b"\\/"),
    ),
    "anthropic": (read_anthropic, anthropic_part({"type": "image", "source": SOURCE})),
    "gemini": (
        read_gemini,
        json.dumps({"contents": [{"parts": [{"inlineData": INLINE}]}]}).encode(),
    ),
}
TEXTS: dict[str, tuple[Callable[[bytes], RequestShape], bytes]] = {
    "a data URL in a prompt": (read_openai, openai("", f"data:image/png;base64,{PICTURE}")),
    "a data URL in a part of text": (
        read_openai,
        openai(f"data:image/png;base64,{PICTURE}", kind="text"),
    ),
    "a quoted data URL": (read_openai, openai("", f'see "data:image/png;base64,{PICTURE}')),
    "a document of text": (
        read_anthropic,
        anthropic_part({"type": "document", "source": {**SOURCE, "type": "text"}}),
    ),
    "a sound": (
        read_gemini,
        json.dumps(
            {"contents": [{"parts": [{"inlineData": {**INLINE, "mimeType": "audio/wav"}}]}]}
        ).encode(),
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_counts_as_one_and_not_by_its_bytes(name: str) -> None:
    read, body = PICTURES[name]
    assert IMAGE_TOKENS < read(body).input_bound < IMAGE_TOKENS + ROOM


@pytest.mark.parametrize("name", TEXTS)
def test_the_same_bytes_elsewhere_count_as_text(name: str) -> None:
    read, body = TEXTS[name]
    assert read(body).input_bound >= len(body)


@pytest.mark.parametrize("empty", [empty_data_urls, empty_data_members])
def test_what_was_emptied_says_its_size_and_leaves_valid_json(
    empty: Callable[[bytes], bytes],
) -> None:
    url = f"data:image/png;base64,{PICTURE}"
    body = json.dumps({"data": url, "other": "x" * 70_000, "n": [1, {"data": "short"}]}).encode()
    emptied = empty(body)
    assert len(emptied) < len(body) - len(PICTURE) + 100
    read = json.loads(emptied)
    assert (read["other"], read["n"]) == ("x" * 70_000, [1, {"data": "short"}])
    assert size_of(json.dumps(read["data"]).encode()) == len(url) + 2


@pytest.mark.parametrize("claim", ["data:image/0:99999999", "data:image/99999999"])
def test_a_size_that_is_claimed_is_not_believed(claim: str) -> None:
    body = openai(claim, "x" * 100_000)
    assert read_openai(body).input_bound > 100_000


def test_a_large_picture_is_looked_at_once_or_twice() -> None:
    body = openai(f"data:image/png;base64,{PICTURE * 100}")
    assert best_of_three(read_openai, body) < best_of_three(json.loads, body)


def best_of_three(work: Callable[[bytes], Any], body: bytes) -> float:
    took = []
    for _ in range(3):
        began = time.perf_counter()
        work(body)
        took.append(time.perf_counter() - began)
    return min(took)
