"""What OpenAI's `usage` objects, and the tools that it runs, mean in the platform's terms. Pure.

Chat says prompt/completion, the other endpoints input/output; details are parts of their wholes.
Pictures tell of text and images, transcriptions of sounds, or only of how long they play.
"""

from math import ceil
from typing import Final

import msgspec

from oco_warehouse.pricing import Usage

_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = frozenset({b"", b"null"})
# Longer than any sound that is accepted: a figure beyond it is none.
_MAX_SECONDS: Final = 10_000_000


class _CachedDetails(msgspec.Struct):
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _CacheWriteDetails(msgspec.Struct):
    ttl_12h_tokens: int | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cached_tokens_details: _CachedDetails | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: _CacheWriteDetails | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """The `usage` of any endpoint."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    input_tokens_details: _InputDetails | None = None
    input_token_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None
    type: str | None = None
    seconds: float | None = None


def to_usage(usage: WireUsage, *, pictures: bool = False) -> Usage | None:
    """Counts in the platform's terms; None when the answer counts no input.

    Args:
        usage: as the answer said it.
        pictures: the output is pictures where the answer does not say what it is.
    """
    if usage.type == "duration":
        seconds = usage.seconds
        if seconds is None or not 0 <= seconds <= _MAX_SECONDS:
            return None
        return Usage(0, 0, tool_uses={"audio_second": ceil(seconds)})
    total_input = usage.prompt_tokens if usage.prompt_tokens is not None else usage.input_tokens
    if total_input is None or total_input < 0:
        return None
    output = usage.completion_tokens if usage.completion_tokens is not None else usage.output_tokens
    read = (
        usage.prompt_tokens_details
        or usage.input_tokens_details
        or usage.input_token_details
        or _InputDetails()
    )
    written = usage.completion_tokens_details or usage.output_tokens_details
    # Embeddings have no output field at all.
    total_output = max(0, output or 0)
    said = written or _OutputDetails()
    cached = _part(read.cached_tokens, total_input)
    cache_write = _part(read.cache_write_tokens, total_input - cached)
    long = read.cache_write_tokens_details or _CacheWriteDetails()
    again = read.cached_tokens_details or _CachedDetails()
    cached_audio = _part(again.audio_tokens, cached)
    cached_image = _part(again.image_tokens, cached - cached_audio)
    # What was read from a cache is in the totals of its kind as well.
    plain = total_input - cached - cache_write
    audio = _part((read.audio_tokens or 0) - cached_audio, plain)
    image = _part((read.image_tokens or 0) - cached_image, plain - audio)
    reasoning = _part(said.reasoning_tokens, total_output)
    spoken = _part(said.audio_tokens, total_output - reasoning)
    left = total_output - reasoning - spoken
    drawn = _part(left if pictures and written is None else said.image_tokens, left)
    media = {
        "cached_audio_input": cached_audio,
        "cached_image_input": cached_image,
        "image_input": image,
        "image_output": drawn,
    }
    return Usage(
        input_tokens=total_input,
        output_tokens=total_output,
        cached_input_tokens=cached,
        cache_write_tokens=cache_write,
        cache_write_1h_tokens=_part(long.ttl_12h_tokens, cache_write),
        reasoning_tokens=reasoning,
        audio_input_tokens=audio,
        audio_output_tokens=spoken,
        media={name: tokens for name, tokens in media.items() if tokens},
    )


def _part(count: int | None, whole: int) -> int:
    """A part that is inside its whole, whatever the answer claims."""
    return min(max(0, count or 0), whole)


class _Item(msgspec.Struct):
    type: str | None = None
    action: msgspec.Raw = _ABSENT


class _Action(msgspec.Struct):
    type: str | None = None


class _Searches(msgspec.Struct):
    num_requests: int | None = None


class _ToolUsage(msgspec.Struct):
    web_search: _Searches | None = None


_ITEMS: Final = msgspec.json.Decoder(list[_Item])
_ACTION: Final = msgspec.json.Decoder(_Action)
_TOOL_USAGE: Final = msgspec.json.Decoder(_ToolUsage)
# Items of a response that tell of a tool's use: what the tool is called, and this.
_CALL: Final = "_call"
# Those of tools that cost nothing by use, or that run in a container; any other is billed beside
# the tokens, and where its tool has no price by use, the cost is not exact.
_FREE_ITEMS: Final = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "local_shell_call",
        "mcp_call",
        "shell_call",
        "tool_search_call",
    }
)


def tool_uses(output: msgspec.Raw, tool_usage: msgspec.Raw) -> dict[str, int]:
    """Uses of tools that OpenAI ran for a response and bills, by tool.

    Args:
        output: the response's items.
        tool_usage: its own count of searches, which leaves out those that are not billed.
    """
    uses: dict[str, int] = {}
    try:
        for item in _ITEMS.decode(output) if bytes(output) not in _NOTHING else ():
            kind = item.type or ""
            if not kind.endswith(_CALL) or kind in _FREE_ITEMS:
                continue
            tool = kind.removesuffix(_CALL)
            if tool != "web_search" or _is_search(item.action):
                uses[tool] = uses.get(tool, 0) + 1
        if bytes(tool_usage) not in _NOTHING:
            said = _TOOL_USAGE.decode(tool_usage).web_search
            if said is not None and said.num_requests is not None:
                uses["web_search"] = max(0, said.num_requests)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        uses["unreadable"] = 1
    return {tool: count for tool, count in uses.items() if count}


def _is_search(action: msgspec.Raw) -> bool:
    """Opening a page or looking into it is no search."""
    if bytes(action) in _NOTHING:
        return True
    return _ACTION.decode(action).type in {None, "search"}
