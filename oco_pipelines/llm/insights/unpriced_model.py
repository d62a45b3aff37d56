"""Insight: models that are called and whose price nobody knows, so that their cost is not seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from oco_pipelines.llm.insights.finding import Finding

KIND: Final = "unpriced_model"
MOST: Final = 200


@dataclass(frozen=True, slots=True)
class UnpricedCalls:
    """A model's calls of the last 30 days whose tokens are known and whose price is not."""

    provider: str
    model: str
    requests: int
    tokens: int
    first_at: datetime
    last_at: datetime


def unpriced_models(rows: Iterable[UnpricedCalls]) -> list[Finding]:
    """One finding a model, most tokens first, at most `MOST`."""
    ordered = sorted(rows, key=lambda row: (-row.tokens, row.provider, row.model))
    return [
        Finding(
            kind=KIND,
            scope="model",
            entity_id=f"{row.provider}/{row.model}",
            title=(
                f"Nobody knows what {row.provider}/{row.model} costs: {row.requests} calls with "
                f"{row.tokens} tokens in 30 days; state a price"
            ),
            figures={
                "requests": str(row.requests),
                "tokens": str(row.tokens),
                "first_at": row.first_at.isoformat(),
                "last_at": row.last_at.isoformat(),
            },
        )
        for row in ordered[:MOST]
    ]
