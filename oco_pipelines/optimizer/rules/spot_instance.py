"""Rule: an autoscaling group whose machines never live long, and which pays for them on demand.

Of at least 10 machines that the bill had in 14 days at least 9 in 10 ran for less than 6 hours, and
none was spot. The saving is (on demand − spot) of what the group costs, less the 5 % of the work
that interruptions make it do again. Spot's rate is what this organisation paid for the same sizes,
or a stated share.
"""

from decimal import Decimal
from typing import Any, Final

import polars as pl

from oco_pipelines.optimizer import judging
from oco_pipelines.optimizer.groups import Groups
from oco_pipelines.optimizer.recommendation import Recommendation, Resource
from oco_pipelines.optimizer.thresholds import Spot
from oco_warehouse.money import exact_sum, format_usd

RULE: Final = "spot_instance"
KIND: Final = "autoscaling-group"


def spot_instance(groups: Groups, limits: Spot) -> list[Recommendation]:
    """Groups that could run on spot."""
    members = groups.members.filter(pl.col("monthly_usd") > 0, pl.col("hours") > 0)
    found = []
    by = ["provider", "account_id", "autoscaling_group"]
    for key, group in sorted(members.group_by(by), key=lambda item: str(item[0])):
        short = group.filter(pl.col("hours") < limits.most_hours).height / group.height
        if (
            group.height < limits.least_members
            or short < limits.short_share
            or group["interruptible"].fill_null(False).any()
        ):
            continue
        made = _recommendation(key, group, short, groups, limits)
        if made is not None and made.estimated_monthly_savings >= limits.least_monthly_usd:
            found.append(made)
    return found


def _recommendation(
    key: tuple[Any, ...], group: pl.DataFrame, short: float, groups: Groups, limits: Spot
) -> Recommendation | None:
    prices = {
        (row["provider"], row["region"], row["size"]): row["spot_rate"]
        for row in groups.spot_prices.iter_rows(named=True)
    }
    claims, saved, source = {}, [], judging.PriceSource.BILLED
    repeated = Decimal(str(1 - limits.repeated_share))
    for row in judging.rows(group):
        claims[row["provider"], row["account_id"], row["resource_id"]] = row["monthly_usd"]
        spot = prices.get((row["provider"], row["region"], row["size"]))
        if spot is None:
            source = judging.PriceSource.PERCENTAGE
            part = Decimal(str(limits.saved_share))
        else:
            part = max(Decimal(0), 1 - spot / (row["hourly_usd"] / row["hours"]))
        # What is done again costs spot's price.
        saved.append(row["monthly_usd"] * (1 - (1 - part) / repeated))
    savings = judging.cents(exact_sum(saved))
    if savings <= 0:
        return None
    cost = exact_sum(claims.values())
    first = group.row(0, named=True)
    name = f"autoscaling-group/{key[2]}"
    return Recommendation(
        resource=Resource(key[0], key[1], name, KIND, key[2], first["region"]),
        recommendation_type=RULE,
        title=f"Run {key[2]} on spot machines",
        description=(
            f"{100 * short:.0f} % of the {group.height} machines that {key[2]} had in "
            f"{limits.window_days} days ran for less than {limits.most_hours} hours, for "
            f"{format_usd(cost)} a month. As spot they would cost about {format_usd(savings)} "
            "less, if their work can be interrupted."
        ),
        estimated_monthly_savings=savings,
        confidence=judging.confidence(
            margin=judging.margin_above(group.height, limits.least_members),
            stability=short,
            price=source,
        ),
        evidence={
            "machines": group.height,
            "short_share": judging.share(short),
            "monthly_usd": judging.text(cost),
            "rate_usd": judging.text(exact_sum(group["hourly_usd"]) / exact_sum(group["hours"])),
            "price_source": source.value,
        },
        claims=claims,
    )
