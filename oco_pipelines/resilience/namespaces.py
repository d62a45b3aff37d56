"""How each namespace of a cluster is protected, and which ones with volumes no policy covers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from oco_pipelines.resilience import evidence_store
from oco_pipelines.resilience.compliance import Judgement, Verdict, judge
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.verdicts import to_evidence
from oco_warehouse.database import Warehouse, lock
from oco_warehouse.dr_rules import EVERYTHING

NOT_COVERED: Final = "NotCovered"
_RANK: Final = [Verdict.MET, Verdict.AT_RISK, Verdict.UNKNOWN, Verdict.BREACHED]
_KEEP: Final = """
    INSERT INTO oco.dr_namespaces AS known
        (cluster, namespace, policies, volumes, verdict, reasons, recovery_point_age, since,
         judged_at)
    VALUES (%(cluster)s, %(namespace)s, %(policies)s, %(volumes)s, %(verdict)s, %(reasons)s,
            %(age)s, %(now)s, %(now)s)
    ON CONFLICT (cluster, namespace) DO UPDATE SET
        since = CASE WHEN known.verdict = excluded.verdict THEN known.since
                     ELSE excluded.since END,
        policies = excluded.policies, volumes = excluded.volumes, verdict = excluded.verdict,
        reasons = excluded.reasons, recovery_point_age = excluded.recovery_point_age,
        judged_at = excluded.judged_at
"""


@dataclass(frozen=True, slots=True)
class NamespaceVerdict:
    """How one namespace stands; `verdict` is a Verdict's value or NotCovered."""

    namespace: str
    policies: tuple[str, ...]
    volumes: int
    verdict: str
    reasons: tuple[str, ...]
    age: timedelta | None


def judge_namespaces(
    warehouse: Warehouse,
    gateway: KubernetesGateway,
    cluster: str,
    policies: Sequence[DrPolicy],
    now: datetime,
) -> list[NamespaceVerdict]:
    """Judge the namespaces of a cluster and write how they stand.

    Args:
        warehouse: has what the tracker saw.
        gateway: lists namespaces and claims.
        cluster: kubeconfig context.
        policies: the enabled ones of this cluster.
        now: aware.

    Raises:
        UpstreamError: when namespaces or claims cannot be listed; nothing is written then.
    """
    present = gateway.namespace_labels(cluster)
    volumes = gateway.claims_by_namespace(cluster)
    judged: dict[str, list[tuple[str, Judgement]]] = {}
    for policy in policies:
        covered = policy.namespaces_in(present)
        if covered == (EVERYTHING,):
            covered = tuple(present)
        found = evidence_store.read_evidence(warehouse, policy, now)
        points = evidence_store.recovery_points(warehouse, policy, now)
        for namespace in covered:
            own = {**found, **newest_with(points, namespace)}
            evidence = to_evidence(own, policy, now, connected=True)
            verdict = judge(evidence, policy.rpo_target, policy.rto_target, now)
            judged.setdefault(namespace, []).append((policy.name, verdict))
    verdicts = [
        to_verdict(name, judged.get(name, []), volumes.get(name, 0))
        for name in sorted({*judged, *volumes})
    ]
    with warehouse.transaction() as connection:
        lock(connection, f"dr_namespaces {cluster}")
        for one in verdicts:
            values: dict[str, Any] = {
                "cluster": cluster,
                "namespace": one.namespace,
                "policies": list(one.policies),
                "volumes": one.volumes,
                "verdict": one.verdict,
                "reasons": list(one.reasons),
                "age": one.age,
                "now": now,
            }
            connection.execute(_KEEP, values)
        connection.execute(
            "DELETE FROM oco.dr_namespaces WHERE cluster = %s AND namespace <> ALL(%s)",
            [cluster, [one.namespace for one in verdicts]],
        )
    return verdicts


def to_verdict(
    namespace: str, judged: Sequence[tuple[str, Judgement]], volumes: int
) -> NamespaceVerdict:
    """The worst of a namespace's policies; NotCovered without one. Pure."""
    if not judged:
        claims = f"{volumes} volume claim{'' if volumes == 1 else 's'}"
        reason = f"it has {claims} and no enabled policy covers it"
        return NamespaceVerdict(namespace, (), volumes, NOT_COVERED, (reason,), None)
    _, worst = max(judged, key=lambda pair: _RANK.index(pair[1].verdict))
    ages = [one.recovery_point_age for _, one in judged if one.recovery_point_age is not None]
    reasons = tuple(f"{policy}: {line}" for policy, one in judged for line in one.reasons)
    names = tuple(policy for policy, _ in judged)
    age = min(ages, default=None)
    return NamespaceVerdict(namespace, names, volumes, worst.verdict.value, reasons, age)


def newest_with(points: Sequence[Mapping[str, Any]], namespace: str) -> dict[str, Any]:
    """The newest usable and sound recovery points that hold a namespace, as evidence. Pure.

    Args:
        points: sound ones of a policy, newest first.
        namespace: which one.
    """
    holding = [
        point
        for point in points
        if not point["namespaces"] or {EVERYTHING, namespace} & set(point["namespaces"])
    ]
    usable = next((point for point in holding if point["usable"]), None)
    sound = next(iter(holding), None)
    return {
        "newest_started_at": usable["started_at"] if usable else None,
        "sound_started_at": sound["started_at"] if sound else None,
        "sound_location": sound["storage_location"] if sound else None,
        "sound_location_down_since": sound["down_since"] if sound else None,
    }
