"""The vocabulary of `oco.resources.facts`: what rules read of a resource, whatever its provider.

What is not known has no key: a rule that needs it then makes no claim. Pure.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

FACTS: Final[Mapping[str, type | tuple[type, ...]]] = {
    # Only as false: its tags could not be read, and never were. No policy about tags judges it.
    "tags_known": bool,
    "created_at": str,
    # Of a machine whose cloud does not say: since a listing first saw it so.
    "stopped_since": str,
    "attached": bool,
    # Since a listing first saw it so: no cloud tells that.
    "unattached_since": str,
    "attached_to": str,
    "volume_ids": list,
    "size_gib": (int, float),
    "vcpu": (int, float),
    "memory_gib": (int, float),
    "source_id": str,
    "source_exists": bool,
    "in_use": bool,
    "family": str,
    "generation": (int, str),
    "engine": str,
    "multi_az": bool,
    "public": bool,
    "encrypted": bool,
    "interruptible": bool,
    "autoscaling_group": str,
    "storage_class": str,
    "targets": int,
}
_AWS_TYPE: Final = re.compile(
    r"(?:db\.|cache\.)?([a-z]+(?:-\d+tb\d?)?)(\d+)?([a-z0-9-]*)\.[a-z0-9-]+"
)
_AZURE_SIZE: Final = re.compile(
    r"(?:Standard|Basic)_([A-Z]+)\d+[a-z0-9-]*(?:_[A-Z]\d+)?(?:_v(\d+))?"
)
_GCP_TYPE: Final = re.compile(r"([a-z]+)(\d+)([a-z]?)-[a-z]+[a-z0-9-]*")


def known(**facts: Any) -> dict[str, Any]:
    """The facts that are known: those that are None are left out.

    Raises:
        ValueError: when a fact is none of the vocabulary, or of another type; a mistake of ours.
    """
    kept = {name: value for name, value in facts.items() if value is not None}
    for name, value in kept.items():
        wanted = FACTS.get(name)
        if wanted is None or not isinstance(value, wanted):
            raise ValueError(f"{name}={value!r} is no fact")
    return kept


def moment(value: object) -> str | None:
    """A time as ISO text in UTC: of a datetime, or of the text that an API gives."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat()


def aws_family(size: str | None) -> tuple[str | None, int | None]:
    """("m6i", 6) of m6i.2xlarge, db.m6i.large and cache.m6i.large."""
    match = _AWS_TYPE.fullmatch(size or "")
    if match is None or match[2] is None:
        return None, None
    return f"{match[1]}{match[2]}{match[3]}", int(match[2])


def azure_family(size: str | None) -> tuple[str | None, int | None]:
    """("D", 5) of Standard_D8s_v5; a size without a version is of the first."""
    match = _AZURE_SIZE.fullmatch(size or "")
    return (match[1], int(match[2] or 1)) if match else (None, None)


def gcp_family(size: str | None) -> tuple[str | None, int | None]:
    """("n2", 2) of n2-standard-16."""
    match = _GCP_TYPE.fullmatch(size or "")
    return (f"{match[1]}{match[2]}{match[3]}", int(match[2])) if match else (None, None)
