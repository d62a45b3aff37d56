"""Alerts and their deliveries in the warehouse.

A delivery is claimed before it is sent and its next try is fixed at once, so that a process that
dies while sending costs a repeat, never a loss: a channel may see an alert twice, by the same id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from oco_pipelines.llm.alerts.message import Alert, one_line
from oco_warehouse.database import Connection, Warehouse

MAX_ATTEMPTS: Final = 8
FIRST_RETRY: Final = timedelta(seconds=30)
LONGEST_RETRY: Final = timedelta(hours=1)
_MAX_ERROR: Final = 300
_ACTOR: Final = "pipeline:alerts"

_RAISE: Final = """
    INSERT INTO oco.alerts (
        kind, dedupe_key, scope, entity_id, period_start, threshold, title, figures
    )
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id
"""
_QUEUE: Final = """
    INSERT INTO oco.alert_deliveries (alert_id, channel_id)
    SELECT %(alert)s, id FROM oco.notification_channels
    WHERE enabled
      AND (scopes = '{}' OR scopes && ARRAY[%(scope)s, %(scope)s || ':' || %(entity)s]::text[])
"""
_CLAIM: Final = """
    UPDATE oco.alert_deliveries AS delivery
    SET attempts = attempts + 1,
        next_attempt_at = CASE WHEN attempts + 1 < %(most)s THEN
            now() + least(%(longest)s, %(first)s * power(2, attempts)) END
    WHERE (alert_id, channel_id) = (
        SELECT due.alert_id, due.channel_id
        FROM oco.alert_deliveries AS due
        JOIN oco.notification_channels AS channel ON channel.id = due.channel_id
        WHERE due.next_attempt_at <= now() AND channel.enabled
        ORDER BY due.next_attempt_at
        LIMIT 1
        FOR UPDATE OF due SKIP LOCKED
    )
    RETURNING alert_id, channel_id, attempts
"""
_READ: Final = """
    SELECT alert.id, alert.kind, alert.scope, alert.entity_id, alert.title, alert.figures,
           alert.created_at, alert.period_start, alert.threshold,
           channel.name, channel.kind AS channel_kind, channel.target, channel.secret_env
    FROM oco.alerts AS alert, oco.notification_channels AS channel
    WHERE alert.id = %s AND channel.id = %s
"""
_DELIVERED: Final = """
    UPDATE oco.alert_deliveries
    SET delivered_at = now(), next_attempt_at = NULL, last_error = NULL
    WHERE alert_id = %s AND channel_id = %s
"""
_FAILED: Final = """
    UPDATE oco.alert_deliveries SET last_error = %s WHERE alert_id = %s AND channel_id = %s
"""
_AUDIT: Final = """
    INSERT INTO oco.audit_log (actor, action, entity_type, entity_id, details)
    VALUES (%s, %s, 'alert', %s, %s)
"""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where an alert goes; `secret_env` names a variable and is never the secret itself."""

    name: str
    kind: str
    target: str
    secret_env: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try of one alert at one channel."""

    alert: Alert
    channel_id: UUID
    channel: Channel
    attempt: int

    @property
    def is_last(self) -> bool:
        """Whether a failure of this try gives the delivery up."""
        return self.attempt >= MAX_ATTEMPTS


def raise_alert(
    connection: Connection,
    *,
    kind: str,
    dedupe_key: str,
    scope: str,
    entity_id: str,
    title: str,
    figures: Mapping[str, str],
    period_start: datetime | None = None,
    threshold: Decimal | None = None,
) -> bool:
    """Write an alert and queue it for every channel that takes its scope.

    Returns:
        False when the same thing was told already; nothing is written then.
    """
    row = connection.execute(
        _RAISE,
        [
            kind,
            dedupe_key,
            scope,
            entity_id,
            period_start,
            threshold,
            one_line(title),
            Jsonb(dict(figures)),
        ],
    ).fetchone()
    if row is None:
        return False
    connection.execute(_QUEUE, {"alert": row["id"], "scope": scope, "entity": entity_id})
    return True


def resolve_alerts(connection: Connection, dedupe_keys: Sequence[str]) -> int:
    """Say that the causes of alerts are gone; returns how many were open."""
    return connection.execute(
        "UPDATE oco.alerts SET resolved_at = now() "
        "WHERE dedupe_key = ANY (%s) AND resolved_at IS NULL",
        [list(dedupe_keys)],
    ).rowcount


def claim_delivery(warehouse: Warehouse) -> Delivery | None:
    """The delivery that is due longest, its next try fixed already; None when none is due."""
    with warehouse.transaction() as connection:
        claimed = connection.execute(
            _CLAIM, {"most": MAX_ATTEMPTS, "longest": LONGEST_RETRY, "first": FIRST_RETRY}
        ).fetchone()
        if claimed is None:
            return None
        row = connection.execute(_READ, [claimed["alert_id"], claimed["channel_id"]]).fetchone()
    if row is None:  # the channel was removed in between, and its deliveries with it
        return None
    channel = Channel(
        row.pop("name"), row.pop("channel_kind"), row.pop("target"), row.pop("secret_env")
    )
    return Delivery(Alert(**row), claimed["channel_id"], channel, claimed["attempts"])


def settle_delivery(warehouse: Warehouse, delivery: Delivery, error: str | None) -> None:
    """Write how a try ended, and one line about it into the audit log, together.

    Args:
        warehouse: the warehouse.
        delivery: the try.
        error: one line without secrets; None when the channel took it.
    """
    key = [delivery.alert.id, delivery.channel_id]
    details = {"channel": delivery.channel.name, "attempt": str(delivery.attempt)}
    action = "alert.deliver"
    with warehouse.transaction() as connection:
        if error is None:
            connection.execute(_DELIVERED, key)
        else:
            action = "alert.give_up" if delivery.is_last else "alert.retry_later"
            details["error"] = error[:_MAX_ERROR]
            connection.execute(_FAILED, [error[:_MAX_ERROR], *key])
        connection.execute(_AUDIT, [_ACTOR, action, str(delivery.alert.id), Jsonb(details)])
