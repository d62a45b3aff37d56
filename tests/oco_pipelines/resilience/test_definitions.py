"""The assets and sensors, run by Dagster against a real warehouse and the stand-in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from dagster import (
    AssetMaterialization,
    AssetObservation,
    DagsterInstance,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    Definitions,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    build_sensor_context,
    in_process_executor,
)

from oco_pipelines.resilience.assets import NO_CLUSTER, KubernetesResource
from oco_pipelines.resilience.definitions import build
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.looking import look_around
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.sensors import dr_policy_due, unfinished_backups
from oco_pipelines.resilience.standin import StandinCluster
from oco_pipelines.resilience.standin.api import Fault
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings

ASSETS = ["backup_compliance", "backup_records", "backups", "dr_policies"]


def definitions(warehouse: Warehouse, kubeconfig: Path | None) -> Definitions:
    environment = {"OCO_KUBECONFIG": str(kubeconfig)} if kubeconfig else {}
    shared = Definitions(
        resources={"warehouse": WarehouseResource(database_url=warehouse.url)},
        executor=in_process_executor,
    )
    return Definitions.merge(build(load_settings(environment)), shared)


def materialise(defs: Definitions, **config: object) -> dict[str, dict[str, object]]:
    job = defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(run_config=config or None, raise_on_error=True)
    return {
        event.step_materialization_data.materialization.asset_key.to_user_string(): {
            name: value.value
            for name, value in event.step_materialization_data.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


def look(
    instance: DagsterInstance, warehouse: Warehouse, kubeconfig: Path | None
) -> SensorResult | SkipReason:
    context: SensorEvaluationContext = build_sensor_context(
        instance=instance,
        resources={
            "warehouse": WarehouseResource(database_url=warehouse.url),
            "kubernetes": KubernetesResource(kubeconfig=str(kubeconfig) if kubeconfig else None),
        },
    )
    found = dr_policy_due(context)
    assert isinstance(found, SensorResult | SkipReason)
    return found


def test_without_a_cluster_every_asset_succeeds_and_says_so(
    warehouse: Warehouse, make_policy: Callable[..., DrPolicy]
) -> None:
    make_policy()
    found = materialise(definitions(warehouse, None))
    assert sorted(found) == ASSETS
    for name in ("backups", "backup_records", "backup_compliance"):
        assert found[name]["rows"] == 0 and found[name]["note"] == NO_CLUSTER


def test_assets_take_follow_and_judge_one_backup_for_each_policy(
    warehouse: Warehouse, cluster: StandinCluster, make_policy: Callable[..., DrPolicy]
) -> None:
    make_policy("shop")
    make_policy("off-site", cluster="another")
    found = materialise(definitions(warehouse, cluster.kubeconfig))
    assert found["backups"]["rows"] == 1
    assert "another" in str(found["backups"]["skipped"])
    assert "another" in str(found["dr_policies"]["problems"])
    assert found["backup_records"]["usable"] == 1
    verdicts = warehouse.query(
        """
        SELECT policy.name, verdict FROM oco.dr_compliance
        JOIN oco.dr_policies AS policy ON policy.id = policy_id ORDER BY name
        """
    )
    assert [tuple(row.values()) for row in verdicts] == [
        ("off-site", "Unknown"),
        ("shop", "PolicyMet"),
    ]


def test_due_policy_gets_one_backup_that_dagster_shows_and_then_none(
    warehouse: Warehouse, cluster: StandinCluster, make_policy: Callable[..., DrPolicy]
) -> None:
    policy = make_policy(
        schedule_cron="0 0 * * *", created_at=datetime.now(UTC) - timedelta(days=3, hours=1)
    )
    with DagsterInstance.ephemeral() as instance:
        found = look(instance, warehouse, cluster.kubeconfig)
        again = look(instance, warehouse, cluster.kubeconfig)
    assert isinstance(found, SensorResult) and isinstance(again, SkipReason)
    [event] = found.asset_events
    assert isinstance(event, AssetMaterialization)
    told = {name: value.value for name, value in event.metadata.items()}
    [row] = warehouse.query("SELECT due_at, policy_id::text, triggered_at FROM oco.backup_records")
    assert row["policy_id"] == policy.id
    assert told["run_key"] == f"{policy.id}:{row['due_at'].isoformat()}"
    assert told["missed"] in {2, 3} and float(str(told["lateness_seconds"])) >= 0
    [due] = warehouse.query("SELECT * FROM oco.dr_due_times")
    assert due["state"] == "created" and due["run_key"] == told["run_key"]
    assert due["missed"] == told["missed"]


def test_a_due_backup_that_cannot_be_created_is_told_and_not_called_a_materialisation(
    warehouse: Warehouse, cluster: StandinCluster, make_policy: Callable[..., DrPolicy]
) -> None:
    make_policy(schedule_cron="0 0 * * *", created_at=datetime.now(UTC) - timedelta(days=2))
    cluster.api.faults.append(Fault(403, method="POST"))
    with DagsterInstance.ephemeral() as instance:
        found = look(instance, warehouse, cluster.kubeconfig)
    assert isinstance(found, SensorResult)
    [event] = found.asset_events
    assert isinstance(event, AssetObservation) and "problem" in event.metadata


def test_disabled_or_unreachable_policies_are_not_due(
    warehouse: Warehouse, cluster: StandinCluster, make_policy: Callable[..., DrPolicy]
) -> None:
    old = datetime.now(UTC) - timedelta(days=2)
    make_policy("elsewhere", cluster="another", created_at=old)
    make_policy("wrong", schedule_cron="never", created_at=old)
    off = make_policy("off", created_at=old)
    warehouse.execute("UPDATE oco.dr_policies SET enabled = false WHERE id = %s", [off.id])
    with DagsterInstance.ephemeral() as instance:
        assert isinstance(look(instance, warehouse, cluster.kubeconfig), SkipReason)
        skipped = look(instance, warehouse, None)
    assert isinstance(skipped, SkipReason) and skipped.skip_message == NO_CLUSTER


@pytest.mark.parametrize(
    ("where", "phase", "asked"),
    [
        ("standin", "InProgress", True),
        ("standin", "Completed", False),
        ("removed", "InProgress", False),
        ("without-policy", "InProgress", False),
    ],
)
def test_backups_are_followed_only_while_one_that_can_be_seen_is_unfinished(
    warehouse: Warehouse,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
    where: str,
    phase: str,
    asked: bool,
) -> None:
    make_policy("a")
    make_policy("b", cluster="removed")
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["contexts"].append({**config["contexts"][0], "name": "without-policy"})
    cluster.kubeconfig.write_text(yaml.safe_dump(config))
    warehouse.execute(
        """
        INSERT INTO oco.backup_records (cluster, backup_name, backup_uid, phase)
        VALUES (%s, 'b', 'u', %s)
        """,
        [where, phase],
    )
    warehouse.execute(
        "INSERT INTO oco.dr_clusters (cluster, last_read_at) VALUES ('standin', now())"
    )
    with DagsterInstance.ephemeral() as instance:
        context = build_sensor_context(
            instance=instance,
            resources={
                "warehouse": WarehouseResource(database_url=warehouse.url),
                "kubernetes": KubernetesResource(kubeconfig=str(cluster.kubeconfig)),
            },
        )
        assert isinstance(unfinished_backups(context), SensorResult) == asked


def test_a_location_that_breaks_is_judged_though_no_backup_is_on_its_way(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    make_policy()
    [first] = look_around(warehouse, gateway, ["standin"])
    assert (
        first.verdicts == {"shop": "AtRisk"} and look_around(warehouse, gateway, ["standin"]) == []
    )
    cluster.velero.set_location("default", "Unavailable")
    warehouse.execute("UPDATE oco.dr_clusters SET last_read_at = now() - interval '6 minutes'")
    warehouse.execute("UPDATE oco.dr_policy_status SET judged_at = now() - interval '6 minutes'")
    [again] = look_around(warehouse, gateway, ["standin"])
    assert again.verdicts == {"shop": "AtRisk"} and again.tracked is not None
    # The same verdict once more makes no row of its own.
    assert len(warehouse.query("SELECT 1 FROM oco.dr_compliance")) == 1


def test_a_look_that_failed_is_not_repeated_at_once(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: StandinCluster,
    make_policy: Callable[..., DrPolicy],
) -> None:
    make_policy()
    cluster.api.faults.append(Fault(403, method="GET"))
    [failed] = look_around(warehouse, gateway, ["standin"])
    assert "403" in failed.problem and failed.tracked is None
    assert look_around(warehouse, gateway, ["standin"]) == []


def test_everything_that_ticks_runs_by_default() -> None:
    found = build(load_settings({}))
    assert all(item.default_status == DefaultSensorStatus.RUNNING for item in found.sensors or [])
    assert all(
        item.default_status == DefaultScheduleStatus.RUNNING  # type: ignore[union-attr]
        for item in found.schedules or []
    )
