"""Keeps recommendations in `oco.optimization_recommendations` from run to run.

A recommendation has one row, by rule and resource. A run says what it finds; what becomes of the
rows is decided by `oco_warehouse.recommendation_life`, and only written here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from psycopg.types.json import Jsonb

from oco_pipelines.optimizer.calibration import Calibration
from oco_pipelines.optimizer.recommendation import Key, Recommendation, Resource
from oco_warehouse import recommendation_life
from oco_warehouse.database import Connection, Warehouse, lock
from oco_warehouse.last_seen import UNSEEN, unseen_since
from oco_warehouse.money import plain
from oco_warehouse.recommendation_life import Life, Status

LOCK: Final = "optimizer"
Identity = tuple[str, Key]
_LIFE: Final = (
    "id, status, life, opened_at, seen_since, missed_since, status_reason, dismissed_until, "
    "accepted_at, realised_at, resolved_at"
)
_KNOWN: Final = f"""
    SELECT recommendation_type, provider, account_id, resource_id, {_LIFE}
    FROM oco.optimization_recommendations
    WHERE recommendation_type = ANY (%s)
    FOR UPDATE
"""  # noqa: S608 - column names are constants
_INSERT: Final = """
    INSERT INTO oco.optimization_recommendations (
        provider, account_id, resource_id, resource_type, recommendation_type, title, description,
        estimated_monthly_savings, savings_alone, monthly_cost, claims, confidence, raw_confidence,
        evidence, created_at, last_seen_at, status, life, opened_at, seen_since
    )
    VALUES (
        %(provider)s, %(account_id)s, %(resource_id)s, %(resource_type)s, %(rule)s, %(title)s,
        %(description)s, %(savings)s, %(alone)s, %(cost)s, %(claims)s, %(confidence)s, %(raw)s,
        %(evidence)s, %(now)s, %(now)s, 'open', 1, %(now)s, %(now)s
    )
"""
# What people accepted stays as it was then: its saving is measured against it.
_SAY: Final = """
    UPDATE oco.optimization_recommendations SET
        resource_type = %(resource_type)s, title = %(title)s, description = %(description)s,
        estimated_monthly_savings = CASE WHEN %(frozen)s THEN
            least(estimated_monthly_savings, %(savings)s) ELSE %(savings)s END,
        savings_alone = CASE WHEN %(frozen)s THEN savings_alone ELSE %(alone)s END,
        monthly_cost = CASE WHEN %(frozen)s THEN monthly_cost ELSE %(cost)s END,
        claims = CASE WHEN %(frozen)s THEN claims ELSE %(claims)s END,
        confidence = %(confidence)s, raw_confidence = %(raw)s, evidence = %(evidence)s,
        last_seen_at = %(now)s
    WHERE id = %(id)s
"""
_LIVE: Final = """
    UPDATE oco.optimization_recommendations SET
        status = %(status)s, life = %(life)s, opened_at = %(opened_at)s,
        seen_since = %(seen_since)s, missed_since = %(missed_since)s, status_reason = %(reason)s,
        dismissed_until = %(dismissed_until)s, accepted_at = %(accepted_at)s,
        realised_at = %(realised_at)s, resolved_at = %(resolved_at)s,
        version = version + CASE WHEN status <> %(status)s THEN 1 ELSE 0 END
    WHERE id = %(id)s
"""
_CLAIMS: Final = """
    INSERT INTO oco.recommendation_outcomes (
        recommendation_id, life, recommendation_type, opened_at, raw_confidence, stated_confidence,
        estimated_monthly_savings
    )
    SELECT id, life, recommendation_type, opened_at, coalesce(raw_confidence, confidence),
           confidence, coalesce(savings_alone, estimated_monthly_savings)
    FROM oco.optimization_recommendations
    WHERE recommendation_type = ANY (%s)
    ON CONFLICT (recommendation_id, life) DO NOTHING
"""
_STANDING: Final = f"""
    SELECT recommendation_type, provider, account_id, resource_id, known.resource_type, title,
           description, coalesce(savings_alone, estimated_monthly_savings) AS savings,
           coalesce(raw_confidence, confidence) AS raw, claims, {_LIFE},
           resource.deleted_at IS NOT NULL AS gone,
           resource.resource_id IS NOT NULL AND {UNSEEN} AS unseen
    FROM oco.optimization_recommendations AS known
    LEFT JOIN oco.resources AS resource USING (provider, account_id, resource_id)
    WHERE recommendation_type = ANY (%(rules)s)
      AND (status IN ('open', 'accepted', 'regressed')
           OR status = 'dismissed' AND (dismissed_until IS NULL OR dismissed_until > %(now)s))
