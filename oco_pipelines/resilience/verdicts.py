"""Judging a policy from the warehouse and the cluster, and keeping the verdict."""

from datetime import UTC, datetime

from oco_pipelines.resilience import store
from oco_pipelines.resilience.compliance import Evidence, Judgement, judge
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.tracker import available_locations
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConfigurationError, UpstreamError


def judge_policy(
    warehouse: Warehouse, gateway: KubernetesGateway | None, policy: DrPolicy
) -> Judgement:
    """Judge one policy now and write the verdict; Unknown when its cluster cannot be read."""
    now = datetime.now(UTC)
    found = store.read_evidence(warehouse, policy, now)
    evidence = Evidence(
        cluster_read=_can_read(gateway, policy.cluster),
        newest_usable_started_at=found["newest_started_at"],
        measured_rto=found["measured_rto"],
        last_attempt_problem=found["problem"],
        policy_created_at=policy.created_at,
    )
    judgement = judge(evidence, policy.rpo_target, policy.rto_target, now)
    store.keep_judgement(
        warehouse, policy.id, judgement, found["newest_id"], found["measured_rto"], now
    )
    return judgement


def _can_read(gateway: KubernetesGateway | None, cluster: str) -> bool:
    if gateway is None:
        return False
    try:
        available_locations(gateway, cluster)
    except (UpstreamError, ConfigurationError):
        return False
    return True
