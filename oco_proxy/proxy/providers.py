"""The providers that the gateway knows, as data: a further one is a row in `providers.json`.

`max_output_tokens` bounds the worst case of a call that sets no limit of its own, where
`model_pricing` does not know it either; a model in neither place counts `default_output_bound`.
An image counts `image_token_bound` tokens in the worst case: the dearest documented tiling.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final, Literal

from oco_warehouse.settings import Settings

DialectName = Literal["openai", "anthropic", "gemini"]

_SNAPSHOT_DATE: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Attributes:
        name: as in the path and in `model_pricing.provider`.
        dialect: which module reads its bodies.
        base_url: where its paths are forwarded, without a trailing slash.
    """

    name: str
    dialect: DialectName
    base_url: str
    default_output_bound: int
    image_token_bound: int
    max_output_tokens: Mapping[str, int]

    def output_bound(self, model: str) -> int:
        """Most tokens that one answer of a model can have, as far as this table knows."""
        for name in (model, _SNAPSHOT_DATE.sub("", model)):
            if name in self.max_output_tokens:
                return self.max_output_tokens[name]
        return self.default_output_bound


def load_providers(settings: Settings) -> dict[str, Provider]:
    """All providers by name, with the addresses that the settings give them."""
    text = resources.files("oco_proxy.proxy").joinpath("providers.json").read_text("utf-8")
    addresses = {
        "openai": settings.openai_base_url,
        "anthropic": settings.anthropic_base_url,
        "gemini": settings.gemini_base_url,
    }
    return {
        name: Provider(name=name, base_url=addresses[name], **row)
        for name, row in json.loads(text).items()
    }
