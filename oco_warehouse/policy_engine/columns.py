"""Looks keys up in documents, and converts what is found by value type: a batch at a time."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Final

from oco_warehouse.policy_engine.addresses import read_address
from oco_warehouse.policy_engine.versions import Version
from oco_warehouse.policy_rules.filters import Key
from oco_warehouse.policy_rules.keys import TAG, compile_path, search
from oco_warehouse.policy_rules.patterns import SafePattern
from oco_warehouse.times import read_time

Document = Mapping[str, Any]
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
# As in SecurityGroups[].GroupId.
_PROJECTED: Final = re.compile(
    rf"(?P<list>{_PLAIN.pattern})\[\](?:\.(?P<of>{_PLAIN.pattern}))?", re.ASCII
)
_MEASURED: Final = re.compile(rf"length\((?P<of>{_PLAIN.pattern})\)", re.ASCII)
_TRANSFORMS: Final[dict[str, Callable[[str], str]]] = {
    "noop": lambda key: key,
    "capitalize": str.capitalize,
    "lower": str.lower,
    "strip": str.strip,
    "title": str.title,
    "upper": str.upper,
    "nospaces": lambda key: key.replace(" ", ""),
    "nounderscores": lambda key: key.replace("_", ""),
    "nodashes": lambda key: key.replace("-", ""),
}


class Fault:
    """What came instead of a value: the error is raised when a policy asks for that row."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class Column:
    """One value a row. A value that could not be had is a fault of its row alone."""

    __slots__ = ("cells", "faulty")

    def __init__(self, cells: list[Any], *, faulty: bool) -> None:
        self.cells = cells
        self.faulty = faulty

    @classmethod
    def made(cls, values: Sequence[Any], make: Callable[[Any], Any]) -> "Column":
        """A column by a function of each value."""
        try:
            return cls([make(value) for value in values], faulty=False)
        # Whatever it is, each row is asked for itself, and a row without a value keeps its own.
        except Exception:
            return cls([_guarded(make, value) for value in values], faulty=True)

    @classmethod
    def made_from(cls, cells: Sequence[Any], make: Callable[[Any], Any]) -> "Column":
        """A column by a function of another's cells, whose faults stay."""
        if any(isinstance(cell, Fault) for cell in cells):
            return cls([_guarded(make, cell) for cell in cells], faulty=True)
        return cls.made(cells, make)

    def at(self, rows: Sequence[int]) -> list[Any]:
        """The cells; rows that are asked for have no fault in them.

        Raises:
            Exception: the first fault of the rows.
        """
        if self.faulty:
            for row in rows:
                if isinstance(self.cells[row], Fault):
                    raise self.cells[row].error
        return self.cells


def _guarded(make: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, Fault):
        return value
    try:
        return make(value)
    # As in Cloud Custodian: what a filter raises counts where the filter gets to that resource.
    except Exception as error:
        return Fault(error)


def finder(key: Key) -> Callable[[Document], Any]:
    """What a key finds in a document."""
    find = _tag_finder(key) if key.path.startswith(TAG) else path_finder(key.path, literal=True)
    if key.capture is None:
        return find
    return _captured(find, key.capture)


def path_finder(path: str, *, literal: bool) -> Callable[[Document], Any]:
    """What a path finds; `literal` tries it first as the name of a member."""
    if _PLAIN.fullmatch(path) and "." not in path:
        return lambda document: document.get(path)
    find = _expression_finder(path)
    if not literal:
        return find
    return lambda document: document[path] if path in document else find(document)


def _expression_finder(path: str) -> Callable[[Document], Any]:
    """JMESPath; its most frequent forms without its interpreter."""
    if _PLAIN.fullmatch(path):
        return _walk(path.split("."))
    measured = _MEASURED.fullmatch(path)
    if measured is not None:
        return _length(path, measured["of"])
    projected = _PROJECTED.fullmatch(path)
    if projected is not None:
        return _projection(projected["list"], projected["of"])
    parsed = compile_path(path)
    return lambda document: search(parsed, document)


def _walk(parts: Sequence[str]) -> Callable[[Document], Any]:
    def find(document: Document) -> Any:
        found: Any = document
        for part in parts:
            if not isinstance(found, dict):
                return None
            found = found.get(part)
        return found

    return find


def _length(path: str, of: str) -> Callable[[Document], Any]:
    """JMESPath's length of what a path finds; it says itself why something has none."""
    find, parsed = path_finder(of, literal=False), compile_path(path)

    def look(document: Document) -> Any:
        found = find(document)
        if isinstance(found, str | list | dict):
            return len(found)
        return search(parsed, document)

    return look


