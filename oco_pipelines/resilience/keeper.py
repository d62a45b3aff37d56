"""Keeping the last good recovery points of a policy: Velero's ttl would take them like any other.

Velero reads `status.expiration` and has no ttl that can change after a backup was taken, and its
kinds have no status subresource: the expiration is patched on the object itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.usable import BackupState
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import NotFoundError

# The expiration that Velero gave it, kept on the object so that it can have it back.
OWN_EXPIRATION: Final = "opencloudops.io/own-expiration"
# Velero looks for what expired once an hour; we look more often, and may be down for a day.
EXTEND_WITHIN: Final = timedelta(hours=36)
EXTEND_BY: Final = timedelta(days=7)
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Change:
    """A new expiration for a backup; `own` is the one that its ttl gave it."""

    backup: BackupState
    expiration: datetime
    own: str
    keeps: bool


def plan_changes(
    policy: DrPolicy, sound: Collection[BackupState], usable: Collection[str], now: datetime
) -> list[Change]:
    """What to extend, and what may go again, of the sound backups of a policy. Pure.

    A backup that we kept expires by its own ttl again once enough newer ones are there. Those in a
    storage location that is not available do not count for that.

    Args:
        policy: whose they are.
        sound: usable, or would be if their location were available.
        usable: UIDs of the usable ones.
        now: aware.
    """
    newest = sorted(sound, key=lambda state: state.started_at or now, reverse=True)
    reachable = [state for state in newest if state.uid in usable]
    last = {state.uid for some in (newest, reachable) for state in some[: policy.keep_at_least]}
    kept = [state for state in newest if state.uid in last]
    rest = [state for state in newest if state.uid not in last]
    changes = []
    for state in kept:
        if state.expires_at is not None and state.expires_at - now < EXTEND_WITHIN:
            own = state.annotations.get(OWN_EXPIRATION) or state.expires_at.strftime(_TIME)
            changes.append(Change(state, now + EXTEND_BY, own, keeps=True))
    for state in rest:
        own = state.annotations.get(OWN_EXPIRATION, "")
        at = _moment(own)
        if at is not None:
            changes.append(Change(state, at, own, keeps=False))
    return changes


def keep_last_good(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    policy: DrPolicy,
    sound: Sequence[BackupState],
    usable: Collection[str],
    now: datetime,
) -> list[Change]:
    """Patch what `plan_changes` says; returns what was patched.

    Raises:
        UpstreamError: when the cluster refuses or does not answer; it is tried again next time.
    """
    done = []
    for change in plan_changes(policy, sound, usable, now):
        patch = {
            "metadata": {"annotations": {OWN_EXPIRATION: change.own if change.keeps else None}},
            "status": {"expiration": change.expiration.strftime(_TIME)},
        }
        try:
            gateway.patch_velero(policy.cluster, BACKUPS, change.backup.name, patch)
        except NotFoundError:
            continue  # gone between list and patch: the next look finds it vanished
        warehouse.execute(
            "UPDATE oco.backup_records SET expires_at = %s, kept_until = %s "
            "WHERE cluster = %s AND backup_uid = %s",
            [
                change.expiration,
                change.expiration if change.keeps else None,
                policy.cluster,
                change.backup.uid,
            ],
        )
        done.append(change)
    return done


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None