"""  # noqa: S608 - column names are constants
_LEFT_OVER: Final = """
    UPDATE oco.optimization_recommendations SET estimated_monthly_savings = %(savings)s
    WHERE id = %(id)s AND estimated_monthly_savings <> %(savings)s
"""
# Once a day is enough: rules ask for days.
_NOTE_ATTACHED: Final = """
    UPDATE oco.resources SET last_attached_at = %(now)s
    WHERE deleted_at IS NULL AND facts ->> 'attached' = 'true'
      AND (last_attached_at IS NULL OR last_attached_at < %(now)s - interval '20 hours')
"""
_GONE: Final = """
    SELECT known.recommendation_type, known.provider, known.account_id, known.resource_id
    FROM oco.optimization_recommendations AS known
    JOIN oco.resources USING (provider, account_id, resource_id)
    WHERE known.recommendation_type = ANY (%s) AND oco.resources.deleted_at IS NOT NULL
      AND known.status IN ('open', 'regressed')
"""
_UNSEEN: Final = f"""
    SELECT known.recommendation_type, known.provider, known.account_id, known.resource_id
    FROM oco.optimization_recommendations AS known
    JOIN oco.resources AS resource USING (provider, account_id, resource_id)
    WHERE known.recommendation_type = ANY (%(rules)s) AND {UNSEEN}
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Standing:
    """A recommendation of an earlier run that still takes part.

    Attributes:
        said: as it was said.
        status: open, accepted, regressed or dismissed.
        ends: whether it expires when the run does not find it.
    """

    said: Recommendation
    status: Status
    ends: bool


@dataclass(frozen=True, slots=True)
class Written:
    """What a run changed: how many it found, and how many were opened or expired by it."""

    found: int
    opened: int
    expired: int


def read_standing(warehouse: Warehouse, rules: Sequence[str], now: datetime) -> list[Standing]:
    """What earlier runs said and nobody has ended."""
    standing = []
    for row in warehouse.query(
        _STANDING, {"rules": list(rules), "now": now, "unseen_since": unseen_since(now)}
    ):
        after = recommendation_life.missed(life_of(row), now, gone=row["gone"])
        ends = after.status is Status.EXPIRED and not row["unseen"]
        standing.append(Standing(_said(row), Status(row["status"]), ends))
    return standing


def note_attached(warehouse: Warehouse, now: datetime) -> int:
    """Note what is attached now, so that it is known since when something is not."""
    return warehouse.execute(_NOTE_ATTACHED, {"now": now})


def write_recommendations(
    warehouse: Warehouse,
    rules: Sequence[str],
    found: Sequence[Recommendation],
    now: datetime,
    *,
    calibration: Calibration | None = None,
    alone: Mapping[Identity, Decimal] | None = None,
    left_over: Mapping[Identity, Decimal] | None = None,
    covered: frozenset[Identity] = frozenset(),
) -> Written:
    """Bring the rows of some rules up to what a run found, in one transaction.

    Args:
        warehouse: the warehouse.
        rules: all rules that the run judged by; what they did not find is missed, but for what
            was not judged because no listing has seen it for days.
        found: at most one a rule and resource, with net savings.
        now: aware time of the run.
        calibration: turns the formula's confidence into the one that is told.
        alone: savings before overlaps were netted, where they differ.
        left_over: what savings of standing recommendations that this run did not find still
            have beside the others; one that is not in it has none. None leaves them as they are.
        covered: what the run found, too, but others leave nothing of it.
    """
    calibration = calibration or Calibration(())
    alone = alone or {}
    by_identity = {one.identity: one for one in found}
    with warehouse.transaction() as connection:
        lock(connection, LOCK)
        known = {
            _identity(row): row for row in connection.execute(_KNOWN, [list(rules)]).fetchall()
        }
        gone = {_identity(row) for row in connection.execute(_GONE, [list(rules)]).fetchall()}
        unseen = {
            _identity(row)
            for row in connection.execute(
                _UNSEEN, {"rules": list(rules), "unseen_since": unseen_since(now)}
            ).fetchall()
        }
        inserts, says, lives, lefts = [], [], [], []
        opened = expired = 0
        for identity, one in by_identity.items():
            words = _words(one, now, calibration, alone)
            row = known.get(identity)
            if row is None:
                inserts.append(words)
                opened += 1
                continue
            before = life_of(row)
            after = recommendation_life.found(before, now)
            opened += before.status is not Status.OPEN and after.status is Status.OPEN
            frozen = after.status in {Status.ACCEPTED, Status.REALISED}
            says.append({**words, "id": row["id"], "frozen": frozen})
            if after != before:
                lives.append(_lived(row["id"], after))
        for identity, row in known.items():
            if identity in by_identity:
                continue
            before = life_of(row)
            # What was not judged is neither found nor missed.
            after = (
                before
                if identity in unseen
                else recommendation_life.missed(
                    before, now, gone=identity in gone, covered=identity in covered
                )
            )
            expired += before.status is not after.status and after.status is Status.EXPIRED
            if after != before:
                lives.append(_lived(row["id"], after))
            if left_over is not None and after.status in recommendation_life.STANDING:
                savings = left_over.get(identity, Decimal(0))
                lefts.append({"id": row["id"], "savings": savings})
        with connection.cursor() as cursor:
            cursor.executemany(_INSERT, inserts)
            cursor.executemany(_SAY, says)
            cursor.executemany(_LIVE, lives)
            cursor.executemany(_LEFT_OVER, lefts)
        connection.execute(_CLAIMS, [list(rules)])
    return Written(len(by_identity), opened, expired)


