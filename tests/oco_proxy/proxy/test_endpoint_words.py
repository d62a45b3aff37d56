"""The words that endpoints are named by."""

import pytest

from oco_proxy.proxy import anthropic, gemini, openai
from oco_proxy.proxy.endpoint_words import known_word


@pytest.mark.parametrize("dialect", [openai, anthropic])
def test_every_endpoint_that_is_metered_or_free_is_named_by_known_words(dialect: object) -> None:
    for endpoint in dialect.METERED | dialect.UNBILLED:  # type: ignore[attr-defined]
        assert openai.endpoint_of(f"v1/{endpoint.replace('.', '/')}") == endpoint


def test_every_method_and_collection_of_gemini_is_known() -> None:
    for word in gemini.METERED | gemini.UNBILLED:
        assert known_word(word, "gemini") == word
