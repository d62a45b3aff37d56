"""A stand-in cluster, a gateway to it and a policy in a fresh warehouse."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from oco_pipelines.resilience.kubernetes_calls import Patience
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.standin import StandinCluster, standin_cluster
from oco_pipelines.resilience.store import read_policy
from oco_warehouse.database import Warehouse

QUICK = Patience(connect=2, read=5, deadline=3, first_pause=0.02, longest_pause=0.1)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StandinCluster]:
    with standin_cluster(
        tmp_path / "kubeconfig", namespaces=["shop"], step_seconds=0.02, require_token=True
    ) as running:
        yield running


@pytest.fixture
def gateway(cluster: StandinCluster) -> KubernetesGateway:
    return KubernetesGateway(cluster.kubeconfig, patience=QUICK)


@pytest.fixture
def warehouse(warehouse_url: str) -> Warehouse:
    return Warehouse(warehouse_url)


@pytest.fixture
def make_policy(warehouse: Warehouse) -> Callable[..., DrPolicy]:
    def make(name: str = "shop", **changes: object) -> DrPolicy:
        values: dict[str, object] = {
            "name": name,
            "cluster": "standin",
            "namespaces": ["shop"],
            "schedule_cron": "0 * * * *",
            "rpo_target": timedelta(hours=2),
            "rto_target": timedelta(minutes=30),
            "protected": False,
            "created_at": None,
            **changes,
        }
        with warehouse.transaction() as connection:
            row = connection.execute(
                """
                INSERT INTO oco.dr_policies (name, cluster, namespaces, schedule_cron, rpo_target,
                                             rto_target, protected, created_at)
                VALUES (%(name)s, %(cluster)s, %(namespaces)s, %(schedule_cron)s, %(rpo_target)s,
                        %(rto_target)s, %(protected)s, coalesce(%(created_at)s, now()))
                RETURNING id::text
                """,
                values,
            ).fetchone()
        assert row is not None
        return read_policy(warehouse, row["id"])

    return make
