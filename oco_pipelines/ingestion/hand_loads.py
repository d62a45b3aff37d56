"""What was loaded by hand: listed, found by name, and taken back. The history keeps all of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from oco_pipelines.ingestion.cost_batch import LoadResult, Origin
from oco_pipelines.ingestion.cost_load import load
from oco_pipelines.ingestion.cost_totals import Totals, totals_from_json
from oco_pipelines.ingestion.focus_file import SOURCE
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError

_NOTHING: Final = sha256(b"").hexdigest()
_NEWEST: Final = """
    SELECT * FROM (
        SELECT DISTINCT ON (source_partition) *
        FROM oco.ingestion_batches
        WHERE source = %s AND status IN ('loaded', 'unchanged')
        ORDER BY source_partition, finished_at DESC) AS newest
    WHERE replaced_by IS NULL AND rows_accepted > 0
    ORDER BY source_partition
"""


@dataclass(frozen=True, slots=True)
class HandLoad:
    """A file whose charges are believed.

    Attributes:
        name: what it was loaded under.
        loaded_at: when it was read for the last time.
        totals: sums of its accepted rows by currency.
    """

    name: str
    loaded_at: datetime
    rows: int
    rejected: int
    first_day: date
    last_day: date
    totals: Totals


def hand_loads(warehouse: Warehouse) -> list[HandLoad]:
    """Every file that is believed, by name."""
    return [
        HandLoad(
            name=row["source_partition"],
            loaded_at=row["finished_at"],
            rows=row["rows_accepted"],
            rejected=row["rows_rejected"],
            first_day=row["first_date"],
            last_day=row["last_date"],
            totals=totals_from_json(row["totals_accepted"]),
        )
        for row in warehouse.query(_NEWEST, [SOURCE])
    ]


def named_loads(warehouse: Warehouse, given: Collection[str]) -> list[str]:
    """Names of loads as people give them: the name itself, or a path to the file.

    Raises:
        InvalidInputError: when nothing is loaded from one of them.
    """
    known = {loaded.name for loaded in hand_loads(warehouse)}
    names = []
    for name in given:
        resolved = str(Path(name).resolve())
        if name not in known and resolved not in known:
            raise InvalidInputError(
                f"nothing is loaded from {name!r}: `oco import list` shows what is"
            )
        names.append(name if name in known else resolved)
    return names


def withdraw(warehouse: Warehouse, name: str) -> LoadResult:
    """Stop believing everything that was loaded under a name; it stays in the history.

    Loading the file again brings it back.
    """
    return load(warehouse, (), Origin(SOURCE, name, _NOTHING), may_be_empty=True)
