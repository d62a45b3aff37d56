"""An alert as each kind of channel takes it. Pure: no I/O, no secrets but those handed in."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.message import EmailMessage
from uuid import UUID

MAX_TITLE = 300


@dataclass(frozen=True, slots=True)
class Alert:
    """A row of `oco.alerts` that is to be told.

    Attributes:
        figures: text by name; amounts in USD.
        threshold: share of a budget's limit; None for other alerts.
    """

    id: UUID
    kind: str
    scope: str
    entity_id: str
    title: str
    figures: Mapping[str, str]
    created_at: datetime
    period_start: datetime | None = None
    threshold: Decimal | None = None


def webhook_body(alert: Alert) -> bytes:
    """The alert as JSON; amounts and the threshold are decimal text, times ISO 8601."""
    return json.dumps(
        {
            "id": str(alert.id),
            "kind": alert.kind,
            "scope": alert.scope,
            "entity_id": alert.entity_id,
            "title": alert.title,
            "period_start": None if alert.period_start is None else alert.period_start.isoformat(),
            "threshold": None if alert.threshold is None else f"{alert.threshold.normalize():f}",
            "figures": dict(alert.figures),
            "created_at": alert.created_at.isoformat(),
        }
    ).encode()


def signature(body: bytes, key: str) -> str:
    """What a receiver compares: `sha256=` and the HMAC of the body in hex."""
    return f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"


def slack_body(alert: Alert) -> bytes:
    """`{"text": …}`, with the characters escaped that Slack would read as markup of its own."""
    lines = [f"*{_escape(one_line(alert.title))}*"]
    lines += [f"{name}: {_escape(value)}" for name, value in alert.figures.items()]
    return json.dumps({"text": "\n".join(lines)}).encode()


def mail(alert: Alert, sender: str, recipient: str) -> EmailMessage:
    """A plain mail; its Message-ID is the alert's, so that a repeat shows as the same mail."""
    message = EmailMessage()
    message["Subject"] = one_line(alert.title)
    message["From"] = sender
    message["To"] = recipient
    message["Date"] = alert.created_at
    message["Message-ID"] = f"<{alert.id}@open-cloud-ops>"
    lines = [alert.title, "", *(f"{name}: {value}" for name, value in alert.figures.items())]
    message.set_content("\n".join(lines) + "\n")
    return message


def one_line(text: str) -> str:
    """Text without line ends and control characters, at most `MAX_TITLE` characters long."""
    words = "".join(" " if not char.isprintable() else char for char in text).split()
    return " ".join(words)[:MAX_TITLE]


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
