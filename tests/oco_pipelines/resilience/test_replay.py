"""Whatever happens in a cluster in whatever order: what is recorded is what was the case.

Events change the cluster behind the API; now and then the tracker looks. A model that knows nothing
of our code replays the events and says what the records must be after each look.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.resilience.compliance import Verdict
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.naming import DUE_LABEL, MANAGED_BY, OWNER, POLICY_LABEL
from oco_pipelines.resilience.phases import PHASES, Kind
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.standin import StandinCluster, standin_cluster
from oco_pipelines.resilience.standin.resources import BY_KIND
from oco_pipelines.resilience.store import read_policy
from oco_pipelines.resilience.tracker import track
from oco_pipelines.resilience.verdicts import judge_policy
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.resilience.conftest import QUICK
from tests.oco_pipelines.resilience.quiet import drop, good, put, say

NAMES = ("a", "b", "c")
BACKUP_PHASES = [*sorted(PHASES[Kind.BACKUP]), "Hibernating"]
RESTORE_PHASES = [*sorted(PHASES[Kind.RESTORE]), "Hibernating"]
RPO = timedelta(hours=10)
EVENTS = st.one_of(
    st.tuples(st.just("create"), st.sampled_from(NAMES), st.integers(0, 20)),
    st.tuples(st.just("phase"), st.sampled_from(NAMES), st.sampled_from(BACKUP_PHASES)),
    st.tuples(st.just("items"), st.sampled_from(NAMES), st.integers(0, 3)),
    st.tuples(st.just("expire"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("drop"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("restore"), st.sampled_from(NAMES), st.sampled_from(RESTORE_PHASES)),
    st.tuples(st.just("unrestore"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("location"), st.just(""), st.booleans()),
    st.tuples(st.just("look"), st.just(""), st.just(0)),
)


@dataclass
class Truth:
    """What is in the cluster, and what a look at it must have recorded, by UID."""

    backups: dict[str, dict[str, Any]] = field(default_factory=dict)
    restores: dict[str, dict[str, Any]] = field(default_factory=dict)
    available: bool = True
    records: dict[str, tuple[str, bool, bool]] = field(default_factory=dict)
    others: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def look(self) -> None:
        """(phase, gone, usable) of all that was ever seen."""
        for uid, (phase, _, _) in self.records.items():
            self.records[uid] = (phase, True, False)
        for one in self.backups.values():
            self.records[one["uid"]] = (one["phase"], False, self.usable(one))
        for uid, (phase, _) in self.others.items():
            self.others[uid] = (phase, True)
        for one in self.restores.values():
            self.others[one["uid"]] = (one["phase"], False)

    def usable(self, one: dict[str, Any]) -> bool:
        return (
            one["phase"] == "Completed"
            and one["items"] == 3
            and not one["expired"]
            and self.available
        )


@pytest.fixture(scope="module")
def quiet_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandinCluster]:
    path: Path = tmp_path_factory.mktemp("replay") / "kubeconfig"
    with standin_cluster(path, namespaces=["shop"], step_seconds=3600) as running:
        yield running


@given(st.lists(EVENTS, max_size=25).map(lambda events: [*events, ("look", "", 0)]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_recorded_state_is_what_a_replay_of_the_clusters_truth_gives(
    warehouse: Warehouse,
    quiet_cluster: StandinCluster,
    make_policy: Any,
    events: list[tuple[str, str, Any]],
) -> None:
    policy = fresh(warehouse, quiet_cluster, make_policy)
    gateway = KubernetesGateway(quiet_cluster.kubeconfig, patience=QUICK)
    truth, start = Truth(), datetime.now(UTC)
    for number, event in enumerate(events):
        apply(quiet_cluster, truth, policy, event, start, number)
        if event[0] != "look":
            continue
        truth.look()
        track(warehouse, gateway, "standin", [policy])
        rows = warehouse.query(
            "SELECT backup_uid, phase, vanished_at, usable FROM oco.backup_records"
        )
        seen = {
            r["backup_uid"]: (r["phase"], r["vanished_at"] is not None, r["usable"]) for r in rows
        }
        assert seen == truth.records
        rows = warehouse.query("SELECT * FROM oco.velero_objects WHERE kind = 'Restore'")
        assert {r["uid"]: (r["phase"], r["vanished_at"] is not None) for r in rows} == truth.others
        verdict = judge_policy(warehouse, gateway, policy).verdict
        points = [one for one in truth.backups.values() if truth.usable(one)]
        fresh_enough = [one for one in points if datetime.now(UTC) - one["started"] <= RPO]
        assert verdict != Verdict.MET or fresh_enough
        assert fresh_enough or verdict in {Verdict.BREACHED, Verdict.AT_RISK}
    check_history(warehouse)


def fresh(warehouse: Warehouse, cluster: StandinCluster, make_policy: Any) -> DrPolicy:
    """An empty cluster and empty records; the database is the test's, not the example's."""
    for kind in ("Backup", "Restore"):
        _, there = cluster.objects.list_all(BY_KIND[kind])
        for body in there:
            drop(cluster, kind, body["metadata"]["name"])
    cluster.velero.set_location("default", "Available")
    for table in ("dr_policies", "backup_records", "velero_objects", "velero_history"):
        warehouse.execute(f"DELETE FROM oco.{table}")  # type: ignore[arg-type]
    made = make_policy(created_at=datetime.now(UTC) - timedelta(days=9), rpo_target=RPO)
    warehouse.execute("UPDATE oco.dr_policies SET keep_at_least = 0")
    return read_policy(warehouse, made.id)


def apply(
    cluster: StandinCluster,
    truth: Truth,
    policy: DrPolicy,
    event: tuple[str, str, Any],
    start: datetime,
    number: int,
) -> None:
    what, name, value = event
    one = truth.backups.get(name)
    if what == "create" and one is None:
        labels = {MANAGED_BY: OWNER, POLICY_LABEL: policy.id, DUE_LABEL: str(number)}
        body = put(
            cluster,
            "Backup",
            name,
            metadata={"labels": labels},
            spec={"includedNamespaces": ["shop"], "storageLocation": "default"},
        )
        began = (start - timedelta(hours=value)).replace(microsecond=0)
        say(cluster, "Backup", name, **good(began))
        truth.backups[name] = {
            "uid": body["metadata"]["uid"],
            "phase": "Completed",
            "items": 3,
            "expired": False,
            "started": began,
        }
    elif what == "phase" and one is not None:
        say(cluster, "Backup", name, phase=value)
        one["phase"] = value
    elif what == "items" and one is not None:
        say(cluster, "Backup", name, progress={"totalItems": 3, "itemsBackedUp": value})
        one["items"] = value
    elif what == "expire" and one is not None:
        at = start + timedelta(days=-30 if value else 30)
        say(cluster, "Backup", name, expiration=at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        one["expired"] = value
    elif what == "drop" and one is not None:
        drop(cluster, "Backup", name)
        del truth.backups[name]
    elif what == "restore":
        if name not in truth.restores:
            body = put(cluster, "Restore", name, spec={"backupName": name})
            truth.restores[name] = {"uid": body["metadata"]["uid"]}
        say(cluster, "Restore", name, phase=value)
        truth.restores[name]["phase"] = value
    elif what == "unrestore" and name in truth.restores:
        drop(cluster, "Restore", name)
        del truth.restores[name]
    elif what == "location":
        cluster.velero.set_location("default", "Available" if value else "Unavailable")
        truth.available = value


def check_history(warehouse: Warehouse) -> None:
    """Each object's history begins with its first sight, and no entry repeats the one before."""
    rows = warehouse.query("SELECT kind, uid, phase, event FROM oco.velero_history ORDER BY id")
    by_uid: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in rows:
        by_uid.setdefault((row["kind"], row["uid"]), []).append((row["event"], row["phase"]))
    for entries in by_uid.values():
        assert entries[0][0] == "seen"
        assert all(event != "seen" for event, _ in entries[1:])
        assert all(one != other for one, other in pairwise(entries))
