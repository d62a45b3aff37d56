"""Deliveries: to real servers, retried within bounds, audited, without a secret anywhere."""

import json
import socket
from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.llm.alerts.delivery import Round, deliver_due
from oco_pipelines.llm.alerts.message import signature
from oco_pipelines.llm.alerts.store import MAX_ATTEMPTS
from oco_pipelines.llm.alerts.thresholds import fire_thresholds
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings, load_settings

SETTINGS = load_settings({})


def channel(warehouse: Warehouse, kind: str, target: str, **more: Any) -> None:
    warehouse.execute(
        "INSERT INTO oco.notification_channels (name, kind, target, secret_env, scopes) "
        "VALUES (%s, %s, %s, %s, %s)",
        [more.get("name", kind), kind, target, more.get("secret_env"), more.get("scopes", [])],
    )


def cross(warehouse: Warehouse, spent: str = "5") -> None:
    warehouse.execute("UPDATE oco.budgets SET spent_usd = %s", [Decimal(spent)])
    assert fire_thresholds(warehouse)


def deliveries(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query("SELECT * FROM oco.alert_deliveries ORDER BY next_attempt_at")


def audited(warehouse: Warehouse) -> list[tuple[str, str]]:
    rows = warehouse.query("SELECT action, details FROM oco.audit_log ORDER BY id")
    return [(row["action"], row["details"]["channel"]) for row in rows]


def smtp(port: int, **more: str) -> Settings:
    return load_settings(
        {
            "OCO_SMTP_HOST": "127.0.0.1",
            "OCO_SMTP_PORT": str(port),
            "OCO_SMTP_SECURITY": "none",
            "OCO_SMTP_FROM": "oco@example.com",
            **more,
        }
    )


@pytest.mark.usefixtures("budget")
def test_a_webhook_gets_signed_json_once(warehouse: Warehouse, receiver: Any) -> None:
    channel(warehouse, "webhook", receiver.url, secret_env="OCO_CHANNEL_KEY")
    cross(warehouse)
    secrets = {"OCO_CHANNEL_KEY": "k3y"}
    assert deliver_due(warehouse, SETTINGS, secrets) == Round(1, 0)
    assert deliver_due(warehouse, SETTINGS, secrets) == Round(0, 0)
    ((headers, body),) = receiver.got
    sent = json.loads(body)
    assert (sent["kind"], sent["scope"], sent["entity_id"]) == (
        "budget_threshold",
        "team",
        "search",
    )
    assert (sent["threshold"], sent["figures"]["spent_usd"]) == ("0.5", "5")
    assert headers["X-OCO-Signature"] == signature(body, "k3y")
    assert headers["X-OCO-Alert-ID"] == sent["id"]
    (row,) = deliveries(warehouse)
    assert row["delivered_at"] is not None
    assert row["next_attempt_at"] is None
    assert audited(warehouse) == [("alert.deliver", "webhook")]


@pytest.mark.usefixtures("budget")
def test_slack_gets_a_text_whose_markup_is_escaped(warehouse: Warehouse, receiver: Any) -> None:
    warehouse.execute("UPDATE oco.budgets SET entity_id = '<!channel> & co'")
    channel(warehouse, "slack", "", secret_env="OCO_CHANNEL_SLACK")
    cross(warehouse)
    done = deliver_due(warehouse, SETTINGS, {"OCO_CHANNEL_SLACK": receiver.url})
    assert done == Round(1, 0)
    text = json.loads(receiver.got[0][1])["text"]
    assert "&lt;!channel&gt; &amp; co" in text
    assert "50 %" in text


@pytest.mark.usefixtures("budget")
def test_mail_arrives_with_one_line_of_subject(warehouse: Warehouse, mailbox: Any) -> None:
    warehouse.execute("UPDATE oco.budgets SET entity_id = E'se\\r\\nBcc: all@example.com'")
    channel(warehouse, "email", "ops@example.com")
    cross(warehouse)
    assert deliver_due(warehouse, smtp(mailbox.port), {}) == Round(1, 0)
    (mail,) = mailbox.mails
    assert (mail["From"], mail["To"], mail["Bcc"]) == ("oco@example.com", "ops@example.com", None)
    assert "50 %" in str(mail["Subject"])
    assert "spent_usd: 5" in mail.get_payload()


@pytest.mark.usefixtures("budget")
def test_a_refusal_is_tried_again_later_and_later_and_then_given_up(
    warehouse: Warehouse, receiver: Any
) -> None:
    receiver.status = 500
    channel(warehouse, "webhook", receiver.url)
    cross(warehouse)
    waits = []
    for _ in range(MAX_ATTEMPTS):
        assert deliver_due(warehouse, SETTINGS, {}) == Round(0, 1)
        assert deliver_due(warehouse, SETTINGS, {}) == Round(0, 0), "it must wait"
        (row,) = warehouse.query(
            "UPDATE oco.alert_deliveries SET next_attempt_at = CASE WHEN next_attempt_at IS NULL "
            "THEN NULL ELSE now() END RETURNING attempts, last_error, next_attempt_at, ("
            "SELECT extract(epoch FROM next_attempt_at - now()) FROM oco.alert_deliveries) AS wait"
        )
        waits.append(row["wait"])
        assert row["last_error"] == "answered HTTP 500"
    assert [round(wait / 30) for wait in waits[:-1]] == [1, 2, 4, 8, 16, 32, 64]
    assert waits[-1] is None
    assert len(receiver.got) == MAX_ATTEMPTS
    assert [action for action, _ in audited(warehouse)] == [
        *["alert.retry_later"] * (MAX_ATTEMPTS - 1),
        "alert.give_up",
    ]


@pytest.mark.usefixtures("budget")
def test_one_dead_channel_does_not_keep_the_others_waiting(
    warehouse: Warehouse, receiver: Any, mailbox: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()[1]
    channel(warehouse, "webhook", f"http://127.0.0.1:{closed}/secret-path", name="dead")
    channel(warehouse, "webhook", receiver.url, name="alive")
    channel(warehouse, "email", "ops@example.com")
    cross(warehouse, "8")
    assert deliver_due(warehouse, smtp(mailbox.port), {}) == Round(4, 2)
    assert (len(receiver.got), len(mailbox.mails)) == (2, 2)


@pytest.mark.parametrize(
    ("kind", "target", "secret", "reason"),
    [
        ("webhook", "http://127.0.0.1:1/secret-path", None, "cannot be reached (ConnectError)"),
        ("webhook", "http://secret-path:port", None, "cannot be reached (InvalidURL)"),
        ("slack", "", "OCO_CHANNEL_GONE", "OCO_CHANNEL_GONE is not set"),
        ("email", "ops@example.com", None, "OCO_SMTP_HOST is not set"),
    ],
)
@pytest.mark.usefixtures("budget")
def test_what_went_wrong_is_one_line_without_the_address(
    warehouse: Warehouse, kind: str, target: str, secret: str | None, reason: str
) -> None:
    channel(warehouse, kind, target, secret_env=secret)
    cross(warehouse)
    assert deliver_due(warehouse, SETTINGS, {}) == Round(0, 1)
    (row,) = deliveries(warehouse)
    assert reason in row["last_error"]
    assert "secret-path" not in row["last_error"]
    assert "\n" not in row["last_error"]


@pytest.mark.usefixtures("budget")
def test_redirects_are_not_followed(warehouse: Warehouse, receiver: Any) -> None:
    receiver.status = 302
    channel(warehouse, "webhook", receiver.url)
    cross(warehouse)
    assert deliver_due(warehouse, SETTINGS, {}) == Round(0, 1)
    assert len(receiver.got) == 1


@pytest.mark.usefixtures("budget")
def test_channels_take_only_the_scopes_that_they_name(warehouse: Warehouse, receiver: Any) -> None:
    for name, scopes in (
        ("all", []),
        ("teams", ["team"]),
        ("search", ["agent", "team:search"]),
        ("other", ["team:other", "agent"]),
    ):
        channel(warehouse, "webhook", receiver.url, name=name, scopes=scopes)
    warehouse.execute(
        "INSERT INTO oco.notification_channels (name, kind, target, enabled) "
        "VALUES ('off', 'webhook', %s, false)",
        [receiver.url],
    )
    cross(warehouse)
    deliver_due(warehouse, SETTINGS, {})
    assert sorted(name for _, name in audited(warehouse)) == ["all", "search", "teams"]


def test_the_sensor_tells_in_one_tick_and_starts_no_run(
    warehouse: Warehouse, receiver: Any, budget: str
) -> None:
    from dagster import build_sensor_context

    from oco_pipelines.llm.alerts.sensor import alerts_sensor
    from oco_pipelines.resources import WarehouseResource

    channel(warehouse, "webhook", receiver.url)
    warehouse.execute("UPDATE oco.budgets SET spent_usd = 8")
    context = build_sensor_context(
        resources={"warehouse": WarehouseResource(database_url=warehouse.url)}
    )
    tick = alerts_sensor().evaluate_tick(context)
    assert tick.skip_message == "2 alerts raised, 2 delivered, 0 failed"
    assert not tick.run_requests
    assert len(receiver.got) == 2
