"""Which table of BigQuery holds a billing export, and the queries that read it. Pure: only texts.

Every query goes by `_PARTITIONTIME` between two parameters, so that BigQuery reads, and bills, the
days that are asked for and no other. A row comes as one JSON text, `TO_JSON_STRING`: BigQuery
writes a FLOAT64 there with the fewest of 15 or 17 digits that read back as the same number, so that
no cost passes through a float of ours. Source: Google Cloud's pages on the structure of the two
export tables and on GoogleSQL's JSON functions. Does not belong here: what a row means (`gcp_*`).
"""

from collections.abc import Iterable
from typing import Final

from oco_pipelines.ingestion.gcp_columns import FIELDS, NECESSARY
from oco_warehouse.cloud_accounts.bigquery_address import ExportTable
from oco_warehouse.errors import InvalidInputError

# Fields of the export's rows that say when they came, and are no part of a charge.
EXPORTED: Final = "export_time"


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
