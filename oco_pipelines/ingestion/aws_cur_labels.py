"""Tags, cost categories and product attributes of an AWS report, whichever form they have. Pure.

`resourceTags/user:env`, `resource_tags_user_env` and the map `{"user_env": …}` are the same tag.
A tag of the customer loses its prefix `user:`; one of AWS keeps `aws:`. Cost categories stand among
the tags as `cost_category:NAME`. What a form cannot say stays lost: Athena's spelling writes
`CostCenter` as `cost_center`.
"""

import json
from collections.abc import Callable, Iterable
from typing import Final

import polars as pl

from oco_pipelines.ingestion.focus_values import read_object
from oco_warehouse.errors import InvalidInputError

_OF_CUSTOMER: Final = ("user:", "user_")
_OF_AWS: Final = ("aws:", "aws_")
Values = tuple[str | None, ...]


def tag_key(key: str) -> str:
    """`user:env` and `user_env` → `env`; `aws_created_by` → `aws:created_by`."""
    for prefix in _OF_CUSTOMER:
        if key.startswith(prefix) and len(key) > len(prefix):
            return key.removeprefix(prefix)
    for prefix in _OF_AWS:
        if key.startswith(prefix):
            return "aws:" + key.removeprefix(prefix)
    return key


def category_key(key: str) -> str:
    """`Team` → `cost_category:Team`."""
    return f"cost_category:{key}"


def labels(
    frame: pl.DataFrame,
    families: Iterable[tuple[dict[str, str], str | None, Callable[[str], str]]],
) -> pl.Series:
    """One JSON object a row, of all families; null where a row has none.

    Args:
        frame: the file's own columns.
        families: ({key: column}, column of a map, how a key is written).
    """
    parts: list[tuple[str, str | None, Callable[[str], str]]] = []
    for columns, map_name, write in families:
        parts += [(name, key, write) for key, name in columns.items()]
        parts += [(map_name, None, write)] if map_name is not None else []
    if not parts:
        return pl.Series([None] * frame.height, dtype=pl.String)
    # Combinations repeat a lot within a file: each is written once.
    written: dict[Values, str | None] = {}
    texts = []
    for values in frame.select(name for name, _, _ in parts).rows():
        if values not in written:
            written[values] = _object(
                [(value, key, write) for value, (_, key, write) in zip(values, parts, strict=True)]
            )
        texts.append(written[values])
    return pl.Series(texts, dtype=pl.String)


def attribute(maps: pl.Series, key: str) -> pl.Series:
    """One value out of each map; null where it is not there or the map cannot be read."""
    known = {text: _pairs(text).get(key) or None for text in maps.unique() if text is not None}
    return pl.Series(
        [None if text is None else known[text] for text in maps.to_list()], dtype=pl.String
    )


def _object(parts: list[tuple[str | None, str | None, Callable[[str], str]]]) -> str | None:
    found: dict[str, str] = {}
    for value, key, write in parts:
        if value is None:
            continue
        try:
            pairs = {key: value} if key is not None else _pairs(value, strict=True)
        except InvalidInputError:
            return value  # so that the row is rejected, and the reason shows it
        for name, text in pairs.items():
            if text:
                # Two keys that become one: the second keeps its prefix, and neither is lost.
                short = write(name)
                found[name if short in found else short] = text
    return json.dumps(found, sort_keys=True, ensure_ascii=False) if found else None


def _pairs(text: str, *, strict: bool = False) -> dict[str, str]:
    try:
        pairs: dict[str, str] = json.loads(read_object(text))
    except InvalidInputError:
        if strict:
            raise
        return {}
    return pairs
