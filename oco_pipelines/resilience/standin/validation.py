"""What Velero's controllers refuse of an object that the API server has let in. Pure."""

from typing import Final

from croniter import croniter

from oco_pipelines.resilience.standin.resources import Json

_POLICIES: Final = frozenset({"", "none", "update"})


def backup_problems(spec: Json) -> list[str]:
    """What is wrong with the spec of a backup, its storage location aside."""
    found = _overlaps(spec)
    if spec.get("labelSelector") and spec.get("orLabelSelectors"):
        found.append(
            "encountered labelSelector as well as orLabelSelectors in backup spec, only one can be "
            "specified"
        )
    return found


def restore_problems(spec: Json) -> list[str]:
    """What is wrong with the spec of a restore, its backup aside."""
    found = _overlaps(spec)
    if bool(spec.get("backupName")) == bool(spec.get("scheduleName")):
        found.append(
            "Either a backup or schedule must be specified as a source for the restore, but not "
            "both"
        )
    policy = spec.get("existingResourcePolicy") or ""
    if policy not in _POLICIES:
        found.append(f"Invalid ExistingResourcePolicy: {policy}")
    return found


def schedule_problems(spec: Json) -> list[str]:
    """What is wrong with the spec of a schedule."""
    text = spec.get("schedule") or ""
    if text.startswith("@every ") or croniter.is_valid(text):
        return []
    return [f"invalid schedule: expected exactly 5 fields, found {len(text.split())}: [{text}]"]


def _overlaps(spec: Json) -> list[str]:
    found = []
    for what, includes, excludes in (
        ("namespace", "includedNamespaces", "excludedNamespaces"),
        ("resource", "includedResources", "excludedResources"),
    ):
        both = set(spec.get(includes) or []) & (set(spec.get(excludes) or []) - {"*"})
        found += [
            f"Invalid included/excluded {what} lists: excludes list cannot contain an item in the "
            f"includes list: {name}"
            for name in sorted(both)
        ]
    return found
