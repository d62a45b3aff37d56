"""A batch of subjects: their documents, and what policies asked of them so far."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from oco_warehouse.policy_engine.columns import (
    CONVERSIONS,
    Column,
    Document,
    finder,
    is_plain_tag,
    path_finder,
    tags_of,
)
from oco_warehouse.policy_rules.filters import Key, Measure, Metrics
from oco_warehouse.policy_rules.keys import TAG


class Figures(Protocol):
    """Where figures come from that are in no document: sums over days and intervals."""

    def measure(self, measure: Measure, rows: Sequence[int]) -> Mapping[int, Decimal | None]:
        """A measure of some rows; None where it cannot be computed."""
        ...

    def metric(self, metrics: Metrics, rows: Sequence[int]) -> Mapping[int, Sequence[float]]:
        """A metric of some rows: one figure a period that has intervals."""
        ...


class NoFigures:
    """Of documents that stand alone nothing else is known."""

    def measure(self, measure: Measure, rows: Sequence[int]) -> Mapping[int, Decimal | None]:  # noqa: ARG002
        """Nothing."""
        return {}

    def metric(self, metrics: Metrics, rows: Sequence[int]) -> Mapping[int, Sequence[float]]:  # noqa: ARG002
        """Nothing."""
        return {}


@dataclass(slots=True)
class Batch:
    """Subjects that are judged together.

    Attributes:
        documents: one a row.
        now: aware; what ages are measured from.
        figures: of the same rows.
    """

    documents: Sequence[Document]
    now: datetime
    figures: Figures = field(default_factory=NoFigures)
    _found: dict[Key, Column] = field(default_factory=dict)
    _converted: dict[tuple[Key, str, bool], Column] = field(default_factory=dict)
    _paths: dict[str, Column] = field(default_factory=dict)
    _dates: dict[str, Column] = field(default_factory=dict)
    _tags: list[Mapping[str, Any]] | None = None
    _measures: dict[Measure, dict[int, Decimal | None]] = field(default_factory=dict)

    def found(self, key: Key) -> Column:
        """What a key finds in each row."""
        column = self._found.get(key)
        if column is None:
            tags = self._all_tags() if is_plain_tag(key) else None
            if tags:
                wanted = key.path.removeprefix(TAG)
                column = Column([one.get(wanted) for one in tags], faulty=False)
            else:
                column = Column.made(self.documents, finder(key))
            self._found[key] = column
        return column

    def dated(self, dates: str, find: Callable[[Document], datetime | None]) -> Column:
        """A date of each row, by the name of which date it is."""
        column = self._dates.get(dates)
        if column is None:
            column = self._dates[dates] = Column.made(self.documents, find)
        return column

    def _all_tags(self) -> list[Mapping[str, Any]]:
        """The tags of each row; nothing when those of one row must be looked through one by one."""
        if self._tags is None:
            found = [tags_of(document) for document in self.documents]
            known = [tags for tags in found if tags is not None]
            self._tags = known if len(known) == len(found) else []
        return self._tags

    def converted(self, key: Key, value_type: str, *, blank_is_empty: bool) -> Column:
        """The same after its conversion."""
        name = (key, value_type, blank_is_empty)
        column = self._converted.get(name)
        if column is None:
            convert = CONVERSIONS[value_type]
            cells = self.found(key).cells
            if blank_is_empty:
                cells = [() if cell is None else cell for cell in cells]
            column = self._converted[name] = Column.made_from(cells, convert)
        return column

    def at_path(self, path: str) -> Column:
        """What a JMESPath finds in each row."""
        column = self._paths.get(path)
        if column is None:
            find = path_finder(path, literal=False)
            column = self._paths[path] = Column.made(self.documents, find)
        return column

    def measured(self, measure: Measure, rows: Sequence[int]) -> Mapping[int, Decimal | None]:
        """A measure of at least these rows; each is computed once."""
        known = self._measures.setdefault(measure, {})
        missing = [row for row in rows if row not in known]
        if missing:
            found = self.figures.measure(measure, missing)
            known.update((row, found.get(row)) for row in missing)
        return known
