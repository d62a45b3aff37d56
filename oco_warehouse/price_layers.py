"""Two layers of prices: what a person stated lies over what the catalogue says.

For each context tier the newest stated price that has come holds, whatever the catalogue has
newer. What it leaves unsaid shows through from the catalogue, never from another stated price:
single amounts, tools and media one by one, and whole context tiers. It stands on the catalogue's
price that would hold without it, be that the standard service tier's or a snapshot's family's.

What is stated for a model family holds for its snapshots too, as providers answer a call to the
family with a snapshot's name: in each service and context tier until something was stated for the
snapshot itself. It stands on the snapshot's own price in the catalogue.

Pure: prices in, prices out. What `PriceTable` reads has one layer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from oco_warehouse.pricing import Price, PriceTable, PriceTiers, family_of, normalise_tier

_AMOUNTS: Final = (
    "input",
    "output",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "audio_input",
    "audio_output",
    "per_request",
)
_Model = tuple[str, str]
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


def overlay(catalogue: Sequence[Price], stated: Iterable[Price]) -> Iterator[Price]:
    """The prices that hold, with one row for each moment, service tier and context tier."""
    below = PriceTable(catalogue)
    known = _by_model(catalogue)
    said = _by_model(replace(price, stated=True) for price in stated)
    covered = dict.fromkeys([*known, *said])
    for provider, model in covered:
        own = said.get((provider, model), [])
        family = family_of(model)
        of_family = said.get((provider, family), []) if family != model else []
        if not own and not of_family:
            yield from known[provider, model]
            continue
        under = known.get((provider, below.known_name(provider, (model,)) or model), [])
        every = (*of_family, *own, *under)
        moments = {price.effective_from for price in every}
        for tier in sorted({normalise_tier(price.service_tier) for price in every}):
            layers = [
                [price for price in layer if normalise_tier(price.service_tier) == tier]
                for layer in (of_family, own)
            ]
            for moment in moments:
                found = below.find(provider, (model,), moment or _BEGINNING, tier)
                for price in _at_moment(layers, found, moment):
                    yield replace(price, model=model, service_tier=tier, effective_from=moment)


def _by_model(prices: Iterable[Price]) -> dict[_Model, list[Price]]:
    models: dict[_Model, list[Price]] = {}
    for price in prices:
        models.setdefault((price.provider, price.model), []).append(price)
    return models


def _at_moment(
    layers: Iterable[Iterable[Price]], below: PriceTiers | None, moment: datetime | None
) -> Iterator[Price]:
    """What holds from a moment on in one service tier, by context tier.

    Args:
        layers: stated prices; those of a later layer win over an earlier one's, also older ones.
        below: what the catalogue says.
        moment: None for always.
    """
    at = moment or _BEGINNING
    own: dict[int, Price] = {}
    for rows in layers:
        for row in sorted(rows, key=lambda price: price.effective_from or _BEGINNING):
            if (row.effective_from or _BEGINNING) <= at:
                own[row.min_context_tokens] = row
    if below is None:
        yield from own.values()
    elif own:
        under = {price.min_context_tokens: price for price in below.tiers}
        for start in sorted(own.keys() | under.keys()):
            # A tier begins above its bound, which one token more is.
            yield _over(own.get(start), below.at(start + 1), lent=not below.tier_known)
    elif below.tier_known:
        yield from below.tiers


def _over(own: Price | None, under: Price, *, lent: bool) -> Price:
    """A stated price with the rest of the one that it stands on.

    Args:
        own: None where nothing was stated.
        under: the catalogue's.
        lent: whether that one is another service tier's.
    """
    if own is None:
        return replace(under, lent=lent)
    silent = {name: getattr(under, name) for name in _AMOUNTS if getattr(own, name) is None}
    media = under.media_prices.keys() - own.media_prices.keys()
    return replace(
        own,
        **silent,
        tool_prices={**under.tool_prices, **own.tool_prices},
        media_prices={**under.media_prices, **own.media_prices},
        max_output_tokens=own.max_output_tokens or under.max_output_tokens,
        lent=lent and (bool(media) or any(price is not None for price in silent.values())),
    )
