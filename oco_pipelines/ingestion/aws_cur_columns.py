"""What the columns of an AWS Cost and Usage Report are called, in each of its three forms. Pure.

Legacy CSV writes `lineItem/UnblendedCost`, Athena's Parquet of the same report and CUR 2.0 write
`line_item_unblended_cost`. Everything behind this module knows the last spelling only. Does not
belong here: what a column means for cost.

Source: AWS Data Exports user guide, data dictionaries of legacy CUR and of CUR 2.0.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from oco_pipelines.ingestion.focus_columns import COLUMNS, snake_case
from oco_warehouse.errors import InvalidFileError

Form = Literal["legacy CSV", "legacy Parquet", "CUR 2.0", "FOCUS"]

# Without these no line can be placed, dated or counted.
_NECESSARY: Final = """
    bill_payer_account_id bill_billing_period_start_date bill_billing_period_end_date
    line_item_line_item_type line_item_usage_start_date line_item_usage_end_date
    line_item_currency_code line_item_unblended_cost
"""
# Read where the report has them; a legacy report has only the columns that its month needed.
_OPTIONAL: Final = """
    bill_billing_entity bill_bill_type bill_invoice_id bill_invoicing_entity
    bill_payer_account_name line_item_usage_account_id line_item_usage_account_name
    line_item_product_code line_item_usage_type line_item_availability_zone
    line_item_resource_id line_item_usage_amount line_item_net_unblended_cost
    line_item_unblended_rate line_item_legal_entity line_item_line_item_description
    product_product_name product_product_family product_servicecode product_region_code
    product_region product_location product_sku product pricing_unit pricing_rate_code
    pricing_public_on_demand_cost pricing_public_on_demand_rate reservation_reservation_a_r_n
    reservation_effective_cost reservation_net_effective_cost reservation_unused_recurring_fee
    reservation_net_unused_recurring_fee
    reservation_unused_amortized_upfront_fee_for_billing_period
    reservation_net_unused_amortized_upfront_fee_for_billing_period
    savings_plan_savings_plan_a_r_n savings_plan_savings_plan_effective_cost
    savings_plan_net_savings_plan_effective_cost savings_plan_total_commitment_to_date
    savings_plan_used_commitment savings_plan_amortized_upfront_commitment_for_billing_period
    savings_plan_recurring_commitment_for_billing_period
    savings_plan_net_amortized_upfront_commitment_for_billing_period
    savings_plan_net_recurring_commitment_for_billing_period
    split_line_item_parent_resource_id split_line_item_split_cost split_line_item_unused_cost
    split_line_item_net_split_cost split_line_item_net_unused_cost
"""
NECESSARY: Final = tuple(_NECESSARY.split())
OPTIONAL: Final = tuple(_OPTIONAL.split())
# Families of columns whose names hold the customer's own words: (legacy CSV, snake_case, CUR 2.0).
TAGS: Final = ("resourceTags/", "resource_tags_", "resource_tags")
COST_CATEGORIES: Final = ("costCategory/", "cost_category_", "cost_category")
_MAPS_OF_2_0: Final = frozenset({"resource_tags", "cost_category", "product", "discount"})
_NAMES_OF_2_0: Final = frozenset({"bill_payer_account_name", "line_item_usage_account_name"})
_SPELLINGS_OF_FOCUS: Final = frozenset(
    spelling for name in COLUMNS for spelling in (name.lower(), snake_case(name))
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a header says.

    Attributes:
        form: which kind of report it is.
        columns: {one of NECESSARY and OPTIONAL: the file's column}.
        tags: {key as written: the file's column}, for a column a tag.
        cost_categories: the same for cost categories.
    """

    form: Form
    columns: dict[str, str]
    tags: dict[str, str]
    cost_categories: dict[str, str]


def recognise(name: str, header: list[str]) -> Report:
    """Tell the form of a report by its columns; those that nothing is read from are no matter.

    Raises:
        InvalidFileError: one line naming the file and what is missing.
    """
    spelt = {snake(column): column for column in reversed(header)}
    columns = {key: spelt[key] for key in (*NECESSARY, *OPTIONAL) if key in spelt}
    missing = [key for key in NECESSARY if key not in columns]
    if missing and sum(column.strip().lower() in _SPELLINGS_OF_FOCUS for column in header) * 2 > (
        len(header)
    ):
        return Report("FOCUS", {}, {}, {})
    if len(missing) == len(NECESSARY):
        raise InvalidFileError(
            f"{name}: neither an AWS Cost and Usage Report nor a FOCUS export: it has no column "
            f"{NECESSARY[-1]} (lineItem/UnblendedCost), nor any other that a report must have"
        )
    if missing:
        raise InvalidFileError(
            f"{name}: missing column {', '.join(missing)} of the AWS Cost and Usage Report"
        )
    return Report(
        form=_form(header),
        columns=columns,
        tags=_family(header, TAGS),
        cost_categories=_family(header, COST_CATEGORIES),
    )


def snake(column: str) -> str:
    """`lineItem/UnblendedCost` → `line_item_unblended_cost`, as Athena and CUR 2.0 spell it.

    Each capital letter begins a word, so that `SavingsPlanARN` becomes `savings_plan_a_r_n`.
    """
    name = column.strip()
    if "/" not in name:
        return name.lower()
    words = re.sub(r"(?=[A-Z])", "_", name).lower()
    return re.sub(r"_+", "_", re.sub(r"[^a-z0-9]", "_", words)).strip("_")


def _form(header: list[str]) -> Form:
    if any(column.strip().startswith("lineItem/") for column in header):
        return "legacy CSV"
    names = {column.strip().lower() for column in header}
    return "CUR 2.0" if names & (_MAPS_OF_2_0 | _NAMES_OF_2_0) else "legacy Parquet"


def _family(header: list[str], family: tuple[str, str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for column in header:
        name = column.strip()
        for prefix in family[:2]:
            if name.startswith(prefix) and len(name) > len(prefix):
                found[name.removeprefix(prefix)] = column
    return found


def map_column(header: list[str], family: tuple[str, str, str]) -> str | None:
    """The column that holds a whole family as a map, as CUR 2.0 has it."""
    return next((column for column in header if column.strip().lower() == family[2]), None)
