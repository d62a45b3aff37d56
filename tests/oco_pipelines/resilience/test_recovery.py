"""A recovery plan from its request to its verified end: one restore, whatever happens."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dagster import DagsterInstance, Definitions, in_process_executor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.resilience import plans, restore, store
from oco_pipelines.resilience.definitions import build
from oco_pipelines.resilience.evidence import DOWNLOADS, backup_contents
from oco_pipelines.resilience.kubernetes_calls import Patience
from oco_pipelines.resilience.kubernetes_gateway import RESTORES, KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.previewing import preview_plan
from oco_pipelines.resilience.restore import execute_plan
from oco_pipelines.resilience.resuming import requests_for
from oco_pipelines.resilience.standin import StandinCluster, standin_clusters
from oco_pipelines.resilience.standin.api import Fault
from oco_pipelines.resilience.standin.resources import BY_KIND
from oco_pipelines.resilience.standin.velero import CONFIGMAPS, NAMESPACE
from oco_pipelines.resilience.standin.velero import RESTORES as VELERO_RESTORES
from oco_pipelines.resilience.tracker import follow, take_backup
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import (
    ConflictError,
    InvalidInputError,
    UpstreamError,
    UpstreamUnavailable,
)
from oco_warehouse.recovery_rules import RecoveryRequest
from oco_warehouse.settings import load_settings

QUICK = Patience(connect=2, read=5, deadline=3, first_pause=0.02, longest_pause=0.1)
FAST = {"wait_seconds": 10.0, "pause_seconds": 0.02}
Pair = dict[str, StandinCluster]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two clusters with one bucket: `standin` has the namespace shop, `spare` has nothing."""
    with standin_clusters(
        tmp_path / "kubeconfig",
        ["standin", "spare"],
        namespaces=["shop"],
        step_seconds=0.02,
        sync_seconds=0.05,
    ) as running:
        yield running


@pytest.fixture
def gateway(pair: Pair) -> KubernetesGateway:
    return KubernetesGateway(pair["standin"].kubeconfig, patience=QUICK)


@pytest.fixture
def backup(
    warehouse: Warehouse, gateway: KubernetesGateway, make_policy: Callable[..., DrPolicy]
) -> Callable[..., str]:
    """Takes a backup of shop with one ConfigMap in it; returns the id of its record."""

    def take(**changes: object) -> str:
        policy = make_policy(**changes)
        gateway.create_config_map("standin", "shop", "prices", {"tea": "3"}, {})
        taken = take_backup(warehouse, gateway, policy, None)
        follow(warehouse, gateway, "standin", store.read_policies(warehouse), **FAST)
        return taken.record_id

    return take


@pytest.fixture
def plan(warehouse: Warehouse, gateway: KubernetesGateway) -> Callable[..., str]:
    """Asks for a plan; returns its id."""

    def ask(backup_id: str, to: str = "standin", **changes: Any) -> str:
        request = RecoveryRequest(backup_id, to, changes.pop("namespaces", ("shop",)), **changes)
        known = gateway.clusters()
        return plans.make_plan(
            warehouse, request, purpose="recovery", requested_by="test", clusters=known
        )

    return ask


def approved(warehouse: Warehouse, gateway: KubernetesGateway, plan_id: str) -> str:
    preview_plan(warehouse, gateway, plan_id, **FAST)
    plans.approve(warehouse, plan_id, "test")
    return plan_id


def run(warehouse: Warehouse, gateway: KubernetesGateway, plan_id: str) -> str:
    return execute_plan(warehouse, gateway, plan_id, settle_seconds=0.2, **FAST)


def steps(warehouse: Warehouse) -> list[str]:
    rows = warehouse.query(
        "SELECT action FROM oco.audit_log WHERE entity_type = 'recovery_plan' ORDER BY id"
    )
    return [row["action"].removeprefix("recovery_plan.") for row in rows]


def restores(gateway: KubernetesGateway, cluster: str = "standin") -> int:
    return len(gateway.list_velero(cluster, RESTORES))


Ask = Callable[..., str]


