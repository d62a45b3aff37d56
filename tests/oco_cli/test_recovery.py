"""`oco dr plan|plans|execute|cancel|drill|drills` as a person runs them."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oco_pipelines.resilience.standin import StandinCluster, standin_clusters
from oco_pipelines.resilience.standin.objects import ApiError
from oco_pipelines.resilience.standin.velero import CONFIGMAPS
from oco_warehouse.database import Warehouse

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Pair = dict[str, StandinCluster]


@pytest.fixture
def pair(tmp_path: Path, warehouse: Warehouse) -> Iterator[Pair]:
    """Two clusters with one bucket, and a policy for what is in the first."""
    warehouse.execute(
        "INSERT INTO oco.dr_policies (name, cluster, namespaces, schedule_cron, rpo_target, "
        "rto_target) VALUES ('shop', 'production', '{shop}', '0 3 * * *', '26 hours', '1 hour')"
    )
    with standin_clusters(
        tmp_path / "kubeconfig",
        ["production", "spare"],
        namespaces=["shop"],
        step_seconds=0.05,
        sync_seconds=0.1,
    ) as running:
        body = {"metadata": {"name": "prices"}, "data": {"tea": "3"}}
        running["production"].objects.create(CONFIGMAPS, "shop", body)
        yield running


def test_a_drill_and_a_recovery_into_another_cluster_from_the_command_line_alone(
    oco: Run, pair: Pair
) -> None:
    kubeconfig = str(pair["production"].kubeconfig)
    drilled = oco("dr", "drill", "shop", OCO_KUBECONFIG=kubeconfig)
    assert drilled.returncode == 0, drilled.stderr
    assert "drill of shop passed" in drilled.stdout and "RTO" in drilled.stdout
    assert "passed" in oco("dr", "drills").stdout

    planned = oco("dr", "plan", "--policy", "shop", "--to", "spare", OCO_KUBECONFIG=kubeconfig)
    assert planned.returncode == 0, planned.stderr
    assert "would create 3" in planned.stdout and "v1/ConfigMap shop/prices" in planned.stdout
    plan_id = planned.stdout.split()[2]
    executed = oco("dr", "execute", plan_id, "--yes", OCO_KUBECONFIG=kubeconfig)
    assert executed.returncode == 0, executed.stdout + executed.stderr
    assert "status: completed" in executed.stdout
    again = oco("dr", "execute", plan_id, "--yes", OCO_KUBECONFIG=kubeconfig)
    assert again.returncode == 0 and "status: completed" in again.stdout
    assert pair["spare"].objects.get(CONFIGMAPS, "shop", "prices")["data"] == {"tea": "3"}
    assert plan_id in oco("dr", "plans").stdout
    refused = oco("dr", "cancel", plan_id)
    assert refused.returncode == 1 and "cannot be called back" in refused.stderr


def test_a_protected_target_is_refused_in_one_line(
    oco: Run, pair: Pair, warehouse: Warehouse
) -> None:
    kubeconfig = str(pair["production"].kubeconfig)
    assert oco("dr", "drill", "shop", OCO_KUBECONFIG=kubeconfig).returncode == 0
    warehouse.execute("UPDATE oco.dr_policies SET protected = true")
    refused = oco("dr", "plan", "--policy", "shop", OCO_KUBECONFIG=kubeconfig)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert "protected" in refused.stderr
    with pytest.raises(ApiError):
        pair["spare"].objects.get(CONFIGMAPS, "shop", "prices")


def test_without_a_kubeconfig_the_command_says_what_to_set(oco: Run) -> None:
    refused = oco("dr", "drill", "shop")
    assert refused.returncode == 1 and "OCO_KUBECONFIG" in refused.stderr
