"""Rule: use that never stops, is paid for by the hour, and that no commitment covers.

For each provider, billing account, service and region the uncovered spend of at least 90 days is
laid out by the hour, or by the day where the bill has only days; what other recommendations would
take away is not in it, nor is what ran for a part of a day of which the bill has no hours. A
commitment at a level L costs L × (1 − discount) each hour, used or not, and saves what it covers,
min(spend, L). It pays as long as the level is busy for more than the share (1 − discount) of the
hours: the break-even. The best level is the highest that is busy so long, and the saving is what
the simulation of it over the history leaves, in 30 days.

What exists comes before what is bought: what commitments of the billing account left unused in the
newest week is taken off every hour first, at the on-demand spend that it would cover. Plans for
spend cover any service and region; others their own service, in their region or where they name
none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.groups import Spend
from oco_pipelines.optimizer.recommendation import Recommendation, Resource
from oco_pipelines.optimizer.thresholds import Commitment
from oco_warehouse.money import exact_sum, format_usd

RULE: Final = "commitment"
KIND: Final = "commitment"
_NAMES: Final = {
    "aws": "Savings Plan or reserved capacity",
    "azure": "reservation or savings plan",
    "gcp": "committed use discount",
}
_BY: Final = ["provider", "billing_account_id", "service", "region"]
_HOURS_A_DAY: Final = 24
_DAYS_A_MONTH: Final = judging.DAYS_A_MONTH


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a commitment would have done over a history of spend an hour.

    Attributes:
        level_usd: on-demand USD an hour that it covers.
        saved_usd: over the whole history, after what is paid for unused hours.
        busy_share: hours in which all of it is used, as a share.
        coverage: on-demand spend that it would have covered, as a share.
        utilisation: part of it that would have been used, as a share.
    """

    level_usd: Decimal
    saved_usd: Decimal
    busy_share: Decimal
    coverage: Decimal
    utilisation: Decimal


def best_commitment(spend: Sequence[Decimal], discount: Decimal) -> Simulation | None:
    """The level that saves most over a history.

    Args:
        spend: on-demand USD of each hour that was uncovered, zeros included.
        discount: what committed use costs less, as a share.

    Returns:
        None where no level is busy past break-even.
    """
    if not spend or not 0 < discount < 1:
        return None
    ordered = sorted(spend)
    count = len(ordered)
    # The level is busy in every hour from its place on: at least (1 − discount) of all of them.
    busy = int(((1 - discount) * count).to_integral_value(ROUND_CEILING))
    level = ordered[count - busy]
    if level <= 0:
        return None
    return simulate(spend, level, discount)


def simulate(spend: Sequence[Decimal], level: Decimal, discount: Decimal) -> Simulation:
    """A commitment that covers `level` USD of on-demand spend in every hour of a history."""
    covered = exact_sum(min(hour, level) for hour in spend)
    total = exact_sum(spend)
    paid = level * len(spend)
    return Simulation(
        level_usd=level,
        saved_usd=covered - paid * (1 - discount),
        busy_share=Decimal(sum(hour >= level for hour in spend)) / len(spend),
        coverage=covered / total,
        utilisation=covered / paid,
    )


def commitment(bill: Spend, limits: Commitment) -> list[Recommendation]:
    """What is worth committing to."""
    known = {
        (row["provider"], row["service"]): 1 - row["effective_usd"] / row["list_usd"]
        for row in bill.discounts.iter_rows(named=True)
        if row["list_usd"] > 0
    }
    found = []
    for key, group in sorted(bill.history.group_by(_BY), key=lambda item: item[0]):
        provider, account, service, region = (str(part) for part in key)
        spend, hours = by_interval(group, bill.ends[provider], limits.history_days)
        if not spend:
            continue
        discount, source = known.get((provider, service)), judging.PriceSource.BILLED
        if discount is None or not 0 < discount < 1:
            stated = limits.saved_share.get(provider)
            if stated is None:
                continue
            discount, source = Decimal(str(stated)), judging.PriceSource.PERCENTAGE
        idle = unused(bill.unused, provider, account, service, region)
        covers = idle / (1 - discount)
        best = best_commitment([max(Decimal(0), usd / hours - covers) for usd in spend], discount)
        if best is None:
            continue
        days = len(spend) * hours // _HOURS_A_DAY
        savings = judging.cents(best.saved_usd * hours / days * _DAYS_A_MONTH)
        if savings < limits.least_monthly_usd:
            continue
        resource = Resource(
            provider, account, f"commitment/{service}/{region}", KIND, service, region
        )
        left = exact_sum(spend) / days * _DAYS_A_MONTH
        made = _recommendation(resource, best, discount, source, days, hours, savings, left)
        if idle:
            made = replace(
                made,
                description=(
                    f"{made.description} That is beside what the {format_usd(idle)} an hour of "
                    "commitments that nothing uses now would cover."
                ),
                evidence={**made.evidence, "unused_commitments_usd_an_hour": f"{idle:.6f}"},
            )
        found.append(made)
    return found


