"""Taking a policy's backup and following all backups of a cluster to their end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from oco_pipelines.kubernetes_lists import Json
from oco_pipelines.resilience import keeper, naming, store, velero_store
from oco_pipelines.resilience.backup import build_backup, create_backup, read_backup
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, LOCATIONS, MOVED, KubernetesGateway
from oco_pipelines.resilience.phases import AVAILABLE, FAILED, Kind, has_ended, is_known
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.usable import why_unsound, why_unusable
from oco_pipelines.resilience.velero_objects import (
    PLURALS,
    deletes,
    failed_deletion,
    read_object,
)
from oco_warehouse.database import Warehouse, lock
from oco_warehouse.dr_rules import EVERYTHING
from oco_warehouse.errors import InvalidInputError, NotFoundError, UpstreamError

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
    present = gateway.namespace_labels(policy.cluster)
    namespaces = wanted_namespaces(policy, present)
    missing = missing_namespaces(namespaces, present)
    planned = store.Planned(policy, name, due_at, attempt, namespaces)
    [name] = store.plan_backups(warehouse, [planned], now)
    wanted = build_backup(policy, name, due_at, missing, namespaces)
    body, adopted = create_backup(gateway, policy, wanted)
    state = read_backup(policy.cluster, body)
    # Whether it is usable is judged by the tracker, which knows the locations.
    problem = f"phase is {state.phase}, not yet judged"
    record_id = store.keep_state(warehouse, state, problem, datetime.now(UTC))
    if due_at is not None:
        store.mark_handled(warehouse, policy.id, due_at)
    return Taken(name, record_id, adopted)


def wanted_namespaces(
    policy: DrPolicy, present: Mapping[str, Mapping[str, str]]
) -> tuple[str, ...]:
    """What a policy wants backed up now. Pure.

    Raises:
        InvalidInputError: when its selector finds no namespace: Velero would take all of them.
    """
    namespaces = policy.namespaces_in(present)
    if not namespaces:
        raise InvalidInputError(
            f"the namespace_selector of policy {policy.name!r} finds no namespace in "
            f"{policy.cluster!r}"
        )
    return namespaces


def missing_namespaces(
    namespaces: tuple[str, ...], present: Mapping[str, Mapping[str, str]]
) -> tuple[str, ...]:
    """Those that are wanted and not there. Pure."""
    return tuple(name for name in namespaces if name not in present and name != EVERYTHING)


def may_try_again(attempt: int, phase: str) -> bool:
    """Whether a due time whose last attempt is in `phase` gets another one. Pure."""
    return phase in FAILED and attempt < MOST_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Tracked:
    """What one look at a cluster found, in numbers of backups; `unknown` is of all kinds."""

    seen: int
    usable: int
    unfinished: int
    vanished: int
    unknown: int
    failed_deletions: int
    kept: int
    not_kept: int


def track(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: str, policies: list[DrPolicy]
) -> Tracked:
    """List all of Velero's objects of a cluster once and write what changed.

    Raises:
        UpstreamError: when the cluster refuses or does not answer; nothing is written then.
    """
    wanted = {policy.id: policy.namespaces for policy in policies if policy.cluster == cluster}
    # From before the lists: what another tracker sees meanwhile is not gone.
    now = velero_store.server_time(warehouse)
    found = {
        kind: [read_object(cluster, kind, body) for body in gateway.list_velero(cluster, plural)]
        for kind, plural in PLURALS.items()
    }
    available = {one.name for one in found[Kind.LOCATION] if one.phase == AVAILABLE}
    doomed = {name for one in found[Kind.DELETION] if (name := deletes(one))}
    judged = []
    for body in gateway.list_velero(cluster, BACKUPS):
        state = read_backup(cluster, body)
        if state.name in doomed:
            state = replace(state, being_deleted=True)
        expected = wanted.get(state.labels.get(naming.POLICY_LABEL, ""), ())
        problem = why_unusable(state, expected, available, now)
        judged.append(store.Judged(state, problem, why_unsound(state, expected, now)))
    sizes = moved_bytes(gateway, cluster)
    with warehouse.transaction() as connection:
        lock(connection, f"backup_records {cluster}")
        vanished = store.keep_states(connection, cluster, judged, now)
        velero_store.keep_sizes(connection, cluster, sizes)
        velero_store.keep_objects(connection, cluster, found, now)
        velero_store.keep_history(connection, cluster, now)
        velero_store.cluster_read(connection, cluster, now)
    states = [one.state for one in judged]
    kept, not_kept = _keep_last_good(warehouse, gateway, cluster, policies, judged, now)
    return Tracked(
        seen=len(judged),
        usable=sum(not one.problem for one in judged),
        unfinished=sum(
            not has_ended(state.phase) and is_known(Kind.BACKUP, state.phase) for state in states
        ),
        vanished=vanished,
        unknown=sum(not is_known(Kind.BACKUP, state.phase) for state in states)
        + sum(not one.phase_known for objects in found.values() for one in objects),
        failed_deletions=sum(failed_deletion(one) for one in found[Kind.DELETION]),
        kept=kept,
        not_kept=not_kept,
    )


def moved_bytes(gateway: KubernetesGateway, cluster: str) -> dict[str, int]:
    """Bytes of volume data that were moved for each backup, by its name; none of others.

    A data mover reports them in DataUploads, a backup of file systems in PodVolumeBackups.

    Raises:
        UpstreamError: when the cluster refuses or does not answer.
    """
    bodies: list[Json] = []
    for plural, version in MOVED:
        try:
            bodies += gateway.list_velero(cluster, plural, version=version)
        except NotFoundError:
            continue  # its Velero knows no such thing
    sizes: dict[str, int] = {}
    for body in bodies:
        name = (body["metadata"].get("labels") or {}).get("velero.io/backup-name")
        done = ((body.get("status") or {}).get("progress") or {}).get("bytesDone")
        if name and done is not None:
            sizes[name] = sizes.get(name, 0) + int(done)
    return sizes


def _keep_last_good(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: str,
    policies: list[DrPolicy],
    judged: list[store.Judged],
    now: datetime,
) -> tuple[int, int]:
    """(backups whose expiration was changed, policies where that failed)."""
    kept = missed = 0
    for policy in policies:
        if policy.cluster != cluster:
            continue
        ours = [one for one in judged if one.state.labels.get(naming.POLICY_LABEL) == policy.id]
        sound = [one.state for one in ours if not one.unsound]
        usable = [one.state.uid for one in ours if not one.problem]
        try:
            kept += len(keeper.keep_last_good(warehouse, gateway, policy, sound, usable, now))
        except UpstreamError:
            # What was seen is true all the same; it is tried again at the next look.
            missed += 1
    return kept, missed


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