def test_a_recovery_into_another_cluster_is_previewed_executed_and_verified(
    warehouse: Warehouse, gateway: KubernetesGateway, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    preview = plans.read_plan(warehouse, plan_id)["preview"]
    assert preview["counts"] == {"create": 2, "skip": 0, "overwrite": 0, "clashes": 0}
    assert run(warehouse, gateway, plan_id) == "completed"
    assert gateway.read_config_map("spare", "shop", "prices")["data"] == {"tea": "3"}
    assert plans.read_plan(warehouse, plan_id)["verification"]["expected_objects"] == 2
    assert steps(warehouse) == [
        "requested",
        "previewed",
        "approved",
        "executing",
        "restore_created",
        "completed",
    ]


def test_a_preview_says_what_is_skipped_and_what_an_update_would_overwrite(
    warehouse: Warehouse, gateway: KubernetesGateway, backup: Ask, plan: Ask
) -> None:
    taken = backup()
    skipping = preview_plan(warehouse, gateway, plan(taken), **FAST)
    assert skipping["counts"] == {"create": 0, "skip": 2, "overwrite": 0, "clashes": 1}
    assert "Velero skips them" in skipping["clashes"][0]
    updating = plan(taken, existing_resource_policy="update")
    preview = preview_plan(warehouse, gateway, updating, **FAST)
    assert preview["overwrite"]["objects"] == ["v1/ConfigMap shop/prices"]


def test_a_preview_warns_of_volumes_and_role_bindings_of_a_mapped_namespace(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    objects = pair["standin"].objects
    claim, bindings = BY_KIND["PersistentVolumeClaim"], BY_KIND["RoleBinding"]
    objects.create(claim, "shop", {"metadata": {"name": "data"}, "spec": {"volumeName": "disk"}})
    objects.create(bindings, "shop", {"metadata": {"name": "web"}})
    mapped = plan(backup(), namespace_mapping={"shop": "copy"})
    clashes = "\n".join(preview_plan(warehouse, gateway, mapped, **FAST)["clashes"])
    assert "volume claim copy/data" in clashes
    assert "role binding copy/web keeps naming service accounts of namespace 'shop'" in clashes


def test_a_copy_of_a_backup_in_another_cluster_is_none_of_the_policys_recovery_points(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    backup: Ask,
    plan: Ask,
    make_policy: Callable[..., DrPolicy],
) -> None:
    preview_plan(warehouse, gateway, plan(backup(), "spare"), **FAST)  # it has synced there
    make_policy("of the spare", cluster="spare")
    follow(warehouse, gateway, "spare", store.read_policies(warehouse), **FAST)
    rows = warehouse.query("SELECT cluster, policy_id IS NULL AS free FROM oco.backup_records")
    assert {row["cluster"]: row["free"] for row in rows} == {"standin": False, "spare": True}


def test_a_namespace_that_a_protected_selector_finds_now_is_refused_at_every_step(
    warehouse: Warehouse, gateway: KubernetesGateway, backup: Ask, plan: Ask
) -> None:
    taken = backup()
    before = approved(warehouse, gateway, plan(taken, namespace_mapping={"shop": "gold"}))
    gateway.create_namespace("standin", "gold", {"tier": "gold"})
    # Never judged, because it is disabled: the warehouse does not know what it finds.
    warehouse.execute(
        "INSERT INTO oco.dr_policies (name, cluster, namespaces, namespace_selector, "
        "schedule_cron, rpo_target, rto_target, protected, enabled) VALUES ('gold', 'standin', "
        "'{}', '{\"matchLabels\": {\"tier\": \"gold\"}}', '0 * * * *', '2 hours', '1 hour', true, "
        "false)"
    )
    after = plan(taken, namespace_mapping={"shop": "gold"})
    with pytest.raises(InvalidInputError, match="'gold' of cluster 'standin' is protected"):
        preview_plan(warehouse, gateway, after, **FAST)
    with pytest.raises(InvalidInputError, match="'gold' of cluster 'standin' is protected"):
        run(warehouse, gateway, before)
    assert {plans.read_plan(warehouse, one)["status"] for one in (before, after)} == {"failed"}
    assert restores(gateway) == 0


@pytest.mark.parametrize(("target", "left_out"), [("standin", True), ("spare", False)])
def test_volumes_are_left_out_only_where_namespaces_of_one_cluster_are_mapped(
    target: str, left_out: bool
) -> None:
    spec = restore.build_restore(
        {
            "id": "p",
            "backup_name": "b",
            "restore_name": "r",
            "namespaces": ["shop"],
            "namespace_mapping": {"shop": "copy"},
            "existing_resource_policy": "none",
            "source_cluster": "standin",
            "target_cluster": target,
        }
    )["spec"]
    assert (spec.get("includeClusterResources") is False) == left_out


def test_a_preview_is_made_once(
    warehouse: Warehouse, gateway: KubernetesGateway, backup: Ask, plan: Ask
) -> None:
    plan_id = plan(backup(), namespace_mapping={"shop": "copy"})
    first = preview_plan(warehouse, gateway, plan_id, **FAST)
    gateway.create_namespace("standin", "copy", {})
    assert preview_plan(warehouse, gateway, plan_id, **FAST) == first


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"to": "nowhere"}, "target cluster 'nowhere' is unknown"),
        ({"namespaces": ("other",)}, "does not hold namespace 'other'"),
        ({"namespaces": ()}, "from 1 to"),
        ({"namespaces": ("shop", "shop")}, "names one twice"),
        ({"namespace_mapping": {"other": "x"}}, "namespaces does not name"),
        ({"namespace_mapping": {"shop": "Bad"}}, "not a namespace's name"),
        ({"namespace_mapping": {"shop": "kube-system"}}, "the cluster's own"),
        ({"existing_resource_policy": "replace"}, "one of none, update"),
    ],
)
def test_a_plan_that_could_only_fail_or_do_harm_is_refused(
    backup: Ask, plan: Ask, change: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(InvalidInputError, match=wrong):
        plan(backup(), **change)


def test_a_plan_is_immutable(
    warehouse: Warehouse, gateway: KubernetesGateway, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    for change in ("target_cluster = 'standin'", "preview = '{}'", "namespaces = '{a}'"):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="immutable"):
            warehouse.execute(f"UPDATE oco.recovery_plans SET {change}")  # type: ignore[arg-type]
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="cannot become"):
        warehouse.execute("UPDATE oco.recovery_plans SET status = 'completed'")
    assert plan_id


