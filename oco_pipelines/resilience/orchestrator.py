"""Taking all backups that are due, at once: claimed in the warehouse, created side by side.

A due time is claimed by one orchestrator for a while; the lease ends with a crash. The Backup's
name follows from policy and due time, so that even two claims make one object.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from oco_pipelines.kubernetes_lists import Json
from oco_pipelines.resilience import due_times, naming, store
from oco_pipelines.resilience.backup import build_backup, create_backup, read_backup
from oco_pipelines.resilience.due import Due, latest_due
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.tracker import (
    available_locations,
    may_try_again,
    missing_namespaces,
    wanted_namespaces,
)
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, OpenCloudOpsError, UpstreamThrottled

MOST_AT_ONCE: Final = 8
MOST_CLUSTERS_AT_ONCE: Final = 8
_FIRST_RETAKE: Final = timedelta(minutes=1)

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A due time that needs a backup; `attempt` is over 1 after one that Velero failed."""

    policy: DrPolicy
    due: Due
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a due time at one try.

    Attributes:
        name: of the Backup; empty when none was planned.
        adopted: whether it was there already.
        problem: why there is none yet, in one line; empty when there is.
        triggered_at: when this try began.
        created_at: when the object was there; None when it is not.
        retry_after: seconds that the cluster asked us to wait.
    """

    wanted: Wanted
    name: str
    adopted: bool
    problem: str
    triggered_at: datetime
    created_at: datetime | None = None
    retry_after: float | None = None
    body: Json | None = None


def find_due(
    policies: Collection[DrPolicy],
    last_tries: dict[str, due_times.LastTry],
    now: datetime,
) -> tuple[list[Wanted], list[str]]:
    """What is due now, and which policies have a schedule that cannot be read. Pure.

    Args:
        policies: enabled ones.
        last_tries: what is known of the last handled due time, by policy.
        now: aware.
    """
    wanted, wrong = [], []
    for policy in policies:
        try:
            due = latest_due(policy.schedule_cron, policy.time_zone, policy.handled_until, now)
        except InvalidInputError as error:
            wrong.append(f"DR policy {policy.name}: {error}")
            continue
        if due is not None:
            wanted.append(Wanted(policy, due))
            continue
        last, handled = last_tries.get(policy.id), policy.last_due_at
        if last is None or handled is None:
            continue
        again = Due(handled.astimezone(UTC), now - handled, 0)
        if not last.exists:
            wanted.append(Wanted(policy, again, last.attempt))
            continue
        if not may_try_again(last.attempt, last.phase):
            continue
        # A backup that has just failed would fail again.
        if now >= last.created_at + _FIRST_RETAKE * 2 ** (last.attempt - 1):
            wanted.append(Wanted(policy, again, last.attempt + 1))
    return wanted, wrong


def take_due(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    wanted: Collection[Wanted],
    clock: Clock = utc_now,
) -> list[Outcome]:
    """Create a Backup for each due time that nobody else is at; a dead cluster delays no other.

    Returns:
        What became of those that were claimed.
    """
    claimed = due_times.claim(
        warehouse, [(one.policy.id, one.due, one.attempt > 1) for one in wanted]
    )
    by_cluster: dict[str, list[Wanted]] = defaultdict(list)
    for one in wanted:
        if (one.policy.id, one.due.at) in claimed:
            by_cluster[one.policy.cluster].append(one)
    if not by_cluster:
        return []
    with ThreadPoolExecutor(min(len(by_cluster), MOST_CLUSTERS_AT_ONCE)) as pool:
        found = pool.map(
            lambda item: _take_in(warehouse, gateway, item[0], item[1], clock), by_cluster.items()
        )
        return [outcome for outcomes in found for outcome in outcomes]


def take_until(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    clusters: Collection[str],
    ahead: timedelta,
    clock: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[list[Outcome], list[str]]:
    """Take what is due now, and what becomes due within `ahead` at the moment when it does.

    So a backup is not late by the time between two looks.

    Args:
        warehouse: knows policies and due times.
        gateway: reaches the clusters.
        clusters: those that can be reached.
        ahead: how long to wait at most.
        clock: says what time it is.
        sleep: waits so many seconds.

    Returns:
        What became of the due times, and what is wrong with schedules.
    """
    policies = [
        policy
        for policy in store.read_policies(warehouse)
        if policy.enabled and policy.cluster in clusters
    ]
    last = due_times.last_tries(warehouse)
    wanted, wrong = find_due(policies, last, clock())
    outcomes = take_due(warehouse, gateway, wanted, clock)
    at_hand = {(one.policy.id, one.due.at) for one in wanted}
    handled = {one.policy.id: one.due.at for one in wanted if one.attempt == 1}
    since = [
        replace(policy, last_due_at=handled.get(policy.id, policy.last_due_at))
        for policy in policies
    ]
    end = clock() + ahead
    soon: dict[datetime, list[Wanted]] = defaultdict(list)
    for one in find_due(since, {}, end)[0]:
        if (one.policy.id, one.due.at) not in at_hand:
            soon[one.due.at].append(one)
    for at in sorted(soon):
        for cluster in {one.policy.cluster for one in soon[at]}:
            gateway.warm(cluster)
        sleep(max((at - clock()).total_seconds(), 0.0))
        punctual = [replace(one, due=replace(one.due, lateness=clock() - at)) for one in soon[at]]
        outcomes += take_due(warehouse, gateway, punctual, clock)
    return outcomes, wrong


def _take_in(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: str,
    wanted: list[Wanted],
    clock: Clock,
) -> list[Outcome]:
    triggered_at = clock()
    outcomes: list[Outcome] = []
    ready: list[tuple[Wanted, store.Planned]] = []
    try:
        present = gateway.namespace_labels(cluster)
        retaken = any(one.attempt > 1 for one in wanted)
        available = available_locations(gateway, cluster) if retaken else frozenset()
    except OpenCloudOpsError as error:
        outcomes = [_failed(one, "", error, triggered_at) for one in wanted]
        due_times.settle(warehouse, outcomes)
        return outcomes
    for one in wanted:
        policy, location = one.policy, one.policy.storage_location
        if one.attempt > 1 and location not in available:
            # An attempt that must fail would only use one up.
            problem = f"it waits for storage location {location!r} to be available"
            outcomes.append(Outcome(one, "", False, problem, triggered_at))
            continue
        try:
            namespaces = wanted_namespaces(policy, present)
        except InvalidInputError as error:
            outcomes.append(_failed(one, "", error, triggered_at))
            continue
        name = naming.backup_name(policy.name, one.due.at, one.attempt)
        ready.append((one, store.Planned(policy, name, one.due.at, one.attempt, namespaces)))
    names = store.plan_backups(warehouse, [planned for _, planned in ready], triggered_at)

    def create(item: tuple[tuple[Wanted, store.Planned], str]) -> Outcome:
        (one, planned), name = item
        missing = missing_namespaces(planned.namespaces, present)
        body = build_backup(one.policy, name, one.due.at, missing, planned.namespaces)
        try:
            made, adopted = create_backup(gateway, one.policy, body)
        except OpenCloudOpsError as error:
            return _failed(one, name, error, triggered_at)
        return Outcome(one, name, adopted, "", triggered_at, clock(), body=made)

    if ready:
        with ThreadPoolExecutor(min(len(ready), MOST_AT_ONCE)) as pool:
            outcomes += pool.map(create, zip(ready, names, strict=True))
    _record(warehouse, cluster, outcomes, clock())
    return outcomes


def _record(warehouse: Warehouse, cluster: str, outcomes: list[Outcome], now: datetime) -> None:
    with warehouse.transaction() as connection:
        for outcome in outcomes:
            if outcome.body is None:
                continue
            state = read_backup(cluster, outcome.body)
            # Whether it is usable is judged by the tracker, which knows the locations.
            problem = f"phase is {state.phase}, not yet judged"
            record = store.keep_state_in(connection, state, problem, now)
            connection.execute(
                "UPDATE oco.backup_records SET adopted = adopted OR %s WHERE id = %s",
                [outcome.adopted, record],
            )
        due_times.settle_in(connection, outcomes)


def _failed(one: Wanted, name: str, error: OpenCloudOpsError, triggered_at: datetime) -> Outcome:
    wait = error.retry_after if isinstance(error, UpstreamThrottled) else None
    return Outcome(one, name, False, str(error), triggered_at, retry_after=wait)


def as_metadata(outcome: Outcome) -> dict[str, Any]:
    """What people read of a due time in Dagster."""
    one, made = outcome.wanted, outcome.created_at
    told: dict[str, Any] = {
        "policy": one.policy.name,
        "cluster": one.policy.cluster,
        "run_key": due_times.run_key(one.policy.id, one.due.at),
        "due_at": one.due.at.isoformat(),
        "lateness_seconds": round(one.due.lateness.total_seconds(), 3),
        "missed": one.due.missed,
        "attempt": one.attempt,
        "backup": outcome.name,
    }
    if made is None:
        return told | {"problem": outcome.problem}
    waited = (made - outcome.triggered_at).total_seconds()
    return told | {
        "adopted": outcome.adopted,
        "due_to_created_seconds": round((made - one.due.at).total_seconds(), 3),
        "triggered_to_created_seconds": round(waited, 3),
    }
