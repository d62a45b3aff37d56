"""Deliveries under trouble: crashes, many senders, silence, strict mail servers, secrets."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from oco_pipelines.llm.alerts import delivery
from oco_pipelines.llm.alerts.delivery import Round, deliver_due
from oco_pipelines.llm.alerts.store import claim_delivery, raise_alert
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings, load_settings

SETTINGS = load_settings({})


def channel(warehouse: Warehouse, kind: str, target: str, secret: str | None = None) -> None:
    warehouse.execute(
        "INSERT INTO oco.notification_channels (name, kind, target, secret_env) "
        "VALUES (%s, %s, %s, %s)",
        [kind, kind, target, secret],
    )


def tell(warehouse: Warehouse, count: int = 1) -> None:
    with warehouse.transaction() as connection:
        for number in range(count):
            assert raise_alert(
                connection,
                kind="spend_spike",
                dedupe_key=f"k{number}",
                scope="team",
                entity_id="search",
                title=f"alert {number}",
                figures={"usd": str(Decimal(number))},
            )


def due_again(warehouse: Warehouse) -> None:
    warehouse.execute(
        "UPDATE oco.alert_deliveries SET next_attempt_at = now() WHERE next_attempt_at > now()"
    )


def state(warehouse: Warehouse) -> tuple[int, bool, str | None]:
    (row,) = warehouse.query("SELECT * FROM oco.alert_deliveries")
    return row["attempts"], row["delivered_at"] is not None, row["last_error"]


def test_a_sender_that_dies_while_sending_loses_no_alert(
    warehouse: Warehouse, receiver: Any
) -> None:
    channel(warehouse, "webhook", receiver.url)
    tell(warehouse)
    claimed = claim_delivery(warehouse)
    assert claimed is not None
    assert deliver_due(warehouse, SETTINGS, {}) == Round(0, 0), "another one holds it"
    due_again(warehouse)
    assert deliver_due(warehouse, SETTINGS, {}) == Round(1, 0)
    assert receiver.got[0][0]["X-OCO-Alert-ID"] == str(claimed.alert.id)
    assert state(warehouse) == (2, True, None)


def test_many_senders_send_each_alert_once(warehouse: Warehouse, receiver: Any) -> None:
    channel(warehouse, "webhook", receiver.url)
    tell(warehouse, 24)
    with ThreadPoolExecutor(4) as pool:
        rounds = list(pool.map(lambda _: deliver_due(warehouse, SETTINGS, {}), range(4)))
    assert sum(done.delivered for done in rounds) == 24
    ids = Counter(headers["X-OCO-Alert-ID"] for headers, _ in receiver.got)
    assert len(ids) == 24
    assert set(ids.values()) == {1}


def test_the_same_thing_is_told_once(warehouse: Warehouse, receiver: Any) -> None:
    channel(warehouse, "webhook", receiver.url)
    tell(warehouse)
    with pytest.raises(AssertionError):
        tell(warehouse)
    assert deliver_due(warehouse, SETTINGS, {}) == Round(1, 0)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("kind", ["webhook", "email"])
def test_a_silent_receiver_costs_a_bounded_wait(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, silent: int, kind: str
) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT_SECONDS", 0.3)
    target = f"http://127.0.0.1:{silent}" if kind == "webhook" else "ops@example.com"
    channel(warehouse, kind, target)
    tell(warehouse)
    started = time.monotonic()
    done = deliver_due(warehouse, smtp(silent, OCO_SMTP_SECURITY="none"), {})
    assert done == Round(0, 1)
    assert time.monotonic() - started < 3


def test_a_round_ends_with_its_time_and_leaves_the_rest_due(
    warehouse: Warehouse, receiver: Any
) -> None:
    channel(warehouse, "webhook", receiver.url)
    tell(warehouse, 3)
    assert deliver_due(warehouse, SETTINGS, {}, seconds=0) == Round(0, 0)
    assert deliver_due(warehouse, SETTINGS, {}) == Round(3, 0)


def smtp(port: int, **more: str) -> Settings:
    values = {"OCO_SMTP_HOST": "127.0.0.1", "OCO_SMTP_PORT": str(port), **more}
    return load_settings(values)


class Picky:
    """Takes mail for one mailbox only."""

    async def handle_RCPT(self, *given: Any) -> str:  # noqa: N802 - the server calls it so
        _, _, envelope, address, _ = given
        if address != "ops@example.com":
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, *_: Any) -> str:  # noqa: N802 - the server calls it so
        return "250 OK"


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    known = (data.login, data.password) == (b"oco", b"s3cret")
    return AuthResult(success=known, handled=False)


@pytest.fixture
def picky() -> Iterator[int]:
    """A mail server that wants a login and knows one mailbox."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(
        Picky(),
        hostname="127.0.0.1",
        port=port,
        authenticator=authenticate,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    yield port
    controller.stop()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize(
    ("mailbox", "more", "error"),
    [
        ("ops@example.com", {"OCO_SMTP_PASSWORD": "s3cret"}, None),
        ("ops@example.com", {"OCO_SMTP_PASSWORD": "wr0ng"}, "the mail server answered 535"),
        (
            "else@example.com",
            {"OCO_SMTP_PASSWORD": "s3cret"},
            "the mail server refused the recipient (550)",
        ),
        (
            "ops@example.com",
            {"OCO_SMTP_PASSWORD": "s3cret", "OCO_SMTP_SECURITY": "starttls"},
            "the mail server cannot be used (SMTPNotSupportedError)",
        ),
    ],
)
def test_mail_servers_may_want_a_login_and_refuse(
    warehouse: Warehouse, picky: int, mailbox: str, more: dict[str, str], error: str | None
) -> None:
    channel(warehouse, "email", mailbox)
    tell(warehouse)
    settings = smtp(picky, **{"OCO_SMTP_SECURITY": "none", "OCO_SMTP_USER": "oco", **more})
    deliver_due(warehouse, settings, {})
    assert state(warehouse) == (1, error is None, error)


def test_no_secret_is_in_any_row_or_message(warehouse: Warehouse, receiver: Any) -> None:
    receiver.status = 500
    channel(warehouse, "webhook", receiver.url, "OCO_CHANNEL_KEY")
    channel(warehouse, "slack", "", "OCO_CHANNEL_SLACK")
    tell(warehouse)
    secrets = {
        "OCO_CHANNEL_KEY": "canary-key",
        "OCO_CHANNEL_SLACK": f"{receiver.url}?canary-address",
    }
    assert deliver_due(warehouse, SETTINGS, secrets) == Round(0, 2)
    for table in ("alerts", "alert_deliveries", "audit_log", "notification_channels"):
        statement: Any = f"SELECT to_jsonb(t)::text AS row FROM oco.{table} AS t"
        assert all("canary" not in row["row"] for row in warehouse.query(statement)), table
    assert all(b"canary" not in body for _, body in receiver.got)
    assert all("canary" not in str(headers) for headers, _ in receiver.got)