def live(connection: Connection, identifier: object, life: Life) -> None:
    """Write what the state machine made of a row."""
    connection.execute(_LIVE, _lived(identifier, life))


def life_of(row: Mapping[str, Any]) -> Life:
    """What the state machine knows of a row."""
    return Life(
        status=Status(row["status"]),
        number=row["life"],
        opened_at=row["opened_at"],
        seen_since=row["seen_since"],
        missed_since=row["missed_since"],
        reason=row["status_reason"],
        dismissed_until=row["dismissed_until"],
        accepted_at=row["accepted_at"],
        realised_at=row["realised_at"],
        resolved_at=row["resolved_at"],
    )


def claims_of(values: Iterable[Mapping[str, str]]) -> dict[Key, Decimal]:
    """Claims as they are stored, read back."""
    return {
        (value["provider"], value["account_id"], value["resource_id"]): Decimal(value["usd"])
        for value in values
    }


def _identity(row: Mapping[str, Any]) -> Identity:
    return (
        row["recommendation_type"],
        (row["provider"], row["account_id"], row["resource_id"]),
    )


def _words(
    one: Recommendation,
    now: datetime,
    calibration: Calibration,
    alone: Mapping[Identity, Decimal],
) -> dict[str, Any]:
    resource = one.resource
    return {
        "provider": resource.provider,
        "account_id": resource.account_id,
        "resource_id": resource.resource_id,
        "resource_type": resource.resource_type,
        "rule": one.recommendation_type,
        "title": one.title,
        "description": one.description,
        "savings": one.estimated_monthly_savings,
        "alone": alone.get(one.identity, one.estimated_monthly_savings),
        "cost": one.monthly_cost,
        "claims": Jsonb(
            [
                {"provider": key[0], "account_id": key[1], "resource_id": key[2], "usd": plain(usd)}
                for key, usd in one.claims.items()
            ]
        ),
        "confidence": calibration.stated(one.recommendation_type, one.confidence),
        "raw": one.confidence,
        "evidence": Jsonb(dict(one.evidence)),
        "now": now,
    }


def _lived(identifier: object, life: Life) -> dict[str, Any]:
    return {
        "id": identifier,
        "status": life.status.value,
        "life": life.number,
        "opened_at": life.opened_at,
        "seen_since": life.seen_since,
        "missed_since": life.missed_since,
        "reason": life.reason,
        "dismissed_until": life.dismissed_until,
        "accepted_at": life.accepted_at,
        "realised_at": life.realised_at,
        "resolved_at": life.resolved_at,
    }


def _said(row: Mapping[str, Any]) -> Recommendation:
    return Recommendation(
        resource=Resource(
            row["provider"], row["account_id"], row["resource_id"], row["resource_type"]
        ),
        recommendation_type=row["recommendation_type"],
        title=row["title"],
        description=row["description"],
        estimated_monthly_savings=row["savings"],
        confidence=row["raw"],
        evidence={},
        claims=claims_of(row["claims"]),
    )
