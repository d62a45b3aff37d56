"""Hands alerts to channels: webhooks and Slack over HTTP, mail over SMTP. Every wait is bounded.

Errors are one line and name no address: a Slack address is a secret by itself.
"""

import smtplib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from oco_pipelines.llm.alerts.message import mail, signature, slack_body, webhook_body
from oco_pipelines.llm.alerts.store import Delivery, claim_delivery, settle_delivery
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConfigurationError, UpstreamError, UpstreamUnavailable
from oco_warehouse.settings import Settings

TIMEOUT_SECONDS: Final = 5.0
ROUND_SECONDS: Final = 20.0
MOST_A_ROUND: Final = 100


@dataclass(frozen=True, slots=True)
class Round:
    """How many deliveries a round took to their end, and how many failed."""

    delivered: int
    failed: int


def deliver_due(
    warehouse: Warehouse,
    settings: Settings,
    environment: Mapping[str, str],
    seconds: float = ROUND_SECONDS,
) -> Round:
    """Try what is due, one after the other, until nothing is or the time is over.

    Args:
        warehouse: the warehouse.
        settings: who sends mail and through which server.
        environment: holds the variables that channels name as their secrets.
        seconds: after which no further try begins.
    """
    delivered = failed = 0
    end = time.monotonic() + seconds
    while delivered + failed < MOST_A_ROUND and time.monotonic() < end:
        delivery = claim_delivery(warehouse)
        if delivery is None:
            break
        error: str | None = None
        try:
            send(delivery, settings, environment)
        except (UpstreamError, ConfigurationError) as reason:
            error = str(reason)
        settle_delivery(warehouse, delivery, error)
        delivered += error is None
        failed += error is not None
    return Round(delivered, failed)


def send(delivery: Delivery, settings: Settings, environment: Mapping[str, str]) -> None:
    """Hand one alert to its channel.

    Raises:
        UpstreamError: when the channel refused it.
        UpstreamUnavailable: when the channel did not answer.
        ConfigurationError: when the channel's secret or the mail server is not set.
    """
    alert, channel = delivery.alert, delivery.channel
    secret = None
    if channel.secret_env is not None:
        secret = environment.get(channel.secret_env)
        if not secret:
            raise ConfigurationError(
                f"{channel.secret_env} is not set where the pipelines run; "
                f"channel {channel.name} needs it"
            )
    if channel.kind == "email":
        _send_mail(delivery, settings)
    elif channel.kind == "slack":
        _post(secret or "", slack_body(alert), {})
    else:
        body = webhook_body(alert)
        headers = {"X-OCO-Alert-ID": str(alert.id)}
        if secret is not None:
            headers["X-OCO-Signature"] = signature(body, secret)
        _post(channel.target, body, headers)


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "open-cloud-ops", **headers}
    try:
        # The answer's body is of no use: it is not read, however long it is.
        with httpx.stream(
            "POST",
            url,
            content=body,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
        ) as answer:
            status = answer.status_code
    except httpx.TimeoutException:
        raise UpstreamUnavailable(f"no answer within {TIMEOUT_SECONDS:.0f} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, UnicodeError) as error:
        raise UpstreamUnavailable(f"cannot be reached ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise UpstreamError(f"answered HTTP {status}")


def _send_mail(delivery: Delivery, settings: Settings) -> None:
    if not settings.smtp_host:
        raise ConfigurationError(
            f"OCO_SMTP_HOST is not set where the pipelines run; channel {delivery.channel.name} "
            "needs a mail server"
        )
    try:
        message = mail(delivery.alert, settings.smtp_from, delivery.channel.target)
        with _connect(settings) as server:
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise UpstreamError(f"the mail server answered {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({str(code) for code, _ in error.recipients.values()})
        raise UpstreamError(f"the mail server refused the recipient ({', '.join(codes)})") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise UpstreamUnavailable(
            f"the mail server cannot be used ({type(error).__name__})"
        ) from None


def _connect(settings: Settings) -> smtplib.SMTP:
    host, port = settings.smtp_host, settings.smtp_port
    if settings.smtp_security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    if settings.smtp_security == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
    return server
