"""Every phase that Velero's kinds report, by name: how it is recorded and what it counts for."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.phases import PHASES, Kind, has_ended
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.standin import StandinCluster, standin_cluster
from oco_pipelines.resilience.tracker import track
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.resilience.conftest import QUICK
from tests.oco_pipelines.resilience.quiet import drop, good, put, say

# What docs of Velero 1.18 list, written out so that a lost phase is seen.
BACKUP = [
    "New",
    "Queued",
    "ReadyToStart",
    "FailedValidation",
    "InProgress",
    "WaitingForPluginOperations",
    "WaitingForPluginOperationsPartiallyFailed",
    "Finalizing",
    "FinalizingPartiallyFailed",
    "Completed",
    "PartiallyFailed",
    "Failed",
    "Deleting",
]
RESTORE = [phase for phase in BACKUP if phase not in {"Queued", "ReadyToStart", "Deleting"}]
ENDED = {"FailedValidation", "Completed", "PartiallyFailed", "Failed", "Deleting"}
OTHERS = [
    *((Kind.RESTORE, phase) for phase in RESTORE),
    *((Kind.SCHEDULE, phase) for phase in ("New", "Enabled", "FailedValidation")),
    *((Kind.LOCATION, phase) for phase in ("Available", "Unavailable")),
    *((Kind.DELETION, phase) for phase in ("New", "InProgress", "Processed")),
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StandinCluster]:
    with standin_cluster(
        tmp_path / "kubeconfig", namespaces=["shop"], step_seconds=3600
    ) as running:
        yield running


@pytest.fixture
def gateway(cluster: StandinCluster) -> KubernetesGateway:
    return KubernetesGateway(cluster.kubeconfig, patience=QUICK)


def test_the_list_of_phases_is_the_whole_one() -> None:
    assert PHASES[Kind.BACKUP] == set(BACKUP)
    assert PHASES[Kind.RESTORE] == set(RESTORE)
    assert {(kind, phase) for kind in PHASES for phase in PHASES[kind]} == {
        *OTHERS,
        *((Kind.BACKUP, phase) for phase in BACKUP),
    }


@pytest.mark.parametrize("phase", BACKUP)
def test_backup_phase(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: StandinCluster, phase: str
) -> None:
    put(cluster, "Backup", "b", spec={"includedNamespaces": ["shop"]})
    say(cluster, "Backup", "b", **{**good(), "phase": phase})
    seen = track(warehouse, gateway, "standin", [])
    [row] = warehouse.query(
        "SELECT phase, phase_known, usable, usable_reason FROM oco.backup_records"
    )
    assert (row["phase"], row["phase_known"]) == (phase, True)
    assert row["usable"] == (phase == "Completed")
    assert row["usable"] or phase in row["usable_reason"]
    assert has_ended(phase) == (phase in ENDED)
    assert seen.unfinished == (phase not in ENDED)
    [entry] = warehouse.query("SELECT phase, event FROM oco.velero_history WHERE kind = 'Backup'")
    assert entry == {"phase": phase, "event": "seen"}


@pytest.mark.parametrize(("kind", "phase"), OTHERS)
def test_phase_of_another_kind(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    kind: Kind,
    phase: str,
) -> None:
    specs = {Kind.LOCATION: {"provider": "p", "objectStorage": {"bucket": "b"}}}
    put(cluster, kind.value, "x", spec=specs.get(kind, {}))
    say(cluster, kind.value, "x", phase=phase)
    track(warehouse, gateway, "standin", [])
    [row] = warehouse.query(
        "SELECT kind, phase, phase_known FROM oco.velero_objects WHERE name = 'x'"
    )
    assert row == {"kind": kind.value, "phase": phase, "phase_known": True}


def test_an_empty_phase_is_new_and_of_a_location_unavailable(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: StandinCluster
) -> None:
    put(cluster, "Backup", "b", spec={"storageLocation": "far"})
    put(cluster, "BackupStorageLocation", "far", spec={"provider": "p"})
    say(cluster, "Backup", "b", **good())
    track(warehouse, gateway, "standin", [])
    [row] = warehouse.query("SELECT usable, sound, usable_reason FROM oco.backup_records")
    assert row["sound"] and not row["usable"] and "'far' is not available" in row["usable_reason"]
    say(cluster, "Backup", "b", phase="")
    track(warehouse, gateway, "standin", [])
    [row] = warehouse.query("SELECT phase FROM oco.backup_records")
    assert row["phase"] == "New"


@pytest.mark.parametrize("kind", [Kind.BACKUP, Kind.RESTORE, Kind.LOCATION])
def test_an_unknown_phase_is_kept_as_it_is_flagged_and_not_waited_for(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: StandinCluster, kind: Kind
) -> None:
    put(cluster, kind.value, "x", spec={})
    say(cluster, kind.value, "x", **{**good(), "phase": "Hibernating"})
    seen = track(warehouse, gateway, "standin", [])
    assert (seen.unknown, seen.unfinished, seen.usable) == (1, 0, 0)
    table = "backup_records" if kind == Kind.BACKUP else "velero_objects WHERE name = 'x'"
    [row] = warehouse.query(f"SELECT phase, phase_known FROM oco.{table}")  # type: ignore[arg-type]
    assert row == {"phase": "Hibernating", "phase_known": False}


def test_processed_with_errors_is_a_failed_deletion(
    warehouse: Warehouse, gateway: KubernetesGateway, cluster: StandinCluster
) -> None:
    put(cluster, "Backup", "b", spec={})
    say(cluster, "Backup", "b", **good())
    put(cluster, "DeleteBackupRequest", "d", spec={"backupName": "b"})
    say(cluster, "DeleteBackupRequest", "d", phase="InProgress")
    assert track(warehouse, gateway, "standin", []).usable == 0
    say(cluster, "DeleteBackupRequest", "d", phase="Processed", errors=["no access to the bucket"])
    seen = track(warehouse, gateway, "standin", [])
    assert (seen.failed_deletions, seen.usable) == (1, 1)


def test_what_vanishes_stays_in_the_history(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    put(cluster, "Restore", "r", spec={"backupName": "b"})
    track(warehouse, gateway, "standin", [])
    say(cluster, "Restore", "r", phase="Completed")
    track(warehouse, gateway, "standin", [])
    track(warehouse, gateway, "standin", [])
    drop(cluster, "Restore", "r")
    track(warehouse, gateway, "standin", [])
    rows = warehouse.query(
        "SELECT phase, event FROM oco.velero_history WHERE name = 'r' ORDER BY id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("New", "seen"),
        ("Completed", "changed"),
        ("Completed", "vanished"),
    ]
    [row] = warehouse.query("SELECT vanished_at, phase FROM oco.velero_objects WHERE name = 'r'")
    assert row["vanished_at"] and row["phase"] == "Completed"


def test_more_objects_than_fit_on_a_page_are_all_recorded(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oco_pipelines.resilience.kubernetes_gateway.PAGE_SIZE", 3)
    for number in range(8):
        put(cluster, "Backup", f"b{number}", spec={})
        say(cluster, "Backup", f"b{number}", **good(ttl=timedelta(days=number + 1)))
    assert track(warehouse, gateway, "standin", []).seen == 8
    assert warehouse.query("SELECT count(*) AS n FROM oco.backup_records")[0]["n"] == 8