def unused(
    commitments: pl.DataFrame, provider: str, account: str, service: str, region: str
) -> Decimal:
    """USD an hour of commitments that nothing used, and that could cover a service in a region."""
    fitting = commitments.filter(
        pl.col("provider") == provider,
        pl.col("billing_account_id") == account,
        pl.col("is_of_spend")
        | ((pl.col("service") == service) & pl.col("region").is_in([region, "global"])),
    )
    return max(Decimal(0), exact_sum(fitting["usd"]))


def by_interval(group: pl.DataFrame, end: datetime, history_days: int) -> tuple[list[Decimal], int]:
    """Spend of each interval of the history, and how many hours an interval has.

    An interval without a row had no spend. Where any row is of a whole day, all are summed to days.

    Returns:
        ([], 0) when the history is shorter than it must be.
    """
    start = end - timedelta(days=history_days)
    first: datetime = group["start"].min()  # type: ignore[assignment]
    if first >= start + timedelta(days=1):
        return [], 0
    hours = 1 if group["hours"].max() == 1 else _HOURS_A_DAY
    every = "1h" if hours == 1 else "1d"
    kept = (
        group.filter(pl.col("start") >= start, pl.col("start") < end)
        .group_by(pl.col("start").dt.truncate(every))
        .agg(pl.col("usd").sum())
    )
    grid = pl.DataFrame({"start": pl.datetime_range(start, end, every, closed="left", eager=True)})
    filled = grid.join(kept, on="start", how="left").sort("start")
    return [usd if usd is not None else Decimal(0) for usd in filled["usd"]], hours


def _recommendation(
    resource: Resource,
    best: Simulation,
    discount: Decimal,
    source: judging.PriceSource,
    days: int,
    hours: int,
    savings: Decimal,
    left: Decimal,
) -> Recommendation:
    pays = best.level_usd * (1 - discount)
    break_even = 1 - discount
    # Hours past break-even, of those that there are beyond it.
    beyond = (best.utilisation - break_even) / (1 - break_even)
    return Recommendation(
        resource=resource,
        recommendation_type=RULE,
        title=f"Commit to {format_usd(pays)} an hour of {resource.label} in {resource.region}",
        description=(
            f"In {days} days at least {format_usd(best.level_usd)} an hour of on-demand use was "
            f"there {100 * best.busy_share:.0f} % of the time; a "
            f"{_NAMES.get(resource.provider, 'commitment')} pays from "
            f"{100 * break_even:.0f} % on. One of {format_usd(pays)} an hour would have been used "
            f"to {100 * best.utilisation:.0f} %, covered {100 * best.coverage:.0f} % and saved "
            f"{format_usd(savings)} a month."
        ),
        estimated_monthly_savings=savings,
        confidence=judging.confidence(
            margin=float(Decimal("0.5") + min(Decimal(1), max(Decimal(0), beyond)) / 2),
            stability=float(best.utilisation),
            price=source,
        ),
        evidence={
            "history_days": days,
            "interval_hours": hours,
            "discount": f"{discount:.4f}",
            "break_even_share": f"{break_even:.4f}",
            "busy_share": f"{best.busy_share:.4f}",
            "covered_usd_an_hour": f"{best.level_usd:.6f}",
            "commitment_usd_an_hour": f"{pays:.6f}",
            "simulated_coverage": f"{best.coverage:.4f}",
            "simulated_utilisation": f"{best.utilisation:.4f}",
            "uncovered_usd_a_month": f"{left:.2f}",
            "price_source": source.value,
        },
        claims={resource.key: left},
    )
