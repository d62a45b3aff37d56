"""What a recovery plan may be: held by the API, the command line, the executor and drills alike.

Pure. Belongs here: what can be judged from the warehouse alone. Does not belong here: what only the
target cluster knows (`oco_pipelines.resilience.preview`).
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from oco_warehouse.errors import ConflictError, InvalidInputError

RESOURCE_POLICIES: Final = ("none", "update")
STATUSES: Final = (
    "pending",
    "approved",
    "executing",
    "completed",
    "partially_failed",
    "failed",
    "cancelled",
)
ENDED: Final = frozenset({"completed", "partially_failed", "failed", "cancelled"})
MOST_NAMESPACES: Final = 100
# Namespaces that a cluster lives by; nobody restores into them.
SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease", "velero"})
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class RecoveryRequest:
    """What somebody wants to have restored.

    Attributes:
        backup_id: row in oco.backup_records.
        target_cluster: kubeconfig context.
        namespaces: of the backup.
        namespace_mapping: {namespace in the backup: namespace in the target}; others keep theirs.
        existing_resource_policy: none skips what exists, update overwrites it.
    """

    backup_id: str
    target_cluster: str
    namespaces: tuple[str, ...]
    namespace_mapping: Mapping[str, str] = field(default_factory=dict)
    existing_resource_policy: str = "none"

    @property
    def targets(self) -> dict[str, str]:
        """{namespace in the backup: namespace in the target}, for every namespace."""
        return {name: self.namespace_mapping.get(name, name) for name in self.namespaces}


@dataclass(frozen=True, slots=True)
class Known:
    """What the warehouse knows about a request.

    Attributes:
        record: row of oco.backup_records.
        protected: (cluster, namespaces) of the protected policies.
        clusters: those that a plan may name.
        now: aware.
    """

    record: Mapping[str, Any]
    protected: Sequence[tuple[str, Sequence[str]]]
    clusters: Collection[str]
    now: datetime


def check_request(request: RecoveryRequest, known: Known) -> None:
    """Refuse a plan that could only fail or do harm.

    Raises:
        InvalidInputError: one line that says all that is wrong.
    """
    found = [
        *_shape_problems(request),
        *record_problems(
            known.record, known.now, elsewhere=request.target_cluster != known.record["cluster"]
        ),
        *_content_problems(request, known.record),
        *protection_problems(request.target_cluster, request.targets.values(), known.protected),
    ]
    if request.target_cluster not in known.clusters:
        names = ", ".join(sorted(known.clusters)) or "none"
        found.append(f"target cluster {request.target_cluster!r} is unknown; known are: {names}")
    if found:
        raise InvalidInputError("; ".join(found))


def record_problems(record: Mapping[str, Any], now: datetime, *, elsewhere: bool) -> Iterator[str]:
    """Why a backup cannot be restored from, as far as the warehouse knows.

    Args:
        record: columns of its row in oco.backup_records.
        now: aware.
        elsewhere: whether the target is another cluster than the one it is of. That one reads it
            from a storage location of its own: what the first cluster can reach does not matter.
    """
    name, good = record["backup_name"], record["usable"] or (elsewhere and record["sound"])
    if record["vanished_at"] is not None:
        yield f"backup {name!r} is gone from its cluster"
    elif not good:
        yield f"backup {name!r} is not usable: {record['usable_reason'] or 'it was not judged yet'}"
    elif record["expires_at"] is not None and record["expires_at"] <= now:
        yield f"backup {name!r} has expired"


def protection_problems(
    cluster: str, targets: Collection[str], protected: Sequence[tuple[str, Sequence[str]]]
) -> Iterator[str]:
    """Which of the namespaces nobody may restore into."""
    for target in dict.fromkeys(targets):
        if target in SYSTEM_NAMESPACES:
            yield f"namespace {target!r} is the cluster's own: restores into it are refused"
        elif any(home == cluster and _covers(names, target) for home, names in protected):
            yield (
                f"namespace {target!r} of cluster {cluster!r} is protected: restores into it are "
                "refused"
            )


def wants_approval(plan: Mapping[str, Any]) -> bool:
    """Whether a plan is still to be approved; False when it was approved already.

    Raises:
        ConflictError: when it has no preview yet, or has ended.
    """
    status, name = plan["status"], f"recovery plan {plan['id']}"
    if status in {"approved", "executing"}:
        return False
    if status != "pending":
        raise ConflictError(f"{name} is {status} already")
    if plan["previewed_at"] is None:
        waits = f": {plan['waiting_for']}" if plan["waiting_for"] else ""
        raise ConflictError(f"{name} has no preview yet{waits}")
    return True


def wants_cancelling(plan: Mapping[str, Any]) -> bool:
    """Whether a plan is still to be cancelled; False when it was cancelled already.

    Raises:
        ConflictError: when it is executing or has ended.
    """
    status = plan["status"]
    if status not in {"pending", "approved", "cancelled"}:
        raise ConflictError(
            f"recovery plan {plan['id']} is {status}: a restore cannot be called back"
        )
    return bool(status != "cancelled")


def wants_execution(plan: Mapping[str, Any]) -> bool:
    """Whether the execution of a plan is still to be asked for; False when it was already.

    Raises:
        ConflictError: when it is not approved, failed or was cancelled.
    """
    status, name = plan["status"], f"recovery plan {plan['id']}"
    if status == "pending":
        raise ConflictError(f"{name} is not approved")
    if status in {"failed", "cancelled"}:
        raise ConflictError(f"{name} is {status} already")
    return plan["execution_requested_at"] is None and status == "approved"


def _covers(names: Sequence[str], namespace: str) -> bool:
    return namespace in names or "*" in names


def _shape_problems(request: RecoveryRequest) -> Iterator[str]:
    names, mapping = request.namespaces, request.namespace_mapping
    if not 0 < len(names) <= MOST_NAMESPACES:
        yield f"namespaces must name from 1 to {MOST_NAMESPACES} namespaces"
    if len(set(names)) != len(names):
        yield "namespaces names one twice"
    for name in sorted({*names, *mapping, *mapping.values()}):
        if not _NAMESPACE.fullmatch(name):
            yield f"{name[:80]!r} is not a namespace's name"
    for name in sorted(set(mapping) - set(names)):
        yield f"namespace_mapping maps {name[:80]!r}, which namespaces does not name"
    targets = list(request.targets.values())
    for target in sorted({one for one in targets if targets.count(one) > 1}):
        yield f"two namespaces would be restored into {target!r}"
    if request.existing_resource_policy not in RESOURCE_POLICIES:
        yield f"existing_resource_policy must be one of {', '.join(RESOURCE_POLICIES)}"


def _content_problems(request: RecoveryRequest, record: Mapping[str, Any]) -> Iterator[str]:
    held = record["namespaces"]
    # A backup that names no namespaces holds all of them.
    if held and "*" not in held:
        for name in request.namespaces:
            if name not in held:
                yield f"backup {record['backup_name']!r} does not hold namespace {name[:80]!r}"
