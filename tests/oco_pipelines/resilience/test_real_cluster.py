"""Drills and recoveries on the cluster of OCO_TEST_KUBECONFIG, in namespaces of our own."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from oco_pipelines.resilience import plans, store
from oco_pipelines.resilience.drill import backup_and_restore_once
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, RESTORES, KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.previewing import preview_plan
from oco_pipelines.resilience.restore import execute_plan
from oco_pipelines.resilience.tracker import follow, take_backup
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, InvalidInputError
from oco_warehouse.recovery_rules import RecoveryRequest

WAIT = {"wait_seconds": 600.0, "pause_seconds": 2.0}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture
def real(real_kubeconfig: Path) -> KubernetesGateway:
    return KubernetesGateway(real_kubeconfig)


@pytest.fixture
def context(real_kubeconfig: Path) -> str:
    return str(yaml.safe_load(real_kubeconfig.read_text())["current-context"])


@pytest.fixture
def home(real: KubernetesGateway, context: str) -> Iterator[str]:
    """A namespace of our own with one ConfigMap in it, and its copies; gone afterwards."""
    name = f"oco-test-{secrets.token_hex(4)}"
    real.create_namespace(context, name, {})
    real.create_config_map(context, name, "prices", {"tea": "3"}, {})
    yield name
    for namespace in (name, f"{name}-drill", f"{name}-copy"):
        real.delete_namespace(context, namespace)


def test_a_drill_passes(
    warehouse: Warehouse,
    real: KubernetesGateway,
    context: str,
    home: str,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy(home, cluster=context, namespaces=[home])
    done = backup_and_restore_once(warehouse, real, policy.id, f"{home}-drill", **WAIT)
    assert done.rto.total_seconds() > 0
    assert real.get_velero(context, BACKUPS, done.backup_name)["status"]["phase"] == "Completed"


def test_a_recovery_under_another_name_is_previewed_executed_once_and_verified(
    warehouse: Warehouse,
    real: KubernetesGateway,
    context: str,
    home: str,
    make_policy: Callable[..., DrPolicy],
) -> None:
    policy = make_policy(home, cluster=context, namespaces=[home])
    taken = take_backup(warehouse, real, policy, None)
    follow(warehouse, real, context, store.read_policies(warehouse), **WAIT)
    request = RecoveryRequest(taken.record_id, context, (home,), {home: f"{home}-copy"})
    plan_id = plans.make_plan(warehouse, request, purpose="recovery", requested_by="test")
    preview = preview_plan(warehouse, real, plan_id, **WAIT)
    assert preview["counts"]["skip"] == 0
    plans.approve(warehouse, plan_id, "test")
    assert execute_plan(warehouse, real, plan_id, **WAIT) == "completed"
    with pytest.raises(ConflictError, match="completed already"):
        execute_plan(warehouse, real, plan_id, **WAIT)
    assert real.read_config_map(context, f"{home}-copy", "prices")["data"] == {"tea": "3"}
    name = plans.read_plan(warehouse, plan_id)["restore_name"]
    assert real.get_velero(context, RESTORES, name)["status"]["phase"] == "Completed"


def test_the_real_definitions_refuse_unknown_fields(real: KubernetesGateway, context: str) -> None:
    body = {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": f"oco-test-{secrets.token_hex(4)}"},
        "spec": {"tll": "1h"},
    }
    with pytest.raises(InvalidInputError, match="unknown field"):
        real.create_velero(context, BACKUPS, body)
