"""The filters of a rule after it was read. Each holds only what was checked."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from oco_warehouse.policy_rules.patterns import SafePattern

# As in tag:owner, Tags[0].Value, oco.tags.owner; other words that look so do no harm.
_OF_TAGS: Final = re.compile(r"\b(tag:|tags\b|labels\b)", re.IGNORECASE)
Comparison = Literal["eq", "ne", "gt", "ge", "lt", "le"]


@dataclass(frozen=True, slots=True)
class Key:
    """Where a filter finds its value.

    Attributes:
        path: a member's name, a JMESPath expression, or `tag:` and a tag's key.
        capture: pattern with one group; the value is what the group caught.
        tag_transforms: what is done to tags' keys before they are compared.
    """

    path: str
    capture: SafePattern | None = None
    tag_transforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueFilter:
    """Compares what a key finds with a constant, or with what another path finds.

    Attributes:
        op: one of `grammar.OPS`; None compares for equality.
        value: the constant.
        value_path: JMESPath of the value to compare with; it takes the constant's place.
        pattern: of the ops regex and regex-case.
    """

    key: Key
    op: str | None
    value: Any
    value_type: str | None = None
    value_path: str | None = None
    pattern: SafePattern | None = None


@dataclass(frozen=True, slots=True)
class CountFilter:
    """All that came so far, or nothing, by how many they are in their account and region."""

    op: str
    value: int | list[Any]


@dataclass(frozen=True, slots=True)
class Group:
    """Filters under `and`, `or` or `not`; under `not`, all of them together."""

    kind: Literal["and", "or", "not"]
    filters: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class ListItem:
    """Whether items of a list hold; with `count`, how many do."""

    key: str
    filters: tuple["Filter", ...]
    count: float | None
    count_op: Comparison


@dataclass(frozen=True, slots=True)
class SortBy:
    """What `reduce` groups or sorts by."""

    key: Key | None
    kind: Literal["string", "number", "date"]


@dataclass(frozen=True, slots=True)
class Reduce:
    """Some of a group: the first by an order."""

    group_by: SortBy
    sort_by: SortBy
    is_grouped: bool
    is_sorted: bool
    order: Literal["asc", "desc", "reverse"]
    nulls_last: bool
    limit: int
    limit_percent: float
    discard: int
    discard_percent: float


@dataclass(frozen=True, slots=True)
class Age:
    """Compares now minus a span with the date of a resource.

    Attributes:
        dates: a member's name, `volumes` (oldest attachment, else the launch), or `facts`.
        seconds: the span.
    """

    dates: str
    op: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """Compares a metric of each period of a window; all of them must hold.

    Attributes:
        name: as the rule says it.
        metric: name in `oco.resource_metrics`.
        statistic: Average, Maximum or Sum.
        seconds: the window.
        period_seconds: what is summed up to one figure.
        missing: the figure of a resource without any interval; None matches none of those.
    """

    name: str
    metric: str
    statistic: Literal["Average", "Maximum", "Sum"]
    seconds: int
    period_seconds: int
    op: Comparison
    value: float
    missing: float | None


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of money or use that is computed for a window of days.

    Attributes:
        name: cost, spend_change_pct, untagged_spend_share or unpriced_share.
        days: the window, up to the newest day that is known.
        tag: key without which spend is untagged; None is any tag at all.
    """

    name: str
    days: int
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class MeasureFilter:
    """Compares a measure; one that cannot be computed matches nothing."""

    measure: Measure
    op: Comparison
    value: Decimal


@dataclass(frozen=True, slots=True)
class ModelAllowList:
    """Whoever used a model that no pattern of the list allows. Patterns are globs."""

    models: tuple[str, ...]


Filter = (
    ValueFilter
    | CountFilter
    | Group
    | ListItem
    | Reduce
    | Age
    | Metrics
    | MeasureFilter
    | ModelAllowList
)


def needs_whole_groups(filters: Sequence[Filter]) -> bool:
    """Whether a filter judges all resources of an account and region together."""
    for one in filters:
        if isinstance(one, CountFilter | Reduce):
            return True
        if isinstance(one, Group) and needs_whole_groups(one.filters):
            return True
    return False


def measures_of(filters: Sequence[Filter]) -> list[Measure]:
    """Measures that filters ask for, each once."""
    found: dict[Measure, None] = {}
    for one in filters:
        if isinstance(one, MeasureFilter):
            found[one.measure] = None
        elif isinstance(one, Group):
            found.update(dict.fromkeys(measures_of(one.filters)))
    return list(found)


def looks_at_tags(filters: Sequence[Filter]) -> bool:
    """Whether a filter asks for tags: of a resource whose tags are unknown it knows nothing."""
    return any(_OF_TAGS.search(path) for path in _paths(filters))


def _paths(filters: Sequence[Filter]) -> Iterator[str]:
    for one in filters:
        if isinstance(one, Group | ListItem):
            yield from _paths(one.filters)
        if isinstance(one, ListItem):
            yield one.key
        elif isinstance(one, ValueFilter):
            yield one.key.path
            yield one.value_path or ""
            yield one.value if one.value_type == "expr" else ""
        elif isinstance(one, Reduce):
            for by in (one.group_by, one.sort_by):
                yield by.key.path if by.key else ""
