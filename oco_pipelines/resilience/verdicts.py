"""Judging policies from the warehouse, and keeping the verdicts."""

from datetime import datetime, timedelta
from typing import Any, Final

from oco_pipelines.resilience import evidence_store, velero_store, verdict_alerts
from oco_pipelines.resilience.compliance import Evidence, Judgement, judge
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.readiness import Facts, score
from oco_warehouse.cron import longest_gap
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError

# What was seen longer ago says nothing of now.
FRESH: Final = timedelta(minutes=15)


def judge_policy(
    warehouse: Warehouse,
    gateway: KubernetesGateway | None,
    policy: DrPolicy,
    now: datetime | None = None,
    *,
    changes_only: bool = False,
) -> Judgement:
    """Judge one policy and write the verdict; Unknown when its cluster was not read just now.

    Args:
        warehouse: has what the tracker saw.
        gateway: None when no cluster is configured: then nothing is known.
        policy: which one.
        now: aware; the warehouse's clock, which the tracker goes by, unless said.
        changes_only: whether a verdict that is the same as before makes no row of its own.
    """
    now = now or velero_store.server_time(warehouse)
    found = evidence_store.read_evidence(warehouse, policy, now)
    judgement = judge(
        to_evidence(found, policy, now, connected=gateway is not None),
        policy.rpo_target,
        policy.rto_target,
        now,
    )
    with warehouse.transaction() as connection:
        if not (changes_only and found["verdict_before"] == judgement.verdict.value):
            evidence_store.keep_judgement(
                connection,
                policy.id,
                judgement,
                found["newest_id"],
                found["measured_rto"],
                score(_facts(found, policy, judgement, now)),
                now,
            )
        verdict_alerts.tell(connection, policy, judgement, now)
    return judgement


def to_evidence(
    found: dict[str, Any], policy: DrPolicy, now: datetime, *, connected: bool
) -> Evidence:
    """What was read for a policy, or for one of its namespaces, as evidence. Pure."""
    read_at, problem = found["last_read_at"], found["cluster_problem"] or ""
    fresh = read_at is not None and now - read_at <= FRESH
    if not connected:
        problem = "no cluster is configured"
    elif not problem and not fresh:
        problem = f"it was last read at {read_at:%Y-%m-%d %H:%M} UTC" if read_at else "not yet"
    down = found["sound_location_down_since"]
    return Evidence(
        cluster_read=not problem,
        newest_usable_started_at=found["newest_started_at"],
        measured_rto=found["measured_rto"],
        last_attempt_problem=found["problem"],
        policy_created_at=policy.created_at,
        newest_sound_started_at=found["sound_started_at"],
        sound_location=found["sound_location"] or "",
        sound_location_down_for=None if down is None else max(now - down, timedelta(0)),
        running=found["running"],
        longest_gap=_gap(policy, now),
        cluster_problem=problem,
        due_problem=found["due_problem"] or "",
        drill_problem=found["drill_problem"],
    )


def _gap(policy: DrPolicy, now: datetime) -> timedelta | None:
    try:
        return longest_gap(policy.schedule_cron, policy.time_zone, now.date())
    except InvalidInputError:  # a row that is older than the rules; the asset dr_policies says it
        return None


def _facts(found: dict[str, Any], policy: DrPolicy, judgement: Judgement, now: datetime) -> Facts:
    restored = found["restored_at"]
    return Facts(
        age=judgement.recovery_point_age,
        rpo_target=policy.rpo_target,
        measured_rto=found["measured_rto"],
        rto_target=policy.rto_target,
        proof_age=None if restored is None else now - restored,
        usable=found["usable_count"],
        keep_at_least=policy.keep_at_least,
        location_available=found["location_available"],
        ended=found["ended_count"],
        completed=found["completed_count"],
        drill_failed=bool(found["drill_problem"]),
    )
