"""An AWS Cost and Usage Report as a FOCUS table: texts in, texts out, a row for a row. Pure.

Needs nothing from one row to the next, so that a report may come in pieces. Does not belong here:
judging values (`focus_normalise` does), and reading files.

The parts: aws_cur_columns (names) → aws_cur_rules (what each type of line is) → aws_cur_costs
(the four costs) → aws_cur_labels (tags) → this.
"""

import csv
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import polars as pl

from oco_pipelines.ingestion.aws_cur_columns import (
    COST_CATEGORIES,
    NECESSARY,
    OPTIONAL,
    TAGS,
    Report,
    map_column,
)
from oco_pipelines.ingestion.aws_cur_costs import IS_SPLIT, with_costs
from oco_pipelines.ingestion.aws_cur_labels import attribute, category_key, labels, tag_key
from oco_pipelines.ingestion.aws_cur_rules import LINE_TYPES, NEEDED, UNKNOWN, LineType
from oco_pipelines.ingestion.focus_columns import COLUMNS
from oco_pipelines.ingestion.focus_values import read_amount
from oco_pipelines.ingestion.focus_vectors import per_distinct
from oco_warehouse.errors import InvalidFileError, InvalidInputError

AWS: Final = "Amazon Web Services, Inc."
_TYPE: Final = pl.col("line_item_line_item_type")
_MARKETPLACE: Final = pl.col("bill_billing_entity") == "AWS Marketplace"
# EC2 is also disks and networks; the product family tells.
_FAMILIES_OF_EC2: Final = {
    "Storage": "Storage",
    "Storage Snapshot": "Storage",
    "System Operation": "Storage",
    "Provisioned Throughput": "Storage",
    "Data Transfer": "Networking",
    "NAT Gateway": "Networking",
    "IP Address": "Networking",
    "Load Balancer": "Networking",
    "Load Balancer-Application": "Networking",
    "Load Balancer-Network": "Networking",
}
_TYPES_OF_IDS: Final = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "nat": "natgateway",
    "eni": "network-interface",
    "eipalloc": "elastic-ip",
    "ami": "image",
    "vpce": "vpc-endpoint",
}


def translate(name: str, frame: pl.DataFrame, report: Report) -> pl.DataFrame:
    """The rows under FOCUS' names, in their order.

    Args:
        name: of the file, for messages.
        frame: texts under the file's own names, all of the report or a piece of it.
        report: what `recognise` said of its header.

    Raises:
        InvalidFileError: one line, when a type of line occurs whose cost is in a missing column.
    """
    lines = frame.select(
        pl.col(report.columns[key]).alias(key)
        if key in report.columns
        else pl.lit(None, pl.String).alias(key)
        for key in (*NECESSARY, *OPTIONAL)
    )
    _refuse_unknowable(name, lines, report)
    maps = lines["product"]
    header = frame.columns
    lines = with_costs(
        lines.with_columns(
            attribute(maps, "product_name").alias("_name_in_map"),
            attribute(maps, "region").alias("_region_in_map"),
            labels(
                frame,
                (
                    (report.tags, map_column(header, TAGS), tag_key),
                    (report.cost_categories, map_column(header, COST_CATEGORIES), category_key),
                ),
            ).alias("_tags"),
        ),
        has_net="line_item_net_unblended_cost" in report.columns,
    )
    costs = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
    rows = lines.select(
        *costs, **_who(), **_when(), **_what(), **_how_much(), **_commitment(), **_resource()
    )
    return rows.select(column for column in COLUMNS if column in rows.columns)


def _refuse_unknowable(name: str, lines: pl.DataFrame, report: Report) -> None:
    there = set(lines["line_item_line_item_type"].unique())
    for line_type, needed in NEEDED.items():
        missing = [column for column in needed if column not in report.columns]
        if line_type in there and missing:
            raise InvalidFileError(
                f"{name}: has {line_type} lines, whose effective cost is unknown without the "
                f"column {', '.join(missing)}: add it to the export"
            )


