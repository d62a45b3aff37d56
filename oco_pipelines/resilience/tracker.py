"""Taking a policy's backup and following all backups of a cluster to their end."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from oco_pipelines.resilience import naming, store
from oco_pipelines.resilience.backup import build_backup, create_backup, read_backup
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, LOCATIONS, KubernetesGateway
from oco_pipelines.resilience.phases import FAILED, has_ended
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.usable import BackupState, why_unusable
from oco_warehouse.database import Warehouse

MOST_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was created or adopted; `record_id` is its row in oco.backup_records."""

    name: str
    record_id: str
    adopted: bool


def take_backup(
    warehouse: Warehouse, gateway: KubernetesGateway, policy: DrPolicy, due_at: datetime | None
) -> Taken:
    """Take one backup of a policy; a repeat for the same due time adopts the one that is there.

    A due time whose backup failed gets a new attempt under a new name, at most MOST_ATTEMPTS.

    Args:
        warehouse: keeps the record.
        gateway: reaches the cluster.
        policy: what to back up.
        due_at: the scheduled time; None takes one now, outside the schedule.

    Raises:
        ConflictError: when the name belongs to somebody else.
        InvalidInputError: when Velero's schema refuses the policy's options.
        UpstreamError: when the cluster refuses or does not answer.
    """
    now = datetime.now(UTC)
    attempt = 1
    if due_at is not None:
        last, phase = store.last_attempt(warehouse, policy.id, due_at)
        attempt = last + 1 if may_try_again(last, phase) else max(last, 1)
    name = naming.backup_name(policy.name, due_at or now, attempt)
    missing = tuple(
        namespace
        for namespace in policy.namespaces
        if namespace != "*" and not gateway.namespace_exists(policy.cluster, namespace)
    )
    store.plan_backup(warehouse, policy, name, due_at, now, attempt)
    body, adopted = create_backup(gateway, policy, build_backup(policy, name, due_at, missing))
    state = read_backup(policy.cluster, body)
    # Whether it is usable is judged by the tracker, which knows the locations.
    problem = f"phase is {state.phase}, not yet judged"
    record_id = store.keep_state(warehouse, state, problem, datetime.now(UTC))
    if due_at is not None:
        store.mark_handled(warehouse, policy.id, due_at)
    return Taken(name, record_id, adopted)


def may_try_again(attempt: int, phase: str) -> bool:
    """Whether a due time whose last attempt is in `phase` gets another one. Pure."""
    return phase in FAILED and attempt < MOST_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Tracked:
    """What one look at a cluster found, in numbers of backups."""

    seen: int
    usable: int
    unfinished: int
    vanished: int


def track(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: str, policies: list[DrPolicy]
) -> Tracked:
    """List a cluster's backups once and write what changed.

    Raises:
        UpstreamError: when the cluster refuses or does not answer; nothing is written then.
    """
    wanted = {policy.id: policy.namespaces for policy in policies if policy.cluster == cluster}
    available = available_locations(gateway, cluster)
    now = datetime.now(UTC)
    judged: list[tuple[BackupState, str]] = []
    for body in gateway.list_velero(cluster, BACKUPS):
        state = read_backup(cluster, body)
        expected = wanted.get(state.labels.get(naming.POLICY_LABEL, ""), ())
        judged.append((state, why_unusable(state, expected, available, now)))
    vanished = store.keep_states(warehouse, cluster, judged, now)
    return Tracked(
        seen=len(judged),
        usable=sum(not problem for _, problem in judged),
        unfinished=sum(not has_ended(state.phase) for state, _ in judged),
        vanished=vanished,
    )


def follow(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: str,
    policies: list[DrPolicy],
    *,
    wait_seconds: float,
    pause_seconds: float = 1.0,
) -> Tracked:
    """Track until every backup of the cluster has ended, at most `wait_seconds`.

    Raises:
        UpstreamError: when the cluster refuses or does not answer.
    """
    end = time.monotonic() + wait_seconds
    while True:
        tracked = track(warehouse, gateway, cluster, policies)
        if not tracked.unfinished or time.monotonic() + pause_seconds > end:
            return tracked
        time.sleep(pause_seconds)


def available_locations(gateway: KubernetesGateway, cluster: str) -> frozenset[str]:
    """Storage locations of a cluster that are Available; an empty phase counts as not.

    Raises:
        UpstreamError: when the cluster refuses or does not answer.
    """
    return frozenset(
        body["metadata"]["name"]
        for body in gateway.list_velero(cluster, LOCATIONS)
        if (body.get("status") or {}).get("phase") == "Available"
    )
