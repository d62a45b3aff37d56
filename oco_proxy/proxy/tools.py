"""Which tools of a request its provider runs and bills beside the tokens.

They go by their names in `model_pricing.tool_prices`. A tool that is not known to be free counts as
billed, under its own name: a new one has no price, and a hard budget refuses it rather than giving
it away. Pure.
"""

import re
from typing import Final

NO_TOOLS: Final[frozenset[str]] = frozenset()
# What is billed for as long as a container stands, whether or not the answer tells of its use.
BILLED_BY_TIME: Final = frozenset({"code_execution", "code_interpreter", "shell"})
# A tool whose name is none, or that cannot be read.
UNKNOWN: Final = "unknown"
WEB_SEARCH: Final = "web_search"

# Run by the caller or by a server of its own, or billed as tokens alone.
_FREE_OF_OPENAI: Final = frozenset(
    {
        "apply_patch",
        "computer",
        "computer_use_preview",
        "custom",
        "function",
        "local_shell",
        "mcp",
        "namespace",
        "tool_search",
    }
)
_FREE_OF_ANTHROPIC: Final = frozenset(
    {
        "bash",
        "browser_toolset",
        "computer",
        "computer_toolset",
        "custom",
        "mcp_toolset",
        "memory",
        "text_editor",
        "tool_search_tool_bm25",
        "tool_search_tool_regex",
        "web_fetch",
    }
)
_FREE_OF_GEMINI: Final = frozenset(
    {
        "codeexecution",
        "computeruse",
        "filesearch",
        "functiondeclarations",
        "mcpservers",
        "urlcontext",
    }
)
_NAMES_OF_GEMINI: Final = {
    "enterprisewebsearch": "enterprise_web_search",
    "exaaisearch": "exa_ai_search",
    "googlemaps": "google_maps",
    "googlesearch": WEB_SEARCH,
    "googlesearchretrieval": WEB_SEARCH,
    "parallelaisearch": "parallel_ai_search",
}
_DATE: Final = re.compile(r"_(\d{8}|\d{4}_\d{2}_\d{2})$")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
# From this version on searches and fetches run code, which is then free.
_SEARCHES_IN_CODE: Final = re.compile(r"web_(?:search|fetch)_(\d{8})")
_FREE_CODE_SINCE: Final = "20260209"


def openai_tool(kind: str | None, *, hosted: bool = False) -> str | None:
    """The tool that is billed, by its type; None for one that costs nothing by use.

    Args:
        kind: its type in the request.
        hosted: it runs in a container of the provider.
    """
    if kind is None or kind in _FREE_OF_OPENAI or (kind == "shell" and not hosted):
        return None
    name = _name(_DATE.sub("", kind))
    return WEB_SEARCH if name == "web_search_preview" else name


def anthropic_tool(kind: str | None) -> str | None:
    """The tool that is billed, by its type; None for one that costs nothing by use."""
    name = None if kind is None else _DATE.sub("", kind)
    return None if name is None or name in _FREE_OF_ANTHROPIC else _name(name)


def code_is_free(kind: str | None) -> bool:
    """True for Anthropic's tools beside which code costs nothing."""
    found = _SEARCHES_IN_CODE.fullmatch(kind or "")
    return found is not None and found[1] >= _FREE_CODE_SINCE


def gemini_tool(kind: str) -> str | None:
    """The tool that is billed, by its member's plain name; None for one that costs nothing."""
    return None if kind in _FREE_OF_GEMINI else _NAMES_OF_GEMINI.get(kind) or _name(kind)


def _name(kind: str) -> str:
    return kind if _NAME.fullmatch(kind) else UNKNOWN
