"""The resource that a rule speaks of and the recommendation that it makes; plain values, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from oco_warehouse.money import exact_sum

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Resource:
    """What a recommendation is about: a row of `oco.resources`, or a group or a model."""

    provider: str
    account_id: str
    resource_id: str
    resource_type: str
    resource_name: str | None = None
    region: str | None = None
    state: str | None = None
    size: str | None = None

    @property
    def key(self) -> Key:
        """What identifies it: provider, account, id."""
        return (self.provider, self.account_id, self.resource_id)

    @property
    def label(self) -> str:
        """Its name, or its id where it has none."""
        return self.resource_name or self.resource_id


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What a rule found.

    Attributes:
        recommendation_type: the rule; with the resource it is the identity over runs.
        estimated_monthly_savings: USD a month, of this recommendation alone.
        confidence: from 0 to 1, two decimals, by the rule's own formula.
        evidence: figures that the claim rests on, as JSON values.
        claims: what each billed resource whose cost it would lower costs now, in USD a month;
            empty where the money is not a cloud resource's.
        billed_monthly: what the bill has of them in 30 days, where claims count a month otherwise.
    """

    resource: Resource
    recommendation_type: str
    title: str
    description: str
    estimated_monthly_savings: Decimal
    confidence: Decimal
    evidence: Mapping[str, str | int]
    claims: Mapping[Key, Decimal] = field(default_factory=dict)
    billed_monthly: Decimal | None = None

    @property
    def identity(self) -> tuple[str, Key]:
        """Rule and resource."""
        return (self.recommendation_type, self.resource.key)

    @property
    def monthly_cost(self) -> Decimal | None:
        """USD in 30 days of the bill, which what is billed later is measured against."""
        if self.billed_monthly is not None:
            return self.billed_monthly
        return exact_sum(self.claims.values()) if self.claims else None
