"""The traps of Velero, each by name: what it does that a recovery point must not be taken in by.

| trap or behaviour | test here, or where it is |
|---|---|
| PartiallyFailed or an empty Completed counted as good | `test_trap_a_backup_that_is_not_whole…` |
| RPO from completion time | `test_trap_age_counts_from_the_start…` |
| duplicates on retry | `test_trap_a_repeat…`, `test_trap_a_foreign_name…`; test_orchestrator.py |
| missed or late ticks, DST, time zones | `test_trap_missed_due_times…`; test_due.py |
| labels longer than 63 characters | `test_trap_long_names…` |
| expiry takes the last good copy | `test_trap_the_last_good_copies…` |
| objects vanish from the cluster silently | `test_trap_a_vanished_backup…` |
| a restart fails what was in progress | `test_trap_a_server_restart…` |
| created is not started | `test_trap_created_in_seconds…` |
| location down means FailedValidation for good | `test_trap_a_backup_refused_for_its_location…` |
| the same name in the bucket ends Failed | `test_trap_a_name_in_the_bucket…` |
| DeleteBackupRequest Processed with errors; unknown phases | test_velero_phases.py |
| drills that cannot fail; restores into existing namespaces, mapped ones, other clusters | tests of
drills and recovery plans |
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oco_pipelines.resilience import store
from oco_pipelines.resilience.compliance import Verdict
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, KubernetesGateway
from oco_pipelines.resilience.naming import backup_name
from oco_pipelines.resilience.orchestrator import take_until
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.standin import StandinCluster, standin_cluster
from oco_pipelines.resilience.tracker import take_backup, track
from oco_pipelines.resilience.verdicts import judge_policy
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError
from tests.oco_pipelines.resilience.conftest import QUICK
from tests.oco_pipelines.resilience.quiet import drop, good, put, say

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StandinCluster]:
    with standin_cluster(
        tmp_path / "kubeconfig", namespaces=["shop"], step_seconds=3600
    ) as running:
        yield running


@pytest.fixture
def gateway(cluster: StandinCluster) -> KubernetesGateway:
    return KubernetesGateway(cluster.kubeconfig, patience=QUICK)


@pytest.fixture
def policy(make_policy: Callable[..., DrPolicy]) -> DrPolicy:
    return make_policy(created_at=NOW - timedelta(days=9), rpo_target=3 * HOUR)


@pytest.fixture
def site(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: StandinCluster, policy: DrPolicy
) -> "Site":
    return Site(warehouse, gateway, cluster, policy)


class Site:
    """A policy with backups of its own in a quiet cluster."""

    def __init__(
        self,
        warehouse: Warehouse,
        gateway: KubernetesGateway,
        cluster: StandinCluster,
        policy: DrPolicy,
    ) -> None:
        self.warehouse, self.gateway, self.cluster = warehouse, gateway, cluster
        self.policy = policy

    def backup(self, due: datetime, **status: Any) -> str:
        """A backup of the policy in this state."""
        taken = take_backup(self.warehouse, self.gateway, self.policy, due)
        say(self.cluster, "Backup", taken.name, **status)
        return taken.name

    def verdict(self) -> Verdict:
        """What the policy's is after a look."""
        track(self.warehouse, self.gateway, "standin", [self.policy])
        return judge_policy(self.warehouse, self.gateway, self.policy).verdict

    def row(self, name: str) -> dict[str, Any]:
        """The newest record of a name."""
        return self.warehouse.query(
            "SELECT * FROM oco.backup_records WHERE backup_name = %s ORDER BY attempt DESC", [name]
        )[0]


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "PartiallyFailed", "errors": 1},
        {"progress": {}},
        {"progress": {"totalItems": 0, "itemsBackedUp": 0}},
        {"progress": {"totalItems": 3, "itemsBackedUp": 2}},
        {"volumeSnapshotsAttempted": 2, "volumeSnapshotsCompleted": 1},
        {"backupItemOperationsAttempted": 1, "backupItemOperationsFailed": 1},
    ],
)
def test_trap_a_backup_that_is_not_whole_is_no_recovery_point(
    site: Site, status: dict[str, Any]
) -> None:
    site.backup(NOW, **{**good(), **status})
    assert site.verdict() == Verdict.BREACHED
    [row] = site.warehouse.query("SELECT usable FROM oco.backup_records")
    assert not row["usable"]


