"""The life of an episode in `oco.cost_anomalies`, and the alert that tells of it.

An episode keeps its row over runs: what overlaps what is known, of the same subject and direction,
is the same episode, wherever a restatement moves its ends. One that is found no more is withdrawn;
if it comes back it has its old row again. Each row is told once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from oco_pipelines.llm.alerts.store import raise_alert, resolve_alerts
from oco_pipelines.trends.anomaly import LONGEST_GAP, Episode
from oco_pipelines.trends.driver import DIMENSIONS, Driver
from oco_pipelines.trends.reading import Subject
from oco_warehouse.database import Connection, Warehouse, lock
from oco_warehouse.money import format_usd, plain

KIND: Final = "cost_anomaly"
# A first load finds months of history, which nobody can act on any more.
TOLD_AFTER: Final = timedelta(days=7)

_KNOWN: Final = """
    SELECT id, level, provider, service, account_id, direction, first_day, last_day, status
    FROM oco.cost_anomalies
    WHERE last_day >= %s - 60
    ORDER BY status = 'withdrawn', first_day, id
"""
_INSERT: Final = """
    INSERT INTO oco.cost_anomalies (
        level, provider, service, account_id, direction, first_day, last_day, status,
        observed_usd, expected_usd, excess_usd, worst_day, score, driver_provider, driver_service,
        driver_region, driver_resource, driver_sku, driver_team, driver_excess_usd, driver_share,
        closed_at
    )
    VALUES (
        %(level)s, %(provider)s, %(service)s, %(account_id)s, %(direction)s, %(first_day)s,
        %(last_day)s, %(status)s, %(observed_usd)s, %(expected_usd)s, %(excess_usd)s,
        %(worst_day)s, %(score)s,
        %(driver_provider)s, %(driver_service)s, %(driver_region)s, %(driver_resource)s,
        %(driver_sku)s, %(driver_team)s, %(driver_excess_usd)s, %(driver_share)s,
        CASE WHEN %(status)s = 'open' THEN NULL ELSE now() END
    )
    RETURNING id
"""
_UPDATE: Final = """
    UPDATE oco.cost_anomalies SET
        first_day = %(first_day)s, last_day = %(last_day)s, status = %(status)s,
        observed_usd = %(observed_usd)s, expected_usd = %(expected_usd)s,
        excess_usd = %(excess_usd)s,
        worst_day = %(worst_day)s, score = %(score)s, driver_provider = %(driver_provider)s,
        driver_service = %(driver_service)s, driver_region = %(driver_region)s,
        driver_resource = %(driver_resource)s, driver_sku = %(driver_sku)s,
        driver_team = %(driver_team)s, driver_excess_usd = %(driver_excess_usd)s,
        driver_share = %(driver_share)s, last_seen = now(),
        closed_at = CASE
            WHEN %(status)s = 'open' THEN NULL WHEN status = %(status)s THEN closed_at ELSE now()
        END
    WHERE id = %(id)s
    RETURNING id
"""
_WITHDRAW: Final = """
    UPDATE oco.cost_anomalies SET status = 'withdrawn', closed_at = now() WHERE id = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An episode of a subject and what carries it."""

    subject: Subject
    episode: Episode
    driver: Driver | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run changed."""

    found: int
    opened: int
    withdrawn: int
    told: int


