"""What each model can do and how good it is. Pure; the table `oco.model_tiers` is its source."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal

Tier = Literal["economy", "standard", "premium"]
TIERS: Final[tuple[Tier, ...]] = ("economy", "standard", "premium")

_SNAPSHOT_DATE: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class ModelTier:
    """One model, as in `oco.model_tiers`; the column comments there say what each field means."""

    provider: str
    model: str
    tier: Tier
    quality: int
    context_tokens: int
    max_output_tokens: int
    tools: bool = False
    images: bool = False
    files: bool = False
    audio: bool = False
    json_output: bool = False
    reasoning: bool = False
    sampling: bool = False
    thinking: int = 0
    token_percent: int = 100
    enabled: bool = True


class Catalogue:
    """All models by provider."""

    def __init__(self, models: Iterable[ModelTier]) -> None:
        by_provider: dict[str, dict[str, ModelTier]] = {}
        for model in models:
            by_provider.setdefault(model.provider, {})[model.model] = model
        self._by_provider = by_provider

    def find(self, provider: str, name: str) -> ModelTier | None:
        """A model by its name; a dated snapshot is found by its family's."""
        models = self._by_provider.get(provider, {})
        return models.get(name) or models.get(_SNAPSHOT_DATE.sub("", name))

    def of_provider(self, provider: str) -> Iterable[ModelTier]:
        """Every model of a provider."""
        return self._by_provider.get(provider, {}).values()


def shipped_models() -> list[ModelTier]:
    """The models of `model_tiers.json`, which the package ships."""
    text = resources.files("oco_proxy.router").joinpath("model_tiers.json").read_text("utf-8")
    models = []
    for provider, rows in json.loads(text).items():
        for row in rows:
            fields: dict[str, Any] = dict.fromkeys(row.pop("can"), True)
            models.append(ModelTier(provider=provider, **row, **fields))
    return models
