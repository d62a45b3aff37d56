"""Whose prices hold for further providers."""

from pathlib import Path

import pytest

from oco_warehouse.errors import ConfigurationError
from oco_warehouse.price_providers import read_price_providers


def test_only_providers_with_anothers_prices_are_named(tmp_path: Path) -> None:
    file = tmp_path / "providers.json"
    file.write_text(
        '{"azure": {"dialect": "openai", "base_url": "http://a", "price_provider": "openai"},'
        ' "local": {"dialect": "openai", "base_url": "http://b"}}'
    )
    assert read_price_providers(file) == {"azure": "openai"}
    assert read_price_providers(None) == {}


@pytest.mark.parametrize("text", [None, "[]", "{", '{"a": 1}'])
def test_a_file_that_cannot_be_used_says_so_in_one_line(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "providers.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match="OCO_PROVIDERS") as caught:
        read_price_providers(file)
    assert "\n" not in str(caught.value)