def keep_anomalies(
    warehouse: Warehouse, found: Sequence[Anomaly], judged_from: date, settled: date
) -> Kept:
    """Bring the rows up to what a run found, and raise alerts, in one transaction.

    Args:
        warehouse: the warehouse.
        found: every episode that reaches to `judged_from` or later.
        judged_from: episodes that began before it are never withdrawn.
        settled: newest day that was judged; older episodes are kept and not told.
    """
    opened = told = 0
    with warehouse.transaction() as connection:
        lock(connection, "cost_anomalies")
        known = connection.execute(_KNOWN, [judged_from]).fetchall()
        over: list[Any] = []
        for anomaly in found:
            same = next((row for row in known if _is_same(row, anomaly)), None)
            values = _values(anomaly)
            if same is None:
                row = connection.execute(_INSERT, values).fetchone()
                opened += 1
            else:
                known.remove(same)
                row = connection.execute(_UPDATE, values | {"id": same["id"]}).fetchone()
            if row is None:
                continue
            if anomaly.episode.last_day >= settled - TOLD_AFTER:
                told += _tell(connection, anomaly, _alert_key(row))
            if not anomaly.episode.is_open:
                over.append(row)
        gone = [
            row for row in known if row["status"] != "withdrawn" and row["first_day"] >= judged_from
        ]
        connection.execute(_WITHDRAW, [[row["id"] for row in gone]])
        resolve_alerts(connection, [_alert_key(row) for row in (*gone, *over)])
    return Kept(len(found), opened, len(gone), told)


def _is_same(row: dict[str, Any], anomaly: Anomaly) -> bool:
    subject, episode = anomaly.subject, anomaly.episode
    return (
        (row["level"], row["provider"], row["service"], row["account_id"], row["direction"])
        == (
            subject.level,
            subject.provider,
            subject.service,
            subject.account_id,
            episode.direction,
        )
        and row["first_day"] - episode.last_day <= LONGEST_GAP
        and episode.first_day - row["last_day"] <= LONGEST_GAP
    )


def _values(anomaly: Anomaly) -> dict[str, Any]:
    subject, episode, driver = anomaly.subject, anomaly.episode, anomaly.driver
    names: Iterable[str | None] = driver.names if driver else (None,) * len(DIMENSIONS)
    return {
        "level": subject.level,
        "provider": subject.provider,
        "service": subject.service,
        "account_id": subject.account_id,
        "direction": episode.direction,
        "first_day": episode.first_day,
        "last_day": episode.last_day,
        "status": "open" if episode.is_open else "ended",
        "observed_usd": episode.observed_usd,
        "expected_usd": episode.expected_usd,
        "excess_usd": episode.excess_usd,
        "worst_day": episode.worst_day,
        "score": episode.score,
        **{f"driver_{name}": value for name, value in zip(DIMENSIONS, names, strict=True)},
        "driver_excess_usd": driver.excess_usd if driver else None,
        "driver_share": driver.share if driver else None,
    }


def title(anomaly: Anomaly) -> str:
    """One line for people: what, when, how much, and what carries it."""
    episode, driver = anomaly.episode, anomaly.driver
    when = f"on {episode.first_day}"
    if episode.last_day > episode.first_day:
        when = f"from {episode.first_day} to {episode.last_day}"
    line = (
        f"{anomaly.subject} cost {format_usd(episode.observed_usd)} {when} "
        f"where {format_usd(episode.expected_usd)} is usual"
    )
    if driver is None:
        return line
    named = dict(zip(DIMENSIONS, driver.names, strict=True))
    where = [
        f"{name} {value}" for name, value in named.items() if value not in {"none", "untagged"}
    ]
    return f"{line}; {driver.share * 100:.0f} % of it: {', '.join(where)}"


def _tell(connection: Connection, anomaly: Anomaly, key: str) -> bool:
    subject, values = anomaly.subject, _values(anomaly)
    is_total = subject.level == "total"
    return raise_alert(
        connection,
        kind=KIND,
        dedupe_key=key,
        scope="cloud" if is_total else "cloud_provider",
        entity_id=subject.provider,
        title=title(anomaly),
        figures={
            name: plain(value) if hasattr(value, "as_tuple") else str(value)
            for name, value in values.items()
            if value is not None and name not in {"level", "status"}
        },
        period_start=datetime.combine(anomaly.episode.first_day, time(), UTC),
    )


def _alert_key(row: dict[str, Any]) -> str:
    return f"{KIND}:{row['id']}"
