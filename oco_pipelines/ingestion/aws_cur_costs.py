"""FOCUS' four costs of each line of an AWS Cost and Usage Report. Pure, row by row, and exact.

Takes and gives texts: an amount that cannot be read stays as it is, so that its row is rejected
with a reason. The rules in sentences are in `docs/costs.md`.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

import polars as pl

from oco_pipelines.ingestion.aws_cur_columns import Report
from oco_pipelines.ingestion.aws_cur_rules import DISCOUNTS, FEES, PRIVATE_DISCOUNTS
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import ZERO, exact_product, exact_sum, parse_money

_NOTHING: Final = pl.lit("0")
_TYPE: Final = pl.col("line_item_line_item_type")
_IS_NOTHING: Final = r"^\s*[+-]?0*\.?0*([eE][+-]?\d+)?\s*$"
# A pod's or a task's share of a machine, whose own line has the money. A Fargate task has no
# machine: its line is the charge itself and counts.
IS_SPLIT: Final = pl.col("split_line_item_parent_resource_id").is_not_null()
# Where a discount has to be taken off in proportion, a quotient may have no end.
_PROPORTION_PLACES: Final = Decimal("1e-15")


def with_costs(lines: pl.DataFrame, *, has_net: bool) -> pl.DataFrame:
    """The lines with BilledCost, EffectiveCost, ListCost and ContractedCost.

    Args:
        lines: every column of `aws_cur_columns`, null where the report has none.
        has_net: whether the report has line_item_net_unblended_cost at all.
    """
    gross = pl.col("line_item_unblended_cost")
    # What the invoice shows: after private discounts where the report says so.
    billed = pl.coalesce("line_item_net_unblended_cost", gross)
    if has_net:
        # Already taken off the net costs of the other lines: a second time would be too much.
        taken = _TYPE.is_in(PRIVATE_DISCOUNTS) & pl.col("line_item_net_unblended_cost").is_null()
        billed = pl.when(taken).then(_NOTHING).otherwise(billed)
    public = pl.col("pricing_public_on_demand_cost")
    # Marketplace and some others have no public price: then what is asked is the list price.
    listed = pl.when(public.is_null() | _is_nothing(public) & ~_is_nothing(gross))
    return (
        lines.with_columns(
            _computed(lines, "RIFee", _unused_reservation),
            _computed(lines, "SavingsPlanRecurringFee", _unused_plan),
        )
        .with_columns(BilledCost=billed, _of_reservation=_first("reservation_{}effective_cost"))
        .with_columns(
            EffectiveCost=_by_type(
                DiscountedUsage=pl.col("_of_reservation"),
                SavingsPlanCoveredUsage=_first("savings_plan_{}savings_plan_effective_cost"),
                SavingsPlanNegation=_NOTHING,
                SavingsPlanUpfrontFee=_NOTHING,
                SavingsPlanRecurringFee=pl.col("_SavingsPlanRecurringFee"),
                RIFee=pl.col("_RIFee"),
                Fee=pl.when(pl.col("reservation_reservation_a_r_n").is_null())
                .then("BilledCost")
                .otherwise(_NOTHING),
            ),
            ListCost=_by_type(
                Usage=listed.then(gross).otherwise(public),
                # Its own price is nothing: the reservation has been paid for.
                DiscountedUsage=public.fill_null(pl.col("_of_reservation")),
                SavingsPlanCoveredUsage=listed.then(gross).otherwise(public),
                SavingsPlanNegation=_NOTHING,
                **dict.fromkeys(FEES, gross),
                **dict.fromkeys(DISCOUNTS, _NOTHING),
            ),
            ContractedCost=_by_type(
                DiscountedUsage=public.fill_null(pl.col("_of_reservation")),
                SavingsPlanNegation=_NOTHING,
            ),
        )
        .with_columns(
            pl.when(IS_SPLIT).then(_NOTHING).otherwise(pl.col(cost)).alias(cost)
            for cost in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
        )
    )


def net_costs(frame: pl.DataFrame, report: Report) -> tuple[bool, bool]:
    """Whether a report's lines have net costs, and whether a private discount is without one.

    Args:
        frame: texts under the file's own names, all of the report or a piece of it.
        report: what `recognise` said of its header.
    """
    net = report.columns.get("line_item_net_unblended_cost")
    if net is None:
        return False, False
    has_none = frame[net].is_null()
    discounts = frame[report.columns["line_item_line_item_type"]].is_in(PRIVATE_DISCOUNTS)
    return not has_none.all(), bool((has_none & discounts).any())


def _by_type(**rules: pl.Expr) -> pl.Expr:
    """The amount that the rule of a line's type gives; without a rule, what was billed."""
    amount = pl.col("BilledCost")
    for line_type, rule in rules.items():
        amount = pl.when(_TYPE.eq(line_type)).then(rule).otherwise(amount)
    return amount


def _first(template: str) -> pl.Expr:
    """The net amount where there is one, else the gross one."""
    return pl.coalesce(template.format("net_"), template.format(""))


def _is_nothing(amount: pl.Expr) -> pl.Expr:
    return amount.str.contains(_IS_NOTHING).fill_null(value=True)


def _computed(
    lines: pl.DataFrame, line_type: str, rule: Callable[[dict[str, str | None]], str | None]
) -> pl.Series:
    """A rule of Decimal arithmetic, on the few lines of one type; null on the others."""
    is_mine = (lines["line_item_line_item_type"] == line_type).fill_null(value=False)
    amounts = map(rule, lines.filter(is_mine).iter_rows(named=True))
    texts = [next(amounts) if mine else None for mine in is_mine.to_list()]
    return pl.Series(f"_{line_type}", texts, dtype=pl.String)


def _unused_reservation(line: dict[str, str | None]) -> str | None:
    """Unused upfront of the month + unused recurring fee."""
    parts = [
        line[f"reservation_net_{column}"] or line[f"reservation_{column}"]
        for column in (
            "unused_amortized_upfront_fee_for_billing_period",
            "unused_recurring_fee",
        )
    ]
    known = [part for part in parts if part is not None]
    return _exactly(lambda: exact_sum(parse_money(part) for part in known), known)


def _unused_plan(line: dict[str, str | None]) -> str | None:
    """Commitment − used, never less than nothing, at the price of the plan after discounts."""
    total = line["savings_plan_total_commitment_to_date"]
    used = line["savings_plan_used_commitment"]
    if total is None or used is None:
        return None
    periods = [
        [line[f"savings_plan_{net}{part}_commitment_for_billing_period"] for net in ("net_", "")]
        for part in ("amortized_upfront", "recurring")
    ]

    def unused() -> Decimal:
        left = max(exact_sum((parse_money(total), -parse_money(used))), ZERO)
        paid, gross = (
            exact_sum(parse_money(text) for text in texts if text is not None)
            for texts in ([net or full for net, full in periods], [full for _, full in periods])
        )
        if paid == gross or not gross or all(net is None for net, _ in periods):
            return left
        with localcontext(prec=60):
            share = exact_product(left, paid) / gross
            return share.quantize(_PROPORTION_PLACES, rounding=ROUND_HALF_EVEN)

    return _exactly(unused, [total, used])


def _exactly(compute: Callable[[], Decimal], texts: list[str]) -> str | None:
    if not texts:
        return None
    try:
        return format(compute(), "f")
    except InvalidInputError:
        # Handed on as it is, so that the reason names it.
        return next((text for text in texts if not _is_amount(text)), "unreadable")


def _is_amount(text: str) -> bool:
    try:
        parse_money(text)
    except InvalidInputError:
        return False
    return True
