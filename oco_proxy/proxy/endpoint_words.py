"""The words that an endpoint's name is made of: those of providers' documented paths.

`openai` has Anthropic's, Azure's and compatible servers' too. An endpoint's name goes to tables,
logs and metrics; a word that no provider documents may be a key or a text that went astray.
"""

import json
from importlib import resources
from typing import Final, Literal
from urllib.parse import unquote

OTHER: Final = "other"
_ELSEWHERE: Final = frozenset({".", ".."})
_KNOWN: Final = {
    family: frozenset(words)
    for family, words in json.loads(
        resources.files("oco_proxy.proxy").joinpath("endpoint_words.json").read_text("utf-8")
    ).items()
}


def plain_path(path: str) -> str | None:
    """A path as servers read it: unquoted, without empty parts.

    None for one with parts such as `..`: some servers take them as they stand, others go up a
    folder, so that `files/../chat/completions` is a free call or one that is billed.
    """
    parts = [part for part in unquote(path).split("/") if part]
    if any(part in _ELSEWHERE or "\\" in part for part in parts):
        return None
    return "/".join(parts)


def known_word(word: str, family: Literal["openai", "gemini"]) -> str:
    """The word itself, or `other` when no documented path has it."""
    return word if word in _KNOWN[family] else OTHER
