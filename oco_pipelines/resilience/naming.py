"""Names and labels of the objects that we make. Pure: the same input gives the same name."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Final

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
OWNER: Final = "opencloudops"
POLICY_LABEL: Final = "opencloudops.io/policy"
DUE_LABEL: Final = "opencloudops.io/due"
PLAN_LABEL: Final = "opencloudops.io/plan"
POLICY_ANNOTATION: Final = "opencloudops.io/policy-name"

LONGEST_LABEL: Final = 63
_HASH: Final = 8
_STAMP: Final = "%Y%m%d%H%M%S"
_FOREIGN: Final = re.compile(r"[^a-z0-9]+")


def slug(text: str, length: int = LONGEST_LABEL) -> str:
    """`text` as a DNS label of at most `length`; a hash keeps changed or cut names apart."""
    plain = _FOREIGN.sub("-", text.lower()).strip("-")
    if plain == text and len(plain) <= length:
        return plain
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH]
    kept = plain[: length - _HASH - 1].strip("-")
    return f"{kept}-{digest}" if kept else digest


def backup_name(policy: str, due_at: datetime, attempt: int = 1) -> str:
    """Name of the backup of a policy for a due time: at most 63 characters.

    Args:
        policy: name of the policy.
        due_at: aware; it counts to the second.
        attempt: from 1; a later attempt gets a name of its own.
    """
    ending = stamp(due_at) + (f"-{attempt}" if attempt > 1 else "")
    return f"{slug(policy, LONGEST_LABEL - len(ending) - 1)}-{ending}"


def restore_name(plan_id: str) -> str:
    """Name of the one Restore of a recovery plan."""
    return f"oco-restore-{slug(plan_id, LONGEST_LABEL - len('oco-restore-'))}"


def stamp(at: datetime) -> str:
    """A time as 14 figures in UTC, to the second."""
    return at.astimezone(UTC).strftime(_STAMP)