def _who() -> dict[str, pl.Expr]:
    seller = pl.when(_MARKETPLACE).then(pl.lit("AWS Marketplace")).otherwise(pl.lit(AWS))
    return {
        "BillingAccountId": _account("bill_payer_account_id"),
        "BillingAccountName": pl.col("bill_payer_account_name"),
        "SubAccountId": _account("line_item_usage_account_id"),
        "SubAccountName": pl.col("line_item_usage_account_name"),
        "InvoiceId": pl.col("bill_invoice_id"),
        "ProviderName": pl.lit("AWS"),
        "PublisherName": pl.coalesce("line_item_legal_entity", seller),
        "InvoiceIssuerName": pl.coalesce(
            "bill_invoicing_entity", "line_item_legal_entity", pl.lit(AWS)
        ),
    }


def _account(column: str) -> pl.Expr:
    """A number in Parquet loses the zeros that an account begins with."""
    number = pl.col(column)
    return pl.when(number.str.contains(r"^\d+$")).then(number.str.zfill(12)).otherwise(number)


def _when() -> dict[str, pl.Expr]:
    start, end = pl.col("line_item_usage_start_date"), pl.col("line_item_usage_end_date")
    period_end = pl.col("bill_billing_period_end_date")
    # One day where the moment is not before the end of the period, as of a fee paid in advance.
    next_day = (
        start.str.slice(0, 10)
        .str.to_date("%Y-%m-%d", strict=False)
        .dt.offset_by("1d")
        .dt.strftime("%FT00:00:00Z")
    )
    after = pl.when(period_end.str.slice(0, 10) > start.str.slice(0, 10)).then(period_end)
    return {
        "BillingPeriodStart": pl.col("bill_billing_period_start_date"),
        "BillingPeriodEnd": period_end,
        "ChargePeriodStart": start,
        # A purchase may be dated at one moment; a period of no length is none.
        "ChargePeriodEnd": pl.when(end.is_null() | (end == start))
        .then(after.otherwise(next_day))
        .otherwise(end),
    }


def _what() -> dict[str, pl.Expr]:
    code = pl.coalesce("line_item_product_code", "product_servicecode")
    product_name = pl.coalesce("product_product_name", "_name_in_map")
    category = _looked_up(code, {key: entry[1] for key, entry in _services().items()})
    by_family = _looked_up(pl.col("product_product_family"), _FAMILIES_OF_EC2)
    is_refund = _TYPE.eq("Refund") | (pl.col("bill_bill_type") == "Refund")
    is_spot = pl.col("line_item_usage_type").str.contains("SpotUsage", literal=True)
    pricing = _of_type(lambda entry: entry.pricing)
    return {
        "ChargeCategory": _of_type(lambda entry: entry.category),
        "ChargeClass": pl.when(is_refund).then(pl.lit("Correction")),
        "ChargeFrequency": _of_type(lambda entry: entry.frequency),
        "ChargeDescription": pl.coalesce("line_item_line_item_description", _TYPE),
        "PricingCategory": pl.when(_TYPE.eq("Usage") & is_spot)
        .then(pl.lit("Dynamic"))
        .when(_TYPE.eq("Fee") & pl.col("reservation_reservation_a_r_n").is_not_null())
        .then(pl.lit("Committed"))
        .otherwise(pricing),
        "ServiceName": pl.coalesce(
            _looked_up(code, {key: entry[0] for key, entry in _services().items()}),
            product_name,
            code,
            pl.lit("AWS"),
        ),
        "ServiceCategory": pl.when(code == "AmazonEC2")
        .then(pl.coalesce(by_family, category))
        .otherwise(category)
        .fill_null("Other"),
        "SkuId": pl.col("product_sku"),
        "SkuPriceId": pl.col("pricing_rate_code"),
        "SkuMeter": pl.col("line_item_usage_type"),
        "RegionId": pl.coalesce("product_region_code", "product_region", "_region_in_map"),
        "RegionName": pl.col("product_location"),
        "AvailabilityZone": pl.col("line_item_availability_zone"),
    }


def _how_much() -> dict[str, pl.Expr]:
    consuming = [name for name, entry in LINE_TYPES.items() if entry.consumes]
    counts = _TYPE.is_in(consuming) & ~IS_SPLIT & pl.col("line_item_usage_amount").is_not_null()

    def counted(column: str) -> pl.Expr:
        return pl.when(counts).then(pl.col(column))

    return {
        "BillingCurrency": pl.col("line_item_currency_code"),
        "ConsumedQuantity": counted("line_item_usage_amount"),
        "ConsumedUnit": counted("pricing_unit"),
        "PricingQuantity": counted("line_item_usage_amount"),
        "PricingUnit": counted("pricing_unit"),
        "ListUnitPrice": counted("pricing_public_on_demand_rate"),
        "ContractedUnitPrice": pl.when(_TYPE != "DiscountedUsage").then(
            counted("line_item_unblended_rate")
        ),
    }


