"""Nets recommendations about the same money, so that the sum of their savings can be had.

In the order of `RANK` each recommendation takes its part of what the ones before it have left of
the resources that it claims. Removing a resource takes all of it, so that nothing else is said of
what should be gone: idle excludes rightsizing excludes commitment. A smaller size leaves the
smaller machine's cost; a schedule takes its hours of that; spot and commitments find only the rest.
Spot machines are not committed to, nor are machines that a schedule switches off.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from oco_pipelines.optimizer.judging import cents
from oco_pipelines.optimizer.recommendation import Key, Recommendation
from oco_warehouse.money import exact_sum

RANK: Final = (
    # Removals: of several for the same money the first wins.
    *("idle_instance", "stopped_instance", "obsolete_image", "unattached_volume"),
    *("idle_load_balancer", "idle_nat_gateway", "unused_address", "old_snapshot", "idle_database"),
    # Changes, each on what is left.
    *("rightsize_instance", "previous_generation", "storage_class", "off_hours"),
    # Groups of resources.
    *("spot_instance", "commitment"),
)
_ORDER: Final = {name: place for place, name in enumerate(RANK)}
# What is not there all the time, or may vanish, is not committed to.
UNSTEADY: Final = frozenset({"off_hours", "spot_instance"})
_ONE: Final = Decimal(1)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Netted:
    """What is left to say.

    Attributes:
        recommendations: with net savings; what has nothing left is gone.
        gross: savings before netting, by identity.
        left: the share of its cost that each claimed resource has left.
        unsteady: resources that no commitment should be bought for.
    """

    recommendations: Sequence[Recommendation]
    gross: Mapping[tuple[str, Key], Decimal]
    left: Mapping[Key, Decimal]
    unsteady: frozenset[Key]


def net(found: Iterable[Recommendation], before: Netted | None = None) -> Netted:
    """Net recommendations by their rank.

    Args:
        found: at most one a rule and resource.
        before: what was netted earlier and comes first.
    """
    left = dict(before.left) if before else {}
    unsteady = set(before.unsteady) if before else set()
    gross = {}
    kept = []
    for one in sorted(found, key=lambda item: (_ORDER[item.recommendation_type], item.identity)):
        gross[one.identity] = one.estimated_monthly_savings
        base = exact_sum(one.claims.values())
        available = exact_sum(cost * left.get(key, _ONE) for key, cost in one.claims.items())
        if base <= 0 or available <= 0:
            continue
        part = min(_ONE, one.estimated_monthly_savings / base)
        untouched = all(left.get(key, _ONE) == _ONE for key in one.claims)
        savings = cents(part * available)
        if untouched:
            savings = min(one.estimated_monthly_savings, cents(base))
        if savings <= 0:
            continue
        for key in one.claims:
            # A removal takes everything; its amount alone is rounded to cents.
            removed = _ORDER[one.recommendation_type] < _ORDER["rightsize_instance"]
            left[key] = _ZERO if removed else left.get(key, _ONE) * (_ONE - part)
        if one.recommendation_type in UNSTEADY:
            unsteady.update(one.claims)
        kept.append(_said(one, savings))
    return Netted(kept, gross, left, frozenset(unsteady))


def _said(one: Recommendation, savings: Decimal) -> Recommendation:
    if savings == one.estimated_monthly_savings:
        return one
    evidence = {**one.evidence, "savings_alone_usd": str(one.estimated_monthly_savings)}
    return replace(one, estimated_monthly_savings=savings, evidence=evidence)