def _projection(of_list: str, of_item: str | None) -> Callable[[Document], Any]:
    """JMESPath's flattening, with what a path finds in each item; what is null is left out."""
    find_list = path_finder(of_list, literal=False)
    find = None if of_item is None else path_finder(of_item, literal=False)

    def look(document: Document) -> Any:
        items = find_list(document)
        if not isinstance(items, list):
            return None
        flat: list[Any] = []
        for item in items:
            if isinstance(item, list):
                flat += item
            else:
                flat.append(item)
        if find is not None:
            flat = [find(item) if isinstance(item, dict) else None for item in flat]
        return [item for item in flat if item is not None]

    return look


def _captured(find: Callable[[Document], Any], capture: SafePattern) -> Callable[[Document], Any]:
    def look(document: Document) -> Any:
        found = find(document)
        if not isinstance(found, str):
            return None
        match = capture.match(found)
        return None if match is None else match.group(1)

    return look


def is_plain_tag(key: Key) -> bool:
    """Whether a key is a tag's as it stands, so that `tags_of` answers it."""
    return key.path.startswith(TAG) and not key.tag_transforms and key.capture is None


def tags_of(document: Document) -> Mapping[str, Any] | None:
    """A document's tags by key; None where one of them is not as tags are."""
    try:
        if "Tags" in document:
            # Of two with one key the first counts.
            return {tag.get("Key"): tag.get("Value") for tag in reversed(document["Tags"])}
        if "labels" in document:
            found = document["labels"]
        else:
            found = (document["tags"] or {}) if "tags" in document else {}
    except (AttributeError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _tag_finder(key: Key) -> Callable[[Document], Any]:
    """A tag's value, where AWS (Tags), GCP (labels) and Azure (tags) keep it."""
    wanted = key.path.removeprefix(TAG)
    if key.tag_transforms:
        transforms = [_TRANSFORMS[name] for name in key.tag_transforms]

        def changed(name: str) -> str:
            return reduce(lambda text, change: change(text), transforms, name)

        in_list, in_object = _changed_list_finder(changed), _changed_object_finder(changed)
    else:
        in_list, in_object = _in_list, _in_object

    def find(document: Document) -> Any:
        if "Tags" in document:
            return in_list(document["Tags"], wanted)
        if "labels" in document:
            return in_object(document["labels"], wanted)
        return in_object(document["tags"] or {}, wanted) if "tags" in document else None

    return find


def _in_list(tags: Any, wanted: str) -> Any:
    for tag in tags:
        if tag.get("Key") == wanted:
            return tag.get("Value")
    return None


def _in_object(tags: Any, wanted: str) -> Any:
    return tags.get(wanted)


def _changed_list_finder(changed: Callable[[str], str]) -> Callable[[Any, str], Any]:
    def find(tags: Any, wanted: str) -> Any:
        found = None
        for tag in tags:
            try:
                name, value = changed(tag["Key"]), tag["Value"]
            except (AttributeError, KeyError):
                continue
            if name == wanted and found is None:
                found = value
        return found

    return find


def _changed_object_finder(changed: Callable[[str], str]) -> Callable[[Any, str], Any]:
    return lambda tags, wanted: {changed(name): tags[name] for name in tags.keys()}.get(wanted)  # noqa: SIM118 - a list is an error


def _integer(value: Any) -> int:
    try:
        return int(str(value).strip())
    except ValueError:
        return 0


def _float(value: Any) -> float:
    try:
        return float(str(value).strip())
    except ValueError:
        return 0.0


def _size(value: Any) -> int:
    try:
        return len(value)
    except TypeError:
        return 0


def _unique_size(value: Any) -> int:
    try:
        return len(set(value))
    except TypeError:
        return 0


def _prefix_length(value: Any) -> int:
    network = read_address(value)
    if network is None:
        return 0
    length: int = network.prefixlen
    return length


def _moment_or_zero(value: Any) -> Any:
    return read_time(value) or 0


CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "integer": _integer,
    "float": _float,
    "size": _size,
    "unique_size": _unique_size,
    "normalize": lambda value: value.strip().lower() if isinstance(value, str) else value,
    "date": read_time,
    "age": _moment_or_zero,
    "expiration": _moment_or_zero,
    "cidr": read_address,
    "cidr_size": _prefix_length,
    "version": Version,
}
