"""A restore drill: fresh sentinels are backed up, restored into scratch namespaces and compared.

A drill that finds an old value, or none, has failed; so it can never pass on stale data. Neither
can it on an empty backup, with an object missing, or with a volume that does not come back.
"""

import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from oco_pipelines.resilience import drill_store, naming, plans, restore, store
from oco_pipelines.resilience.backup import read_backup
from oco_pipelines.resilience.compliance import Verdict
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, RESTORES, KubernetesGateway
from oco_pipelines.resilience.phases import Phase, has_ended
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.tracker import take_backup, track, wanted_namespaces
from oco_pipelines.resilience.verdicts import judge_policy
from oco_warehouse.database import Warehouse
from oco_warehouse.dr_rules import EVERYTHING, labels_for
from oco_warehouse.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    OpenCloudOpsError,
    UpstreamError,
)
from oco_warehouse.recovery_rules import (
    MOST_NAMESPACES,
    SYSTEM_NAMESPACES,
    protection_problems,
)

SENTINEL_KEY: Final = "value"
SCHEDULE: Final = "schedule"


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill did.

    Attributes:
        backup_id: row in oco.backup_records.
        plan_id: row in oco.recovery_plans.
        sentinel: the value that came back.
        items: how many items were restored.
        seconds: wall clock of backup and restore together.
        verdict: of the policy afterwards.
        rto: measured, from the request for the restore to its verified end.
    """

    backup_name: str
    backup_id: str
    plan_id: str
    sentinel: str
    items: int
    seconds: float
    verdict: Verdict
    rto: timedelta


@dataclass(frozen=True, slots=True)
class _Setting:
    """Where and with what a drill is done.

    `scratch` maps the policy's namespaces; with `labels` a sentinel is in the policy's backup.
    """

    policy: DrPolicy
    scratch: dict[str, str]
    name: str
    value: str
    labels: dict[str, str]
    wait_seconds: float
    pause_seconds: float


def backup_and_restore_once(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    policy_id: str,
    scratch_namespace: str,
    *,
    requested_by: str = "drill",
    due_at: datetime | None = None,
    wait_seconds: float = 60.0,
    pause_seconds: float = 0.5,
) -> Drill:
    """Back up a policy's namespaces now and prove that they come back.

    The sentinels are removed again, whatever happens, and so are the scratch namespaces, once their
    restore has ended; backup, plan, drill and verdict stay in the warehouse.

    Args:
        warehouse: keeps the records.
        gateway: reaches the cluster.
        policy_id: which policy.
        scratch_namespace: must not exist; the first namespace of the policy is restored into it,
            the others into namespaces of this name with a number.
        requested_by: goes into the plan.
        due_at: the scheduled time; one drill is done for it, whatever is repeated.
        wait_seconds: longest wait for the backup, again for the restore, and, when that takes too
            long, again for its end before the scratch namespaces are removed.
        pause_seconds: between two looks.

    Raises:
        NotFoundError: when there is no such policy or namespace.
        ConflictError: when a scratch namespace exists, or the due time had its drill.
        InvalidInputError: when a scratch namespace is protected, or the backup is not usable.
        UpstreamError: when the backup or the restore fails or takes too long; the records say why.
    """
    policy = store.read_policy(warehouse, policy_id)
    setting = _Setting(
        policy=policy,
        scratch=_scratch(policy, gateway.namespace_labels(policy.cluster), scratch_namespace),
        name=f"oco-sentinel-{secrets.token_hex(4)}",
        value=secrets.token_hex(16),
        labels=_labels(policy),
        wait_seconds=wait_seconds,
        pause_seconds=pause_seconds,
    )
    _check_scratch(warehouse, gateway, setting)
    drill_id = drill_store.claim(
        warehouse,
        policy_id=policy.id,
        cluster=policy.cluster,
        due_at=due_at,
        requested_by=requested_by,
        sentinel=setting.name,
        scratch=setting.scratch,
    )
    if drill_id is None:
        raise ConflictError(f"policy {policy.name!r} had its drill for {due_at}")
    try:
        return _carry_out(warehouse, gateway, setting, drill_id, requested_by)
    except OpenCloudOpsError as error:
        if drill_store.end(warehouse, drill_id, str(error), None):
            judge_policy(warehouse, gateway, policy)
        raise


def scratch_name(policy: str, at: datetime) -> str:
    """Name of the scratch namespace of a drill."""
    return f"oco-drill-{naming.slug(policy, 30)}-{naming.stamp(at)}"


def clean_up(
    gateway: KubernetesGateway, cluster: str, sentinel: str, scratch: dict[str, str]
) -> None:
    """Remove what a drill made, as far as it is there; nothing else is touched.

    Raises:
        UpstreamError: when the cluster refuses or does not answer.
    """
    for home, namespace in scratch.items():
        gateway.delete_config_map(cluster, home, sentinel)
        # The drill made sure that it was not there before.
        gateway.delete_namespace(cluster, namespace)


def _scratch(
    policy: DrPolicy, present: Mapping[str, Mapping[str, str]], first: str
) -> dict[str, str]:
    """{namespace that the policy backs up now: where it is restored into}. Pure.

    Of a policy of every namespace the cluster's own are left alone.
    """
    homes = wanted_namespaces(policy, present)
    if EVERYTHING in homes:
        homes = tuple(sorted(set(present) - SYSTEM_NAMESPACES))
    if not 0 < len(homes) <= MOST_NAMESPACES:
        raise InvalidInputError(
            f"policy {policy.name!r} covers {len(homes)} namespaces in {policy.cluster!r}; "
            f"a drill can be done with 1 to {MOST_NAMESPACES}"
        )
    return {home: f"{first}-{number}" if number else first for number, home in enumerate(homes)}


def _labels(policy: DrPolicy) -> dict[str, str]:
    if policy.label_selector is None:
        return {}
    try:
        return labels_for(policy.label_selector)
    except InvalidInputError as error:
        raise InvalidInputError(f"policy {policy.name!r}: label_selector: {error}") from None


def _check_scratch(warehouse: Warehouse, gateway: KubernetesGateway, setting: _Setting) -> None:
    cluster = setting.policy.cluster
    with warehouse.transaction() as connection:
        protected = plans.protected_namespaces(connection)
    against = list(protection_problems(cluster, setting.scratch.values(), protected))
    if against:
        raise InvalidInputError("; ".join(against))
    for namespace in setting.scratch.values():
        if gateway.namespace_exists(cluster, namespace):
            raise ConflictError(
                f"namespace {namespace!r} exists in {cluster!r}; a drill needs a fresh one"
            )


def _carry_out(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    setting: _Setting,
    drill_id: str,
    requested_by: str,
) -> Drill:
    policy, started = setting.policy, time.monotonic()
    cluster, wait, pause = policy.cluster, setting.wait_seconds, setting.pause_seconds
    with ExitStack() as cleanup:
        for home in setting.scratch:
            cleanup.callback(gateway.delete_config_map, cluster, home, setting.name)
            data = {SENTINEL_KEY: setting.value}
            gateway.create_config_map(cluster, home, setting.name, data, setting.labels)
        taken = take_backup(warehouse, gateway, policy, None)
        _await_backup(gateway, cluster, taken.name, wait, pause)
        track(warehouse, gateway, cluster, store.read_policies(warehouse))
        took = timedelta(seconds=time.monotonic() - started)
        drill_store.note_backup(warehouse, drill_id, taken.record_id, took)
        plan_id = restore.plan_restore(
            warehouse,
            taken.record_id,
            cluster,
            setting.scratch,
            purpose="drill",
            requested_by=requested_by,
        )
        drill_store.note_plan(warehouse, drill_id, plan_id)
        with warehouse.transaction() as connection:
            plans.step(connection, plan_id, "approved", requested_by)
        cleanup.callback(_remove_scratch, gateway, setting, naming.restore_name(plan_id))
        status = restore.execute_plan(
            warehouse,
            gateway,
            plan_id,
            verify=lambda: _compare(gateway, setting),
            wait_seconds=wait,
            pause_seconds=pause,
            settle_seconds=min(wait, restore.SETTLE_SECONDS),
        )
        plan = plans.read_plan(warehouse, plan_id)
        reason = ""
        if status != "completed":
            reason = plan["failure_reason"] or f"it did not end within {wait:g} s"
        rto = plans.took(plan)
        drill_store.end(warehouse, drill_id, reason, rto)
    drill_store.mark_clean(warehouse, drill_id)
    verdict = judge_policy(warehouse, gateway, policy).verdict
    if reason or rto is None:
        raise UpstreamError(f"drill of policy {policy.name!r} ended {status}: {reason}")
    return Drill(
        backup_name=taken.name,
        backup_id=taken.record_id,
        plan_id=plan_id,
        sentinel=setting.value,
        items=plan["items_restored"],
        seconds=time.monotonic() - started,
        verdict=verdict,
        rto=rto,
    )


def _compare(gateway: KubernetesGateway, setting: _Setting) -> tuple[dict[str, Any], list[str]]:
    """Whether every scratch namespace has the sentinel with the value of this very drill."""
    wrong = []
    for namespace in setting.scratch.values():
        try:
            found = gateway.read_config_map(setting.policy.cluster, namespace, setting.name)
        except NotFoundError:
            wrong.append(f"the sentinel did not come back into {namespace!r}")
            continue
        if (found.get("data") or {}).get(SENTINEL_KEY) != setting.value:
            wrong.append(f"the sentinel came back into {namespace!r} with another value")
    return {"sentinel": setting.name, "compared_at": datetime.now(UTC).isoformat()}, wrong


def _remove_scratch(gateway: KubernetesGateway, setting: _Setting, restore_name: str) -> None:
    """Remove what the restore made; not under its hands, or Velero would make it anew."""
    cluster, end = setting.policy.cluster, time.monotonic() + setting.wait_seconds
    while True:
        try:
            body = gateway.get_velero(cluster, RESTORES, restore_name)
        except NotFoundError:
            break
        phase = (body.get("status") or {}).get("phase") or Phase.NEW.value
        if has_ended(phase):
            break
        if time.monotonic() + setting.pause_seconds > end:
            names = ", ".join(map(repr, setting.scratch.values()))
            raise UpstreamError(
                f"cluster {cluster!r}: restore {restore_name!r} is still {phase}, so namespace "
                f"{names} is left; the sensor abandoned_plans removes it when it has ended"
            )
        time.sleep(setting.pause_seconds)
    for namespace in setting.scratch.values():
        gateway.delete_namespace(cluster, namespace)


def _await_backup(
    gateway: KubernetesGateway, cluster: str, name: str, wait_seconds: float, pause_seconds: float
) -> None:
    end = time.monotonic() + wait_seconds
    while True:
        state = read_backup(cluster, gateway.get_velero(cluster, BACKUPS, name))
        if has_ended(state.phase):
            return
        if time.monotonic() + pause_seconds > end:
            raise UpstreamError(
                f"cluster {cluster!r}: backup {name!r} is still {state.phase} "
                f"after {wait_seconds:g} s"
            )
        time.sleep(pause_seconds)