def test_trap_age_counts_from_the_start_and_not_from_the_completion(site: Site) -> None:
    late = {"completionTimestamp": (NOW - HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")}
    site.backup(NOW, **{**good(NOW - 4 * HOUR), **late})
    assert site.verdict() == Verdict.BREACHED
    site.backup(NOW + HOUR, **good(NOW - 2 * HOUR))
    assert site.verdict() == Verdict.MET


def test_trap_a_repeat_adopts_the_backup_with_our_label(site: Site) -> None:
    first = take_backup(site.warehouse, site.gateway, site.policy, NOW)
    again = take_backup(site.warehouse, site.gateway, site.policy, NOW)
    assert (first.name, again.adopted) == (again.name, True)
    assert len(site.gateway.list_velero("standin", BACKUPS)) == 1


def test_trap_a_foreign_name_is_a_clear_error(site: Site) -> None:
    put(site.cluster, "Backup", backup_name("shop", NOW), spec={})
    with pytest.raises(ConflictError, match="did not make; rename the policy or delete"):
        take_backup(site.warehouse, site.gateway, site.policy, NOW)


def test_trap_missed_due_times_are_caught_up_once_with_their_lateness(site: Site) -> None:
    site.warehouse.execute(
        "UPDATE oco.dr_policies SET last_due_at = %s", [NOW - timedelta(hours=30)]
    )
    ahead = timedelta(0)
    outcomes, _ = take_until(site.warehouse, site.gateway, ["standin"], ahead)
    again, _ = take_until(site.warehouse, site.gateway, ["standin"], ahead)
    assert (len(outcomes), again) == (1, [])
    [due] = site.warehouse.query("SELECT missed, lateness, state FROM oco.dr_due_times")
    assert due["missed"] in {28, 29, 30} and due["state"] == "created"
    assert timedelta(0) <= due["lateness"] <= HOUR


def test_trap_long_names_fit_and_keep_their_full_value_in_an_annotation(
    site: Site, make_policy: Callable[..., DrPolicy]
) -> None:
    name = "a-policy-whose-name-is-much-longer-than-what-a-label-of-kubernetes-holds"
    taken = take_backup(site.warehouse, site.gateway, make_policy(name), NOW)
    body = site.gateway.get_velero("standin", BACKUPS, taken.name)
    assert len(taken.name) <= 63
    assert all(len(value) <= 63 for value in body["metadata"]["labels"].values())
    assert body["metadata"]["annotations"]["opencloudops.io/policy-name"] == name


def test_trap_the_last_good_copies_are_kept_beyond_their_ttl(site: Site) -> None:
    site.warehouse.execute("UPDATE oco.dr_policies SET keep_at_least = 2")
    site.policy = store.read_policy(site.warehouse, site.policy.id)
    ages = {"old": 9, "second": 6, "first": 3}
    names = {
        word: site.backup(NOW - hours * HOUR, **good(NOW - hours * HOUR, timedelta(hours=10)))
        for word, hours in ages.items()
    }
    site.backup(NOW - HOUR, phase="Failed")
    site.verdict()
    kept = {word: site.row(name)["kept_until"] for word, name in names.items()}
    assert kept["old"] is None
    assert all(kept[word] > NOW + timedelta(days=6) for word in ("first", "second"))
    body = site.gateway.get_velero("standin", BACKUPS, names["first"])
    assert body["status"]["expiration"] == kept["first"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert body["status"]["phase"] == "Completed"
    # Two newer good ones: the older may go when its own ttl says so.
    site.backup(NOW, **good())
    site.backup(NOW + HOUR, **good())
    site.verdict()
    own = site.gateway.get_velero("standin", BACKUPS, names["first"])["status"]["expiration"]
    assert own == (NOW + 7 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert site.row(names["first"])["kept_until"] is None


def test_trap_a_copy_that_is_being_deleted_is_neither_kept_nor_counted(site: Site) -> None:
    """The race with expiry: the request is there before we come to extend."""
    name = site.backup(NOW, **good(NOW - HOUR, timedelta(minutes=30)))
    put(site.cluster, "DeleteBackupRequest", "gc", spec={"backupName": name})
    assert site.verdict() == Verdict.BREACHED
    assert site.row(name)["kept_until"] is None
    drop(site.cluster, "Backup", name)
    assert site.verdict() == Verdict.BREACHED


def test_trap_a_vanished_backup_stays_in_our_records(site: Site) -> None:
    name = site.backup(NOW, **good())
    assert site.verdict() == Verdict.MET
    drop(site.cluster, "Backup", name)
    assert site.verdict() == Verdict.BREACHED
    assert site.row(name)["vanished_at"] is not None


def test_trap_a_server_restart_fails_the_backup_and_a_new_attempt_is_made(site: Site) -> None:
    site.warehouse.execute("UPDATE oco.dr_policies SET last_due_at = %s", [NOW - 2 * HOUR])
    [first], _ = take_until(site.warehouse, site.gateway, ["standin"], timedelta(0))
    say(site.cluster, "Backup", first.name, phase="InProgress")
    site.verdict()
    said = "found a backup with status InProgress during the server starting, mark it as Failed"
    say(site.cluster, "Backup", first.name, phase="Failed", failureReason=said)
    site.verdict()
    later = datetime.now(UTC) + timedelta(minutes=2)
    [second], _ = take_until(site.warehouse, site.gateway, ["standin"], timedelta(0), lambda: later)
    assert (second.name, second.problem) == (f"{first.name}-2", "")
    assert site.row(first.name)["failure_reason"] == said


def test_trap_created_in_seconds_is_not_started(site: Site) -> None:
    name = site.backup(NOW, phase="Queued")
    site.verdict()
    row = site.row(name)
    assert row["triggered_at"] and row["created_at"] and row["started_at"] is None
    say(site.cluster, "Backup", name, **good(NOW + HOUR))
    site.verdict()
    assert site.row(name)["started_at"] > row["created_at"]


def test_trap_a_backup_refused_for_its_location_is_retried_only_when_that_is_back(
    site: Site,
) -> None:
    site.warehouse.execute("UPDATE oco.dr_policies SET last_due_at = %s", [NOW - 2 * HOUR])
    site.cluster.velero.set_location("default", "Unavailable")
    look = (site.warehouse, site.gateway, ["standin"], timedelta(0))
    [first], _ = take_until(*look)
    say(site.cluster, "Backup", first.name, phase="FailedValidation")
    site.verdict()
    later = datetime.now(UTC) + timedelta(minutes=2)
    [waits], _ = take_until(*look, lambda: later)
    assert "waits for storage location" in waits.problem
    assert len(site.gateway.list_velero("standin", BACKUPS)) == 1
    site.cluster.velero.set_location("default", "Available")
    site.warehouse.execute("UPDATE oco.dr_due_times SET next_try_at = now()")
    [second], _ = take_until(*look, lambda: later)
    assert second.name == f"{first.name}-2"


def test_trap_a_name_in_the_bucket_ends_failed_and_another_name_is_taken(site: Site) -> None:
    said = "backup already exists in object storage"
    name = site.backup(NOW, phase="Failed", failureReason=said)
    site.verdict()
    again = take_backup(site.warehouse, site.gateway, site.policy, NOW)
    assert again.name == f"{name}-2" and not again.adopted
