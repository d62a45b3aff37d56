"""Shares a drop of the bill out among the recommendations that claim it, so that it counts once."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from oco_pipelines.optimizer.judging import CENT
from oco_pipelines.optimizer.recommendation import Key

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Drop:
    """What the bill shows of one recommendation, as if it stood alone.

    Attributes:
        realised: USD a month that its resources cost less than before it was decided on.
        claimed: USD a month that it said.
        claims: what each of its resources cost when it was said.
        decided: the day that its "before" ends with.
        realised_on: the day that its saving was first seen; None before.
    """

    realised: Decimal
    claimed: Decimal
    claims: Mapping[Key, Decimal]
    decided: date
    realised_on: date | None = None


def shared_out(drops: Sequence[Drop]) -> list[Decimal]:
    """What each has of the drop; those before take what they claimed, the last one the rest.

    What was realised before another was decided on is in the other's "before" already.

    Args:
        drops: in the order in which they take.
    """
    asked = Counter(key for drop in drops for key in drop.claims)
    taken: dict[Key, list[tuple[Drop, Decimal]]] = defaultdict(list)
    parts = []
    for drop in drops:
        elsewhere = sum(
            (
                usd
                for key in drop.claims
                for other, usd in taken[key]
                if other.realised_on is None or other.realised_on > drop.decided
            ),
            _ZERO,
        )
        part = (drop.realised - elsewhere).quantize(CENT)
        for key in drop.claims:
            asked[key] -= 1
        # What it has beyond its claim is left to those after it.
        if any(asked[key] for key in drop.claims):
            part = min(part, drop.claimed)
        parts.append(part)
        base = sum(drop.claims.values(), _ZERO)
        if part > 0 and base > 0:
            for key, usd in drop.claims.items():
                taken[key].append((drop, part * usd / base))
    return parts
