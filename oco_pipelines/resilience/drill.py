"""A restore drill: a fresh sentinel is backed up, restored into a scratch namespace and compared.

A drill that finds an old value, or none, has failed; so it can never pass on stale data.
"""

import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from oco_pipelines.resilience import naming, restore, store
from oco_pipelines.resilience.backup import read_backup
from oco_pipelines.resilience.compliance import Verdict
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, RESTORES, KubernetesGateway
from oco_pipelines.resilience.phases import Phase, has_ended
from oco_pipelines.resilience.tracker import take_backup, track
from oco_pipelines.resilience.verdicts import judge_policy
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, InvalidInputError, NotFoundError, UpstreamError

SENTINEL_KEY: Final = "value"


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
    """

    backup_name: str
    backup_id: str
    plan_id: str
    sentinel: str
    items: int
    seconds: float
    verdict: Verdict


def backup_and_restore_once(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    policy_id: str,
    scratch_namespace: str,
    *,
    requested_by: str = "drill",
    wait_seconds: float = 60.0,
    pause_seconds: float = 0.5,
) -> Drill:
    """Back up a policy's namespaces now and prove that they come back.

    The sentinel is removed again, whatever happens, and so is the scratch namespace, once its
    restore has ended; backup, plan and verdict stay in the warehouse.

    Args:
        warehouse: keeps the records.
        gateway: reaches the cluster.
        policy_id: which policy.
        scratch_namespace: must not exist; the first namespace of the policy is restored into it.
        requested_by: goes into the plan.
        wait_seconds: longest wait for the backup, again for the restore, and, when that takes too
            long, again for its end before the scratch namespace is removed.
        pause_seconds: between two looks.

    Raises:
        NotFoundError: when there is no such policy or namespace.
        ConflictError: when the scratch namespace exists.
        UpstreamError: when the backup or the restore fails or takes too long; the records say why.
    """
    policy = store.read_policy(warehouse, policy_id)
    cluster, home = policy.cluster, next(iter(policy.namespaces), "*")
    if home == "*":
        raise InvalidInputError(f"policy {policy.name!r} names no namespace to drill with")
    if gateway.namespace_exists(cluster, scratch_namespace):
        raise ConflictError(
            f"namespace {scratch_namespace!r} exists in {cluster!r}; a drill needs a fresh one"
        )
    started = time.monotonic()
    sentinel, name = secrets.token_hex(16), f"oco-sentinel-{secrets.token_hex(4)}"
    labels = (policy.label_selector or {}).get("matchLabels") or {}

    def compare() -> tuple[dict[str, Any], list[str]]:
        try:
            found = gateway.read_config_map(cluster, scratch_namespace, name)
        except NotFoundError:
            return {"sentinel": name}, ["the sentinel did not come back"]
        same = (found.get("data") or {}).get(SENTINEL_KEY) == sentinel
        return {"sentinel": name}, [] if same else ["the sentinel came back with another value"]

    with ExitStack() as cleanup:
        cleanup.callback(gateway.delete_config_map, cluster, home, name)
        gateway.create_config_map(cluster, home, name, {SENTINEL_KEY: sentinel}, labels)
        taken = take_backup(warehouse, gateway, policy, None)
        _await_backup(gateway, cluster, taken.name, wait_seconds, pause_seconds)
        track(warehouse, gateway, cluster, store.read_policies(warehouse))
        plan_id = restore.plan_restore(
            warehouse,
            taken.record_id,
            cluster,
            {home: scratch_namespace},
            purpose="drill",
            requested_by=requested_by,
        )
        cleanup.callback(
            _remove_scratch,
            gateway,
            cluster,
            scratch_namespace,
            naming.restore_name(plan_id),
            wait_seconds,
            pause_seconds,
        )
        status = restore.execute_plan(
            warehouse,
            gateway,
            plan_id,
            verify=compare,
            wait_seconds=wait_seconds,
            pause_seconds=pause_seconds,
        )
    plan = store.read_plan(warehouse, plan_id)
    verdict = judge_policy(warehouse, gateway, policy).verdict
    if status != "completed":
        reason = plan["failure_reason"] or f"it did not end within {wait_seconds:g} s"
        raise UpstreamError(f"drill of policy {policy.name!r} ended {status}: {reason}")
    return Drill(
        backup_name=taken.name,
        backup_id=taken.record_id,
        plan_id=plan_id,
        sentinel=sentinel,
        items=plan["items_restored"],
        seconds=time.monotonic() - started,
        verdict=verdict,
    )


def _remove_scratch(
    gateway: KubernetesGateway,
    cluster: str,
    namespace: str,
    restore_name: str,
    wait_seconds: float,
    pause_seconds: float,
) -> None:
    """Remove what the restore made; not under its hands, or Velero would make it anew."""
    end = time.monotonic() + wait_seconds
    while True:
        try:
            body = gateway.get_velero(cluster, RESTORES, restore_name)
        except NotFoundError:
            break
        phase = (body.get("status") or {}).get("phase") or Phase.NEW.value
        if has_ended(phase):
            break
        if time.monotonic() + pause_seconds > end:
            raise UpstreamError(
                f"cluster {cluster!r}: restore {restore_name!r} is still {phase}, so namespace "
                f"{namespace!r} is left; the sensor abandoned_plans removes it when it has ended"
            )
        time.sleep(pause_seconds)
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
