"""Holds the confidence that is told to how often such claims came true; pure.

Outcomes of a rule are put in order of the formula's confidence and cut into bins of at least
`FLOOR` cases. A bin's confidence is its hits among its cases, (hits + 1) / (cases + 2), so that no
bin is ever certain; neighbours that would fall where the formula rises are merged (isotonic
regression by pooling adjacent violators). A rule with fewer outcomes than `FLOOR` takes the bins of
all rules together; before those are `FLOOR`, the formula's own figure is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

FLOOR: Final = 50
EVERY_RULE: Final = "all"
_HUNDREDTH: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A claim of which it is known whether it came true."""

    recommendation_type: str
    raw: Decimal
    hit: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """Outcomes whose formula said between two figures."""

    recommendation_type: str
    raw_from: Decimal
    raw_to: Decimal
    cases: int
    hits: int

    @property
    def confidence(self) -> Decimal:
        """What is told for it."""
        return (Decimal(self.hits + 1) / (self.cases + 2)).quantize(_HUNDREDTH)

    @property
    def rate(self) -> Fraction:
        """The same, exactly."""
        return Fraction(self.hits + 1, self.cases + 2)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Bins of all rules, in the order of the figures that they begin with."""

    bins: Sequence[Bin]

    def stated(self, rule: str, raw: Decimal) -> Decimal:
        """What is told where a rule's formula says `raw`."""
        own = [one for one in self.bins if one.recommendation_type == rule]
        ladder = own or [one for one in self.bins if one.recommendation_type == EVERY_RULE]
        if not ladder:
            return raw
        # Between two bins the lower one holds.
        below = [one for one in ladder if one.raw_from <= raw]
        return (below[-1] if below else ladder[0]).confidence


def calibrate(outcomes: Iterable[Outcome], floor: int = FLOOR) -> Calibration:
    """Bins of every rule with enough outcomes, and of all together."""
    by_rule: dict[str, list[Outcome]] = {EVERY_RULE: []}
    for outcome in outcomes:
        by_rule.setdefault(outcome.recommendation_type, []).append(outcome)
        by_rule[EVERY_RULE].append(outcome)
    return Calibration(
        [one for rule in sorted(by_rule) for one in _bins(rule, by_rule[rule], floor)]
    )


def _bins(rule: str, outcomes: Sequence[Outcome], floor: int) -> list[Bin]:
    """None at all with fewer outcomes than the floor."""
    bins: list[Bin] = []
    groups: dict[Decimal, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.raw, []).append(outcome)
    for raw in sorted(groups):
        alike = groups[raw]
        hits = sum(outcome.hit for outcome in alike)
        last = bins[-1] if bins else None
        if last is not None and last.cases < floor:
            bins[-1] = _merged(last, Bin(rule, raw, raw, len(alike), hits))
        else:
            bins.append(Bin(rule, raw, raw, len(alike), hits))
    if len(bins) > 1 and bins[-1].cases < floor:
        bins[-2:] = [_merged(*bins[-2:])]
    if not bins or bins[0].cases < floor:
        return []
    return _rising(bins)


def _rising(bins: Sequence[Bin]) -> list[Bin]:
    """Pool adjacent violators: what the formula is surer of is never told as less sure."""
    kept: list[Bin] = []
    for one in bins:
        kept.append(one)
        while len(kept) > 1 and kept[-2].rate >= kept[-1].rate:
            kept[-2:] = [_merged(*kept[-2:])]
    return kept


def _merged(one: Bin, other: Bin) -> Bin:
    return Bin(
        one.recommendation_type,
        one.raw_from,
        other.raw_to,
        one.cases + other.cases,
        one.hits + other.hits,
    )
