"""Filters of age: now less a span against a date of the resource."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from oco_warehouse.policy_engine.batch import Batch
from oco_warehouse.policy_engine.columns import Document
from oco_warehouse.policy_engine.operators import COMPARE
from oco_warehouse.policy_rules.filters import Age
from oco_warehouse.times import read_text

VOLUMES: Final = "volumes"
FACTS: Final = "facts"
_LAUNCH: Final = "LaunchTime"


def age_select(age: Age) -> Callable[[Batch, Sequence[int]], list[int]]:
    """Rows whose date stands to the moment before now as the op says.

    A date that Cloud Custodian's filter needs and a document lacks is an error; a fact that is not
    known is no match.
    """
    compare, span = COMPARE[age.op], timedelta(seconds=age.seconds)
    date = _date_finder(age.dates)

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        moment = batch.now - span
        cells = batch.dated(age.dates, date).at(rows)
        return [row for row in rows if (found := cells[row]) is not None and compare(moment, found)]

    return select


def _date_finder(dates: str) -> Callable[[Document], datetime | None]:
    if dates == FACTS:
        return _fact
    if dates == VOLUMES:
        return _oldest_volume
    return lambda document: _moment(document[dates])


def _fact(document: Document) -> datetime | None:
    stated = document["oco"]["facts"].get("created_at")
    return None if stated is None else _moment(stated)


def _oldest_volume(document: Document) -> datetime:
    attached = [
        _moment(mapping["Ebs"]["AttachTime"])
        for mapping in document["BlockDeviceMappings"]
        if "Ebs" in mapping
    ]
    return min(attached) if attached else _moment(document[_LAUNCH])


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    found = read_text(value)
    if found is None:
        raise ValueError(f"{value!r:.80} is no date")
    return found
