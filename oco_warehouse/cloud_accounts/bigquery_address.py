"""Which table of BigQuery holds a billing export, its name checked. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from oco_warehouse.errors import InvalidInputError

STANDARD: Final = "gcp_billing_export_v1_"
DETAILED: Final = "gcp_billing_export_resource_v1_"
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
