"""Which charges a FOCUS export holds, and how each value is written: SQL as text. Pure.

Source: FOCUS 1.2 and 1.3, column library, and the attributes Date/Time Format, Numeric Format,
Key-Value Format, Null Handling and Column Naming.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from psycopg import sql

from oco_pipelines.ingestion.cost_totals import COST_COLUMNS
from oco_pipelines.ingestion.focus_columns import COLUMNS, FocusColumn, snake_case
from oco_warehouse.errors import InvalidInputError

VERSIONS: Final = ("1.2", "1.3")
# In 1.2 they would be unknown columns, which a file may have only under an `x_` name.
_SINCE_1_3: Final = [
    "AllocatedMethodDetails",
    "AllocatedMethodId",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
    "ContractApplied",
    "HostProviderName",
    "ServiceProviderName",
]
_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_SECONDS: Final = 'YYYY-MM-DD"T"HH24:MI:SS'


@dataclass(frozen=True, slots=True)
class Selection:
    """Which charges.

    Attributes:
        month: first moment of the billing month, UTC.
        provider: short name as in `x_provider`; None for all.
        as_of: what was believed at that moment; None for what is believed now.
    """

    month: datetime
    provider: str | None = None
    as_of: datetime | None = None

    @property
    def next_month(self) -> datetime:
        """First moment after the month."""
        years, month = divmod(self.month.month, 12)
        return self.month.replace(year=self.month.year + years, month=month + 1)

    @property
    def parameters(self) -> dict[str, object]:
        """Of every statement below."""
        return {
            "month": self.month,
            "next_month": self.next_month,
            "provider": self.provider,
            "as_of": self.as_of,
        }


def read_month(text: str) -> datetime:
    """`2026-10` as its first moment in UTC.

    Raises:
        InvalidInputError: when it is no month from 2000 to 2099.
    """
    match = _MONTH.fullmatch(text.strip())
    if match is None or not 2000 <= int(match[1]) < 2100:
        raise InvalidInputError(f"--month {text!r} is not a month: write it as in 2026-10")
    return datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)


def columns_of(version: str) -> list[FocusColumn]:
    """Columns of a version of FOCUS, in alphabetical order.

    Raises:
        InvalidInputError: for a version that is not written.
    """
    if version not in VERSIONS:
        raise InvalidInputError(f"--version {version!r} is unknown: use one of {list(VERSIONS)}")
    names = [name for name in COLUMNS if version != "1.2" or name not in _SINCE_1_3]
    return [COLUMNS[name] for name in sorted(names)]


def rows_statement(columns: list[FocusColumn], selection: Selection) -> sql.Composed:
    """SELECT of every charge, each value as the text that a file has."""
    written = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(_written(column), sql.Identifier(column.name))
        for column in columns
    )
    return sql.SQL("SELECT {} FROM ({}) AS charges").format(
        written, _charges([snake_case(column.name) for column in columns], selection)
    )


def totals_statement(selection: Selection) -> sql.Composed:
    """SELECT of (billing_currency, rows, the four costs), summed by the warehouse itself."""
    names = list(COST_COLUMNS)
    sums = sql.SQL(", ").join(
        sql.SQL("sum({0}) AS {1}").format(_amount(name), sql.Identifier(name)) for name in names
    )
    return sql.SQL(
        "SELECT billing_currency, count(*) AS rows, {} FROM ({}) AS charges GROUP BY 1 ORDER BY 1"
    ).format(sums, _charges(["billing_currency", "list_cost", *names], selection))


def digits_statement(columns: list[FocusColumn], selection: Selection) -> sql.Composed:
    """SELECT of one row: for each amount column `NAME before` and `NAME after` the point."""
    amounts = [column for column in columns if column.kind == "amount"]
    counts = sql.SQL(", ").join(
        sql.SQL(
            "coalesce(max(length(trunc(abs({0}))::text)), 1) AS {1}, "
            "coalesce(max(scale(trim_scale({0}))), 0) AS {2}"
        ).format(
            _amount(snake_case(column.name)),
            sql.Identifier(f"{column.name} before"),
            sql.Identifier(f"{column.name} after"),
        )
        for column in amounts
    )
    names = [snake_case(column.name) for column in amounts]
    return sql.SQL("SELECT {} FROM ({}) AS charges").format(counts, _charges(names, selection))


def _charges(names: list[str], selection: Selection) -> sql.Composed:
    """Cloud and model charges of the selection, columns as the staging views name them."""
    listed = sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys(names)))
    wanted = [
        sql.SQL("billing_period_start >= %(month)s"),
        sql.SQL("billing_period_start < %(next_month)s"),
    ]
    if selection.provider is not None:
        wanted.append(sql.SQL("x_provider = %(provider)s"))
    believed, happened = sql.SQL("x_valid_to IS NULL"), sql.SQL("true")
    if selection.as_of is not None:
        believed = sql.SQL(
            "x_valid_from <= %(as_of)s AND (x_valid_to IS NULL OR x_valid_to > %(as_of)s)"
        )
        # The ledger has no history: whole hours that were over are what can be said of it.
        happened = sql.SQL("charge_period_end <= %(as_of)s")
    rule = sql.SQL(" AND ").join(wanted)
    return sql.SQL(
        "SELECT {0} FROM staging.stg_cloud_cost_history WHERE {1} AND {2} "
        "UNION ALL SELECT {0} FROM intermediate.int_llm_focus WHERE {1} AND {3}"
    ).format(listed, rule, believed, happened)


def _written(column: FocusColumn) -> sql.Composed:
    name = sql.Identifier(snake_case(column.name))
    if column.kind == "amount":
        return sql.SQL("trim_scale({})::text").format(_amount(snake_case(column.name)))
    if column.kind == "instant":
        # To the second, as the specification writes it; a fraction only where there is one, because
        # a period that is cut could end at its start.
        return sql.SQL(
            "to_char({0} AT TIME ZONE 'UTC', {1}) || "
            "coalesce('.' || nullif(rtrim(to_char({0} AT TIME ZONE 'UTC', 'US'), '0'), ''), '') "
            "|| 'Z'"
        ).format(name, sql.Literal(_SECONDS))
    if column.kind == "object":
        return sql.SQL("{}::text").format(name)
    # An empty text is no value: FOCUS knows null only.
    return sql.SQL("nullif({}, '')").format(name)


def _amount(name: str) -> sql.Composed:
    # FOCUS wants a ContractedCost in every row. Where no agreed price is known, its unit price is
    # the list price by the specification; so is its cost.
    if name == "contracted_cost":
        return sql.Composed([sql.SQL("coalesce(contracted_cost, list_cost)")])
    return sql.Composed([sql.Identifier(name)])
