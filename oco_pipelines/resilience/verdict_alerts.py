"""People are told when a policy's verdict gets worse, and when all is well again; each once.

Unknown tells nothing and ends nothing: a cluster that is out of reach for a minute neither repeats
an alert nor resolves it. A new policy that waits for its first backup is no trouble, and a failed
drill is told of by itself.
"""

from datetime import datetime
from typing import Final

from oco_pipelines.llm.alerts.store import raise_alert, resolve_alerts
from oco_pipelines.resilience.compliance import Judgement, Verdict
from oco_pipelines.resilience.policy import DrPolicy
from oco_warehouse.database import Connection

SCOPE: Final = "dr_policy"
KINDS: Final = {
    Verdict.AT_RISK: "dr_at_risk",
    Verdict.BREACHED: "dr_policy_breached",
    Verdict.MET: "dr_recovered",
}
_WORDS: Final = {
    Verdict.AT_RISK: "is at risk",
    Verdict.BREACHED: "is breached",
    Verdict.MET: "is met again",
}
_READ: Final = "SELECT * FROM oco.dr_policy_status WHERE policy_id = %s FOR UPDATE"
_KEEP: Final = """
    INSERT INTO oco.dr_policy_status AS known
        (policy_id, verdict, reasons, since, judged_at, told_verdict, told_key)
    VALUES (%(policy)s, %(verdict)s, %(reasons)s, %(now)s, %(now)s, %(told)s, %(key)s)
    ON CONFLICT (policy_id) DO UPDATE SET
        since = CASE WHEN known.verdict = excluded.verdict THEN known.since
                     ELSE excluded.since END,
        verdict = excluded.verdict, reasons = excluded.reasons, judged_at = excluded.judged_at,
        told_verdict = excluded.told_verdict, told_key = excluded.told_key
"""


def tell(connection: Connection, policy: DrPolicy, judgement: Judgement, now: datetime) -> bool:
    """Keep a policy's newest verdict; returns whether people were told of it."""
    before = connection.execute(_READ, [policy.id]).fetchone()
    told = before["told_verdict"] if before else None
    key = before["told_key"] if before else None
    verdict = judgement.verdict
    news = _is_news(told, judgement)
    if news:
        if key is not None:
            resolve_alerts(connection, [key])
        key = f"{SCOPE}:{policy.id}:{verdict.value}:{now.isoformat()}"
        raise_alert(
            connection,
            kind=KINDS[verdict],
            dedupe_key=key,
            scope=SCOPE,
            entity_id=policy.name,
            title=_title(policy, judgement),
            figures={
                "cluster": policy.cluster,
                "verdict": verdict.value,
                "reasons": "; ".join(judgement.reasons),
            },
            period_start=now,
        )
        told = verdict.value
        if verdict == Verdict.MET:
            resolve_alerts(connection, [key])
            told = key = None
    connection.execute(
        _KEEP,
        {
            "policy": policy.id,
            "verdict": verdict.value,
            "reasons": list(judgement.reasons),
            "now": now,
            "told": told,
            "key": key,
        },
    )
    return news


def _is_news(told: str | None, judgement: Judgement) -> bool:
    verdict = judgement.verdict
    if verdict == Verdict.UNKNOWN or judgement.quiet:
        return False
    return told is not None if verdict == Verdict.MET else told != verdict.value


def _title(policy: DrPolicy, judgement: Judgement) -> str:
    why = f": {'; '.join(judgement.reasons)}" if judgement.verdict != Verdict.MET else ""
    return f"DR policy {policy.name} {_WORDS[judgement.verdict]}{why}"