def test_a_plan_is_executed_only_when_it_was_previewed_and_approved(
    warehouse: Warehouse, gateway: KubernetesGateway, backup: Ask, plan: Ask
) -> None:
    plan_id = plan(backup(), "spare")
    with pytest.raises(ConflictError, match="no preview yet"):
        plans.approve(warehouse, plan_id, "test")
    with pytest.raises(ConflictError, match="not approved"):
        run(warehouse, gateway, plan_id)
    assert restores(gateway, "spare") == 0


def test_a_cancelled_plan_is_never_executed(
    warehouse: Warehouse, gateway: KubernetesGateway, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    plans.cancel(warehouse, plan_id, "test")
    plans.cancel(warehouse, plan_id, "test")
    with pytest.raises(ConflictError, match="cancelled already"):
        run(warehouse, gateway, plan_id)
    assert steps(warehouse).count("cancelled") == 1


def test_recovery_into_another_cluster_waits_for_the_sync_and_says_so(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    pair["spare"].velero.paused = True
    plan_id = plan(backup(), "spare")
    with pytest.raises(UpstreamUnavailable, match="has not synced into cluster 'spare'"):
        preview_plan(warehouse, gateway, plan_id, wait_seconds=0.1, pause_seconds=0.02)
    assert "has not synced" in plans.read_plan(warehouse, plan_id)["waiting_for"]
    pair["spare"].velero.paused = False
    preview_plan(warehouse, gateway, plan_id, **FAST)
    assert plans.read_plan(warehouse, plan_id)["waiting_for"] is None


def test_recovery_waits_for_the_location_of_the_target_and_begins_nothing_before(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    pair["spare"].velero.set_location("default", "Unavailable")
    with pytest.raises(UpstreamUnavailable, match="'default' of cluster 'spare' is not Available"):
        execute_plan(warehouse, gateway, plan_id, wait_seconds=0.1, pause_seconds=0.02)
    assert (plans.read_plan(warehouse, plan_id)["status"], restores(gateway, "spare")) == (
        "approved",
        0,
    )
    pair["spare"].velero.set_location("default", "Available")
    assert run(warehouse, gateway, plan_id) == "completed"


def test_a_lost_answer_to_the_creation_leads_to_one_restore(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    faults = pair["spare"].api.faults
    faults.append(Fault(0, method="POST", path="restores", after=True))
    faults.append(Fault(500, method="POST", path="restores", after=True))
    faults.append(Fault(429, retry_after=0, method="GET", path="restores", times=3))
    assert run(warehouse, gateway, plan_id) == "completed"
    assert restores(gateway, "spare") == 1


def test_a_kill_between_creation_and_record_leads_to_one_restore(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    backup: Ask,
    plan: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        """What no handler of ours catches, as little as a kill."""

    def die(*arguments: object) -> None:
        raise Killed

    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    with monkeypatch.context() as patched:
        patched.setattr(plans, "note_restore", die)
        with pytest.raises(Killed):
            run(warehouse, gateway, plan_id)
    assert plans.read_plan(warehouse, plan_id)["restore_uid"] is None
    assert run(warehouse, gateway, plan_id) == "completed"
    assert restores(gateway, "spare") == 1


def test_two_executors_at_once_make_one_restore_and_one_end(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    outcomes: list[str] = []

    def execute() -> None:
        own = KubernetesGateway(pair["spare"].kubeconfig, patience=QUICK)
        try:
            outcomes.append(run(warehouse, own, plan_id))
        except ConflictError as error:
            outcomes.append("completed" if "completed already" in str(error) else str(error))

    threads = [threading.Thread(target=execute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["completed"] * 4
    assert restores(gateway, "spare") == 1
    assert steps(warehouse).count("completed") == steps(warehouse).count("restore_created") == 1


def test_a_restore_that_was_seen_and_deleted_is_never_made_again(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    pair["spare"].velero.paused = True
    executing = execute_plan(warehouse, gateway, plan_id, wait_seconds=0, pause_seconds=0.02)
    assert executing == "executing"
    name = plans.read_plan(warehouse, plan_id)["restore_name"]
    pair["spare"].objects.delete(VELERO_RESTORES, NAMESPACE, name)
    assert run(warehouse, gateway, plan_id) == "failed"
    assert restores(gateway, "spare") == 0
    assert "was deleted" in plans.read_plan(warehouse, plan_id)["failure_reason"]


def test_a_restart_of_velero_amid_the_restore_fails_the_plan(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    velero = pair["spare"].velero
    velero.step_seconds = 3600
    velero.paused = True
    execute_plan(warehouse, gateway, plan_id, wait_seconds=0, pause_seconds=0.02)
    velero.paused = False
    velero.step()
    velero.restart()
    assert run(warehouse, gateway, plan_id) == "failed"
    assert "server starting" in plans.read_plan(warehouse, plan_id)["failure_reason"]


def test_an_object_that_did_not_come_back_is_found_though_velero_says_completed(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    gateway.create_config_map("standin", "shop", "recipes", {}, {})
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    pair["spare"].velero.lost.add("ConfigMap/shop/prices")
    assert run(warehouse, gateway, plan_id) == "partially_failed"
    found = plans.read_plan(warehouse, plan_id)
    assert found["restore_phase"] == "Completed"
    assert found["failure_reason"] == "v1/ConfigMap shop/prices did not come back"


def test_objects_that_the_cluster_refuses_make_a_partial_failure(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    gateway.create_config_map("standin", "shop", "recipes", {}, {})
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    pair["spare"].velero.refused.add("ConfigMap/shop/prices")
    assert run(warehouse, gateway, plan_id) == "partially_failed"
    assert "PartiallyFailed" in plans.read_plan(warehouse, plan_id)["failure_reason"]


def test_an_expired_backup_is_not_restored_though_the_plan_was_approved(
    warehouse: Warehouse, gateway: KubernetesGateway, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    warehouse.execute("UPDATE oco.backup_records SET expires_at = now()")
    with pytest.raises(InvalidInputError, match="has expired"):
        run(warehouse, gateway, plan_id)
    assert restores(gateway, "spare") == 0


def test_another_backup_of_the_same_name_is_not_restored(
    warehouse: Warehouse, gateway: KubernetesGateway, backup: Ask, plan: Ask
) -> None:
    plan_id = plan(backup())
    warehouse.execute("UPDATE oco.backup_records SET backup_uid = 'of-before'")
    with pytest.raises(UpstreamUnavailable, match="another one of the same name"):
        preview_plan(warehouse, gateway, plan_id, wait_seconds=0, pause_seconds=0.02)


FAULTS = {
    "hang": Fault(0, method="POST", path="/restores"),
    "hang after": Fault(0, method="POST", path="/restores", after=True),
    "500 after": Fault(500, method="POST", path="/restores", after=True),
    "429": Fault(429, retry_after=0, method="POST", path="/restores", times=2),
}


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.sampled_from([*FAULTS, "run", "kill", "twice"]),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_is_repeated_or_crashes_there_is_one_restore(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    pair: Pair,
    make_policy: Callable[..., DrPolicy],
    plan: Ask,
    events: list[str],
) -> None:
    policies = store.read_policies(warehouse)
    policy = policies[0] if policies else make_policy()
    if not policies:
        gateway.create_config_map("standin", "shop", "prices", {"tea": "3"}, {})
    taken = take_backup(warehouse, gateway, policy, None)
    follow(warehouse, gateway, "standin", [policy], **FAST)
    copy = f"copy-{restores(gateway)}"
    plan_id = plan(taken.record_id, namespace_mapping={"shop": copy})
    approved(warehouse, gateway, plan_id)
    before, faults = restores(gateway), pair["standin"].api.faults
    for event in events:
        faults.clear()
        if event in FAULTS:
            faults.append(FAULTS[event])
        elif event == "kill":
            # Created, and nothing recorded: what a process leaves that dies right then.
            begun = plans.read_plan(warehouse, plan_id)
            if begun["status"] == "approved":
                begun = plans.begin(warehouse, plan_id, restore.naming.restore_name(plan_id))
                gateway.create_velero("standin", RESTORES, restore.build_restore(begun))
        for _ in range(2 if event == "twice" else 1):
            try:
                execute_plan(warehouse, gateway, plan_id, wait_seconds=0, pause_seconds=0.01)
            except (ConflictError, UpstreamError):
                continue
    faults.clear()
    status = plans.read_plan(warehouse, plan_id)["status"]
    if status != "completed":
        assert run(warehouse, gateway, plan_id) == "completed"
    assert restores(gateway) == before + 1


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as running:
        yield running


def test_dagster_previews_and_executes_what_was_asked_for_over_the_api(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    pair: Pair,
    instance: DagsterInstance,
    backup: Ask,
    plan: Ask,
) -> None:
    plan_id = plan(backup(), "spare")
    shared = Definitions(
        resources={"warehouse": WarehouseResource(database_url=warehouse.url)},
        executor=in_process_executor,
    )
    built = build(load_settings({"OCO_KUBECONFIG": str(pair["spare"].kubeconfig)}))
    found = Definitions.merge(built, shared)

    def tick() -> None:
        [request] = requests_for(instance, warehouse, ["spare"], datetime.now(UTC))
        [again] = requests_for(instance, warehouse, ["spare"], datetime.now(UTC))
        assert request.run_key == again.run_key and plan_id in str(request.run_key)
        job = found.resolve_job_def(str(request.job_name))
        tags = dict(request.tags)
        assert job.execute_in_process(
            run_config=request.run_config, tags=tags, instance=instance
        ).success

    tick()
    assert plans.read_plan(warehouse, plan_id)["previewed_at"] is not None
    assert requests_for(instance, warehouse, ["spare"], datetime.now(UTC)) == []
    plans.approve(warehouse, plan_id, "test")
    assert requests_for(instance, warehouse, ["spare"], datetime.now(UTC)) == []
    plans.request_execution(warehouse, plan_id, "test")
    tick()
    assert plans.read_plan(warehouse, plan_id)["status"] == "completed"
    later = datetime.now(UTC) + timedelta(hours=3)
    assert requests_for(instance, warehouse, ["spare"], later) == []
    assert pair["spare"].objects.get(CONFIGMAPS, "shop", "prices")


def test_a_resource_list_that_velero_does_not_hand_out_is_an_error_and_leaves_no_request(
    gateway: KubernetesGateway, pair: Pair
) -> None:
    with pytest.raises(UpstreamError, match="was not handed out by Velero"):
        backup_contents(gateway, "standin", "unknown", 0.1)
    assert gateway.list_velero("standin", DOWNLOADS) == []


def test_a_kind_that_cannot_be_listed_is_told_and_is_no_success(
    warehouse: Warehouse, gateway: KubernetesGateway, pair: Pair, backup: Ask, plan: Ask
) -> None:
    plan_id = approved(warehouse, gateway, plan(backup(), "spare"))
    refusal = Fault(403, method="GET", path="/namespaces/shop/configmaps", times=50)
    pair["spare"].api.faults.append(refusal)
    assert run(warehouse, gateway, plan_id) == "partially_failed"
    said = plans.read_plan(warehouse, plan_id)["failure_reason"]
    assert "v1/ConfigMap cannot be checked" in said