def _commitment() -> dict[str, pl.Expr]:
    kind = _of_type(lambda entry: entry.commitment)
    of_plan = kind == "savings_plan"
    # A Fee without a reservation is no commitment, whatever its type usually is.
    identifier = (
        pl.when(of_plan)
        .then(pl.col("savings_plan_savings_plan_a_r_n"))
        .when(kind == "reservation")
        .then(pl.col("reservation_reservation_a_r_n"))
    )

    def told(of_plans: str, of_reservations: str) -> pl.Expr:
        text = pl.when(of_plan).then(pl.lit(of_plans)).otherwise(pl.lit(of_reservations))
        return pl.when(identifier.is_not_null()).then(text)

    return {
        "CommitmentDiscountId": identifier,
        "CommitmentDiscountCategory": told("Spend", "Usage"),
        "CommitmentDiscountType": told("Savings Plan", "Reserved Instance"),
        "CommitmentDiscountStatus": pl.when(identifier.is_not_null()).then(
            _of_type(lambda entry: entry.status)
        ),
    }


def _resource() -> dict[str, pl.Expr]:
    own, parent = pl.col("line_item_resource_id"), pl.col("split_line_item_parent_resource_id")
    identifier = pl.when(IS_SPLIT).then(parent).otherwise(own)
    tags = pl.col("_tags")
    in_arn = identifier.str.extract(r"^arn:[^:]*:[^:]*:[^:]*:[^:]*:([A-Za-z][A-Za-z-]*)[/:]")
    in_id = _looked_up(identifier.str.extract(r"^([a-z]+)-[0-9a-f]{8,}$"), _TYPES_OF_IDS)
    details = pl.concat_list(
        pl.concat_str(pl.lit(f'"x_{key}": "'), _plain(f"split_line_item_{column}"), pl.lit('"'))
        for key, column in (
            ("SplitCost", "split_cost"),
            ("UnusedCost", "unused_cost"),
            ("NetSplitCost", "net_split_cost"),
            ("NetUnusedCost", "net_unused_cost"),
        )
    ).list.drop_nulls()
    return {
        "ResourceId": identifier,
        "ResourceName": pl.when(~IS_SPLIT).then(_name_tag(tags)),
        "ResourceType": pl.coalesce(in_arn, in_id),
        "Tags": pl.when(~IS_SPLIT).then(tags),
        "AllocatedMethodId": pl.when(IS_SPLIT).then(pl.lit("AWS split cost allocation data")),
        "AllocatedResourceId": pl.when(IS_SPLIT).then(own),
        "AllocatedTags": pl.when(IS_SPLIT).then(tags),
        # The inside of a JSON object, as `read_object` takes it.
        "AllocatedMethodDetails": pl.when(IS_SPLIT & (details.list.len() > 0)).then(
            details.list.join(", ")
        ),
    }


def _plain(column: str) -> pl.Expr:
    """One text for one amount, so that `0.2` and `0.200` make one identity."""

    def plain(text: str) -> str:
        try:
            return read_amount(text)
        except InvalidInputError:
            return text

    return pl.col(column).map_batches(
        lambda texts: per_distinct(texts, plain, pl.String), return_dtype=pl.String
    )


def _name_tag(tags: pl.Expr) -> pl.Expr:
    """The tag that AWS' own console shows as a resource's name."""
    return tags.str.extract(r'"[Nn]ame": "([^"\\]+)"[,}]')


def _of_type(say: Callable[[LineType], str | None]) -> pl.Expr:
    words = {line_type: say(entry) for line_type, entry in LINE_TYPES.items()}
    return _TYPE.replace_strict(words, default=say(UNKNOWN), return_dtype=pl.String)


def _looked_up(key: pl.Expr, words: Mapping[str, str]) -> pl.Expr:
    return key.replace_strict(words, default=None, return_dtype=pl.String)


@cache
def _services() -> dict[str, tuple[str, str]]:
    """{product code: (name, FOCUS service category)}."""
    text = files(__package__).joinpath("aws_services.csv").read_text(encoding="utf-8")
    return {
        row["code"]: (row["name"], row["category"]) for row in csv.DictReader(text.splitlines())
    }
