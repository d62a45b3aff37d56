"""Recommendations to remove a single resource, for the rules that say no more than that."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_warehouse.money import format_usd


def remove(
    row: Mapping[str, Any],
    rule: str,
    *,
    title: str,
    reason: str,
    confidence: Decimal,
    evidence: Mapping[str, str | int],
) -> Recommendation:
    """The saving is all that it costs: the billed daily average × 30.

    Args:
        row: a billed resource.
        rule: who says so.
        title: begins the title; the resource's name follows.
        reason: what was seen, as the end of "NAME …".
        confidence: how sure it is.
        evidence: figures of the claim beside what was billed.
    """
    resource = judging.resource_of(row)
    cost = judging.monthly(row)
    savings = judging.cents(cost)
    return Recommendation(
        resource=resource,
        recommendation_type=rule,
        title=f"{title} {resource.label}",
        description=f"{resource.label} {reason} It costs {format_usd(savings)} a month.",
        estimated_monthly_savings=savings,
        confidence=confidence,
        evidence={**evidence, **judging.paid(row)},
        claims={resource.key: cost},
    )


def worth(found: Recommendation, least: float) -> bool:
    """Whether its saving is worth a word."""
    return found.estimated_monthly_savings >= Decimal(str(least))
