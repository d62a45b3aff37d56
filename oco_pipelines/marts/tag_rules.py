"""Which tags mean the same across providers: a file, and `oco.tag_rules` that dbt reads."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oco_warehouse.database import Warehouse, copy_rows
from oco_warehouse.errors import InvalidFileError

CANONICAL: Final = ("team", "environment", "cost_center", "application")
_PREFIX: Final = re.compile(r"^(user:|project:|tag:[^/]*/)")
_JOINTS: Final = re.compile(r"[ _-]+")


@dataclass(frozen=True, slots=True)
class TagRules:
    """Rules as rows.

    Attributes:
        keys: (canonical, alias, position); of several tags of a charge the lowest position wins.
        values: (canonical, alias, value).
    """

    keys: tuple[tuple[str, str, int], ...]
    values: tuple[tuple[str, str, str], ...]


def compared(key: str) -> str:
    """A tag's key as it is compared: `user:Owner-Team` → `owner_team`; dbt does the same."""
    return _JOINTS.sub("_", _PREFIX.sub("", key.strip().lower()))


def read_tag_rules(name: str, text: str) -> TagRules:
    """Rules of a TOML file with `[keys]` and, for each canonical tag, `[values.TAG]`.

    Raises:
        InvalidFileError: one line naming the file, the place and what is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidFileError(f"{name}: no TOML: {error}") from None
    unknown = document.keys() - {"keys", "values"}
    if unknown or "keys" not in document:
        raise InvalidFileError(
            f"{name}: must have [keys] and may have [values.TAG]"
            + (f"; {min(unknown)!r} is neither" if unknown else "")
        )
    keys: dict[str, tuple[str, str, int]] = {}
    for tag, _, aliases in _lists(name, "keys", {"": document["keys"]}):
        for position, alias in enumerate(aliases, 1):
            key = compared(alias)
            if not key:
                raise InvalidFileError(f"{name}: keys.{tag}: {alias!r} is no key of a tag")
            if key in keys:
                raise InvalidFileError(
                    f"{name}: keys.{tag}: {alias!r} stands under {keys[key][0]} already; "
                    "case, prefix and separator are no matter"
                )
            keys[key] = (tag, key, position)
    values: dict[tuple[str, str], tuple[str, str, str]] = {}
    for value, tag, aliases in _lists(name, "values", document.get("values", {})):
        for alias in (value, *aliases):
            text_of = alias.strip().lower()
            found = values.setdefault((tag, text_of), (tag, text_of, value))
            if not text_of or found[2] != value:
                raise InvalidFileError(
                    f"{name}: values.{tag}.{value}: {alias!r} is empty or "
                    "stands under another value"
                )
    return TagRules(tuple(keys.values()), tuple(values.values()))


def _lists(name: str, where: str, tables: Any) -> Iterator[tuple[str, str, list[str]]]:
    """(key, table, texts) of tables of lists of texts; keys or tables are canonical tags."""
    for table, entries in tables.items() if isinstance(tables, dict) else [(where, None)]:
        if not isinstance(entries, dict):
            raise InvalidFileError(f"{name}: {where} must be a table of lists of texts")
        for key, texts in entries.items():
            tag = table or key
            if tag not in CANONICAL:
                raise InvalidFileError(
                    f"{name}: {where}.{tag} is unknown: use {', '.join(CANONICAL)}"
                )
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise InvalidFileError(f"{name}: {where}.{tag}: {key} must be a list of texts")
            yield key, table, texts


def import_tag_rules(warehouse: Warehouse, path: Path) -> TagRules:
    """Put a file's rules in the place of all that were there, or change nothing.

    Raises:
        InvalidFileError: when the file cannot be read.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text in UTF-8"
        raise InvalidFileError(f"{path}: cannot be read ({reason})") from None
    rules = read_tag_rules(path.name, text)
    with warehouse.transaction() as connection:
        connection.execute("DELETE FROM oco.tag_rules")
        connection.execute("DELETE FROM oco.tag_values")
        copy_rows(connection, "oco.tag_rules", ("canonical", "alias", "position"), rules.keys)
        copy_rows(connection, "oco.tag_values", ("canonical", "alias", "value"), rules.values)
    return rules


def tag_rules_toml(warehouse: Warehouse) -> str:
    """The rules that hold, as a file that `read_tag_rules` reads."""
    keys = warehouse.query(
        "SELECT canonical, array_agg(alias ORDER BY position) AS aliases FROM oco.tag_rules "
        "GROUP BY canonical ORDER BY canonical"
    )
    values = warehouse.query(
        "SELECT canonical, value, array_agg(alias ORDER BY alias) AS aliases FROM oco.tag_values "
        "GROUP BY canonical, value ORDER BY canonical, value"
    )
    lines = ["[keys]", *(f"{row['canonical']} = {_toml(row['aliases'])}" for row in keys)]
    table = ""
    for row in values:
        if row["canonical"] != table:
            table = row["canonical"]
            lines += ["", f"[values.{table}]"]
        lines.append(f"{_quoted(row['value'])} = {_toml(row['aliases'])}")
    return "\n".join(lines) + "\n"


def _toml(texts: list[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    # TOML's basic strings take \\uXXXX for what must not stand in them.
    return '"' + re.sub(r'["\\\x00-\x1f\x7f]', lambda m: f"\\u{ord(m[0]):04x}", text) + '"'
