"""What routing means for one call: what it is sent as, and what its row says. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from oco_proxy.router.policies import Mode
from oco_warehouse.money import exact_sum
from oco_warehouse.pricing import PriceTable, Usage, price_usage
from oco_warehouse.records import RequestRecord

# Answers that a model gives where another one might do: it does not know the model, a parameter or
# the size, or it is down. 401, 403 and 429 would meet the original model as well.
GIVES_UP: Final = frozenset({400, 404, 413, 422, 500, 501, 503})


@dataclass(slots=True)
class Routing:
    """The router's part of one call.

    Attributes:
        policy_id: whose word it was.
        mode: `enforce` sends the routed model, `dry_run` only records it.
        original: model that was asked for.
        routed: model that was chosen.
        expected_saving: US dollars on the usage that was expected.
        growth: tokens that the routed model makes of what is one token to the original.
        body: the original request, which is sent once more if the routed model gives up.
        url: where it goes.
        fell_back: the original model was asked after all.
    """

    policy_id: str
    mode: Mode
    original: str
    routed: str
    expected_saving: Decimal | None
    growth: Decimal
    body: bytes
    url: str
    fell_back: bool = False

    @property
    def is_in_force(self) -> bool:
        """True while the routed model is the one that is asked."""
        return self.mode == "enforce" and not self.fell_back

    def gives_up(self, status: int) -> bool:
        """True when the answer's status calls for the original model."""
        return self.is_in_force and status in GIVES_UP

    def stamp(
        self, record: RequestRecord, usage: Usage | None, prices: PriceTable, at: datetime
    ) -> RequestRecord:
        """The row with what routing did, or in a dry run would have done.

        Args:
            record: the row of the call as the model that served it is billed.
            usage: what the answer said was used; None takes the row's own estimate.
            prices: of both models.
            at: aware moment of the call.
        """
        if self.fell_back:
            return structs.replace(
                record, original_model=self.original, routing_policy_id=self.policy_id
            )
        if self.mode == "enforce":
            other, growth = self.original, 1 / self.growth
        else:
            other, growth = self.routed, self.growth
        used = usage or _usage_of(record)
        savings = None
        if used is not None and record.cost_usd is not None:
            found = prices.find(record.provider, (other,), at, record.service_tier)
            cost = price_usage(found, _grown(used, growth)).cost_usd
            if cost is not None:
                pair = (cost, record.cost_usd)
                dearer, cheaper = pair if self.mode == "enforce" else pair[::-1]
                savings = exact_sum((dearer, cheaper.copy_negate()))
        return structs.replace(
            record,
            was_routed=self.mode == "enforce",
            original_model=self.original,
            routed_model=self.routed,
            savings_usd=savings,
            routing_policy_id=self.policy_id,
        )


def _grown(usage: Usage, growth: Decimal) -> Usage:
    """The same words in the tokens of a model whose tokenizer cuts finer or coarser."""
    if growth == 1:
        return usage
    counts: dict[str, Any] = {
        name: round(count * growth)
        for name, count in structs.asdict(usage).items()
        if isinstance(count, int)
    }
    media = {name: round(count * growth) for name, count in usage.media.items()}
    return structs.replace(usage, **counts, media=media)


def _usage_of(record: RequestRecord) -> Usage | None:
    if record.input_tokens is None or record.output_tokens is None:
        return None
    return Usage(
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        cached_input_tokens=record.cached_input_tokens or 0,
        cache_write_tokens=record.cache_write_tokens or 0,
        reasoning_tokens=record.reasoning_tokens or 0,
    )
