"""Which table of BigQuery holds a billing export, and the queries that read it. Pure: only texts.

Every query goes by `_PARTITIONTIME` between two parameters, so that BigQuery reads, and bills, the
days that are asked for and no other. A row comes as one JSON text, `TO_JSON_STRING`: BigQuery
writes a FLOAT64 there with the fewest of 15 or 17 digits that read back as the same number, so that
no cost passes through a float of ours. Source: Google Cloud's pages on the structure of the two
export tables and on GoogleSQL's JSON functions. Does not belong here: what a row means (`gcp_*`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from oco_pipelines.ingestion.gcp_columns import FIELDS, NECESSARY
from oco_warehouse.errors import InvalidInputError

STANDARD: Final = "gcp_billing_export_v1_"
DETAILED: Final = "gcp_billing_export_resource_v1_"
# Fields of the export's rows that say when they came, and are no part of a charge.
EXPORTED: Final = "export_time"
_PROJECT: Final = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_DATASET: Final = re.compile(r"\w{1,1024}", re.ASCII)
_TABLE: Final = re.compile(
    rf"(?:{STANDARD}|{DETAILED})([0-9A-F]{{6}}_[0-9A-F]{{6}}_[0-9A-F]{{6}})", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ExportTable:
    """Address of a billing export, each part of it checked.

    Raises:
        InvalidInputError: one line that says which part is none, and what to name instead.
    """

    project: str
    dataset: str
    table: str

    def __post_init__(self) -> None:
        """Refuse what is no address of an export: nothing else may stand in a query."""
        if not _PROJECT.fullmatch(self.project):
            raise InvalidInputError(f"project {self.project!r} is no id of a Google Cloud project")
        if not _DATASET.fullmatch(self.dataset):
            raise InvalidInputError(f"dataset {self.dataset!r} is no name of a BigQuery dataset")
        if not _TABLE.fullmatch(self.table):
            raise InvalidInputError(f"table {self.table!r} {_what_instead(self.table)}")

    def __str__(self) -> str:
        """As people and queries write it."""
        return f"{self.project}.{self.dataset}.{self.table}"

    @property
    def billing_account(self) -> str:
        """Whose money it is, as bills write it: Google names the table after it."""
        return self.table[-20:].replace("_", "-").upper()


def _what_instead(table: str) -> str:
    if "focus" in table.lower():
        return (
            "is a FOCUS view of the export: name the table that it reads, "
            f"{STANDARD}… or {DETAILED}…"
        )
    if table.startswith("cloud_pricing_export"):
        return f"holds prices, not costs: name {STANDARD}… or {DETAILED}…"
    return (
        f"is no billing export: its name is {STANDARD} or {DETAILED} and then the id of the "
        "billing account, as in 01AB23_CD45EF_678901"
    )


def figures_query(table: ExportTable) -> str:
    """For each day from @first until before @after: newest export in µs since 1970, and rows."""
    return (  # each part of the address is checked
        "SELECT FORMAT_DATE('%F', DATE(_PARTITIONTIME)) AS day, "  # noqa: S608
        f"UNIX_MICROS(MAX({EXPORTED})) AS newest, COUNT(*) AS row_count "
        f"FROM `{table}` "
        "WHERE _PARTITIONTIME >= @first AND _PARTITIONTIME < @after "
        "GROUP BY day ORDER BY day"
    )


def rows_query(table: ExportTable, columns: Iterable[str]) -> str:
    """Every row from @first until before @after: its JSON, and when it was exported in µs.

    Args:
        table: the table.
        columns: what it has, fields of a struct by their path, as `invoice.month`. Only what is
            used of them is read, because BigQuery bills the columns that a query names.

    Raises:
        InvalidInputError: when a necessary column is not among them.
    """
    there = set(columns)
    missing = [name for name in (*NECESSARY, EXPORTED) if name not in there]
    if missing:
        raise InvalidInputError(f"{table}: the table lacks the column {', '.join(missing)}")
    structs: dict[str, list[str]] = {}
    for field in FIELDS:
        if field in there:
            column, _, inner = field.partition(".")
            structs.setdefault(column, []).append(inner)
    parts = [_part(column, fields) for column, fields in structs.items()]
    return (  # each part of the address is checked, and the columns are ours
        f"SELECT TO_JSON_STRING(STRUCT({', '.join(parts)})) AS line, "  # noqa: S608
        f"UNIX_MICROS({EXPORTED}) AS exported "
        f"FROM `{table}` "
        "WHERE _PARTITIONTIME >= @first AND _PARTITIONTIME < @after"
    )


def _part(column: str, fields: list[str]) -> str:
    if fields == [""]:
        return f"`{column}` AS `{column}`"
    inner = ", ".join(f"`{column}`.`{field}` AS `{field}`" for field in fields)
    return f"STRUCT({inner}) AS `{column}`"
