"""Structural schemas, as custom resource definitions have them: what they refuse and drop.

Pure. Knows the part of OpenAPI that Velero's definitions use, and nothing of Velero.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

Json = dict[str, Any]

STRING: Final[Json] = {"type": "string"}
BOOLEAN: Final[Json] = {"type": "boolean"}
INTEGER: Final[Json] = {"type": "integer"}
TIME: Final[Json] = {"type": "string", "format": "date-time", "nullable": True}
# Kept as it is, whatever it holds.
ANY: Final[Json] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "object": dict,
    "array": list,
}
_LABEL: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
LONGEST_LABEL: Final = 63
LONGEST_NAME: Final = 253


def shape(*required: str, **properties: Json) -> Json:
    """An object with these members and no others."""
    return {"type": "object", "required": list(required), "properties": properties}


def listed(item: Json) -> Json:
    """An array; a null counts as left out, as in Velero's definitions."""
    return {"type": "array", "items": item, "nullable": True}


def mapped(value: Json) -> Json:
    """An object with any names."""
    return {"type": "object", "additionalProperties": value, "nullable": True}


def one_of(*values: str) -> Json:
    """A text out of a few."""
    return {"type": "string", "enum": list(values)}


def unknown_paths(schema: Json, value: object, path: str = "") -> list[str]:
    """Paths of members that the schema does not know."""
    return [where for where, _, _ in _strangers(schema, value, path)]


def prune(schema: Json, value: object) -> None:
    """Drop unknown members, as an API server does when nobody asked it to be strict."""
    for _, home, name in list(_strangers(schema, value, "")):
        del home[name]


def problems(schema: Json, value: object, path: str = "") -> Iterator[str]:
    """What the schema refuses, a line each."""
    if value is None and schema.get("nullable"):
        return
    kind: str = schema["type"]
    wrong = not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool))
    if wrong:
        yield f"{path}: Invalid value: must be of type {kind}"
    elif "enum" in schema and value not in schema["enum"]:
        known = ", ".join(f'"{one}"' for one in schema["enum"])
        yield f'{path}: Unsupported value: "{value}": supported values: {known}'
    elif schema.get("format") == "date-time" and not _is_time(str(value)):
        yield f"{path}: Invalid value: must be a date-time"
    elif isinstance(value, dict):
        yield from _member_problems(schema, value, path)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from problems(schema["items"], item, f"{path}[{number}]")


def _member_problems(schema: Json, value: Json, path: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield f"{_join(path, name)}: Required value"
    for name, member in value.items():
        inner = _member(schema, name)
        # The API server leaves out a null of a member that has no null.
        if inner is not None and member is not None:
            yield from problems(inner, member, _join(path, name))


def metadata_problems(metadata: Json) -> Iterator[str]:
    """What every API server refuses of names and labels, a line each."""
    name = str(metadata.get("name") or metadata.get("generateName") or "")
    if not name:
        yield "metadata.name: Required value: name or generateName is required"
    elif len(name) > LONGEST_NAME or not _NAME.fullmatch(name.rstrip("-")):
        yield f'metadata.name: Invalid value: "{name[:80]}": must be a lowercase RFC 1123 subdomain'
    for key, value in (metadata.get("labels") or {}).items():
        short = str(key).rpartition("/")[2]
        if not short or len(short) > LONGEST_LABEL or not _LABEL.fullmatch(short):
            yield f'metadata.labels: Invalid value: "{key}": name part must be a label'
        if not isinstance(value, str):
            yield f"metadata.labels: Invalid value: {value!r} of {key} must be a string"
        elif len(value) > LONGEST_LABEL:
            yield (
                f'metadata.labels: Invalid value: "{value}": '
                f"must have at most {LONGEST_LABEL} characters"
            )
        elif not _LABEL.fullmatch(value):
            yield f'metadata.labels: Invalid value: "{value}": a valid label is needed'


def _strangers(schema: Json, value: object, path: str) -> Iterator[tuple[str, Json, str]]:
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from _strangers(schema["items"], item, f"{path}[{number}]")
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    for name, member in value.items():
        inner = _member(schema, name)
        if inner is None:
            yield _join(path, name), value, name
        else:
            yield from _strangers(inner, member, _join(path, name))


def _member(schema: Json, name: str) -> Json | None:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return None
    found: Json | None = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
    return found


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
