"""The providers that the gateway knows: those of `providers.json`, and those of a file.

The file that `OCO_PROVIDERS` names is an object of providers by name, each with a `dialect` and a
`base_url`, as Azure OpenAI or a server of one's own.

`max_output_tokens` bounds the worst case of a call that sets no limit of its own, where
`model_pricing` does not know it either; a model in neither place counts `default_output_bound`.
An image counts `image_token_bound` tokens in the worst case: the dearest documented tiling.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from oco_warehouse.errors import ConfigurationError
from oco_warehouse.settings import Settings, http_address

DialectName = Literal["openai", "anthropic", "gemini"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SNAPSHOT_DATE: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Attributes:
        name: as in the path and in `model_pricing.provider`.
        dialect: which module reads its bodies.
        base_url: where its paths are forwarded, without a trailing slash.
        price_provider: whose prices in `model_pricing` hold; empty for its own.
    """

    name: str
    dialect: DialectName
    base_url: str
    default_output_bound: int
    image_token_bound: int
    max_output_tokens: Mapping[str, int]
    price_provider: str = ""

    def output_bound(self, model: str) -> int:
        """Most tokens that one answer of a model can have, as far as this table knows."""
        for name in (model, _SNAPSHOT_DATE.sub("", model)):
            if name in self.max_output_tokens:
                return self.max_output_tokens[name]
        return self.default_output_bound


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    """One provider of the file that `OCO_PROVIDERS` names."""

    dialect: DialectName
    base_url: str
    price_provider: str = ""
    default_output_bound: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_output_tokens: dict[str, Annotated[int, msgspec.Meta(ge=1)]] | None = None


def load_providers(settings: Settings) -> dict[str, Provider]:
    """All providers by name, with the addresses that the settings give them.

    Raises:
        ConfigurationError: when the file of further providers cannot be used; one line says why.
    """
    text = resources.files("oco_proxy.proxy").joinpath("providers.json").read_text("utf-8")
    addresses = {
        "openai": settings.openai_base_url,
        "anthropic": settings.anthropic_base_url,
        "gemini": settings.gemini_base_url,
    }
    known = {
        name: Provider(name=name, base_url=addresses[name], **row)
        for name, row in json.loads(text).items()
    }
    if settings.providers_file is None:
        return known
    # Those of the same dialect lend their bounds, and their prices where the file says so.
    return known | {
        name: _further(name, row, known[row.dialect])
        for name, row in _read_file(settings.providers_file, known).items()
    }


def _further(name: str, row: _Row, model: Provider) -> Provider:
    return replace(
        model,
        name=name,
        base_url=http_address(row.base_url),
        price_provider=row.price_provider,
        default_output_bound=row.default_output_bound or model.default_output_bound,
        max_output_tokens={**model.max_output_tokens, **(row.max_output_tokens or {})},
    )


def _read_file(path: Path, known: Mapping[str, Provider]) -> dict[str, _Row]:
    def wrong(what: str) -> ConfigurationError:
        return ConfigurationError(f"OCO_PROVIDERS: {path}: {what}")

    try:
        rows = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    except OSError as error:
        raise wrong(f"cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise wrong('is not a JSON object of providers, as in {"name": {…}}') from None
    found: dict[str, _Row] = {}
    for name, raw in rows.items():
        if name in known:
            raise wrong(f"{name!r} is built in; OCO_{name.upper()}_BASE_URL moves it")
        if _NAME.fullmatch(name) is None:
            raise wrong(f"{name!r} is no name: use small letters, digits, - and _")
        try:
            found[name] = msgspec.json.decode(raw, type=_Row)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise wrong(f"{name!r}: {error}") from None
        try:
            http_address(found[name].base_url)
        except ValueError as error:
            raise wrong(f"{name!r}: base_url {error}") from None
    return found
