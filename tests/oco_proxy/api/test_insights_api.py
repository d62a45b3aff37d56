"""Channels, alerts, insights, reports and stated prices over the API."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from oco_warehouse.tokens import hash_token

MISSING = "00000000-0000-0000-0000-000000000000"
WEBHOOK = {"name": "ops", "kind": "webhook", "target": "https://example.com/hook"}
PRICE = {
    "provider": "openai",
    "model": "in-house",
    "input_per_m_token": "0.10",
    "output_per_m_token": "0.4",
}


@pytest.fixture
def api(gateway: Any) -> Iterator[Callable[[str], httpx.Client]]:
    """A client with a token of a role."""
    clients = []
    for role in ("operator", "viewer"):
        gateway.warehouse.execute(
            "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role) "
            "VALUES (%s, %s, 'oco_', %s)",
            [role, hash_token(f"oco_{role}"), role],
        )

    def client(role: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer oco_{role}"}
        made = httpx.Client(base_url=f"{gateway.url}/api/v1", headers=headers, timeout=20)
        clients.append(made)
        return made

    yield client
    for made in clients:
        made.close()


def audited(gateway: Any) -> list[str]:
    return [row["action"] for row in gateway.warehouse.query("SELECT action FROM oco.audit_log")]


def test_a_channel_is_added_replaced_tried_and_removed(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    client = api("operator")
    made = client.post("/channels", json=WEBHOOK)
    assert made.status_code == 201
    path = f"/channels/{made.json()['id']}"
    assert client.post("/channels", json=WEBHOOK).status_code == 409
    slack = {"name": "chat", "kind": "slack", "secret_env": "OCO_CHANNEL_CHAT", "scopes": ["team"]}
    replaced = client.put(path, json=slack)
    assert (replaced.status_code, replaced.json()["name"]) == (200, "chat")
    tried = client.post(f"{path}/test")
    assert tried.status_code == 202
    (alert,) = client.get("/alerts").json()["items"]
    assert (alert["id"], alert["kind"], alert["pending"]) == (tried.json()["alert_id"], "test", 1)
    assert [item["name"] for item in client.get("/channels").json()["items"]] == ["chat"]
    assert client.delete(path).status_code == 204
    assert [client.put(path, json=slack).status_code, client.delete(path).status_code] == [404, 404]
    assert audited(gateway) == [
        "channel.create",
        "channel.update",
        "channel.test",
        "channel.delete",
    ]


def test_channels_are_for_operators(api: Callable[[str], httpx.Client]) -> None:
    client = api("viewer")
    assert client.get("/channels").status_code == 403
    assert client.post("/channels", json=WEBHOOK).status_code == 403
    assert client.put("/models/prices", json=PRICE).status_code == 403


UNUSABLE_CHANNELS: list[dict[str, Any]] = [
    {"target": "ftp://example.com"},
    {"target": "http://"},
    {"target": "https://user:password@example.com"},
    {"target": "https://example.com/a b"},
    {"target": "https://[::1"},
    {"target": "https://example.com:99999"},
    {"secret_env": "POSTGRES_PASSWORD"},
    {"secret_env": "OCO_CHANNEL_x"},
    {"name": ""},
    {"name": "a\u0000b"},
    {"scopes": [""]},
    {"scopes": ["x"] * 101},
    {"kind": "email", "target": "no mailbox"},
    {"kind": "email", "target": "a@b.c,d@e.f"},
    {"kind": "email", "target": "a@b.c\r\nBcc: d@e.f"},
    {"kind": "slack"},
    {"kind": "slack", "target": "https://hooks.slack.com/services/x"},
    {"kind": "pigeon"},
]


def test_an_unusable_channel_is_a_400(api: Callable[[str], httpx.Client]) -> None:
    client = api("operator")
    for change in UNUSABLE_CHANNELS:
        answer = client.post("/channels", json={**WEBHOOK, **change})
        assert answer.status_code == 400, (change, answer.text)
        assert "\n" not in answer.json()["detail"]
    assert client.get("/channels").json()["items"] == []


def test_insights_and_alerts_are_listed_by_kind_and_state(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    for number, resolved in enumerate((None, "2026-11-02Z")):
        gateway.warehouse.execute(
            "INSERT INTO oco.llm_insights (kind, scope, entity_id, title, figures, resolved_at) "
            """VALUES ('unpriced_model', 'model', %s, 't', '{"calls": "3"}', %s)""",
            [f"m{number}", resolved],
        )
    client = api("viewer")
    opened = client.get("/insights", params={"open": True, "kind": "unpriced_model"}).json()
    assert [(item["entity_id"], item["figures"]) for item in opened["items"]] == [
        ("m0", {"calls": "3"})
    ]
    assert len(client.get("/insights").json()["items"]) == 2
    assert client.get("/insights", params={"scope": "team"}).json()["items"] == []
    first = client.get("/insights", params={"limit": 1}).json()
    second = client.get("/insights", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert {page["items"][0]["entity_id"] for page in (first, second)} == {"m0", "m1"}
    assert client.get("/alerts", params={"open": False}).json()["items"] == []


def test_the_newest_report_is_json_and_a_page_that_may_run_nothing(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    client = api("viewer")
    assert client.get("/reports/daily/latest").status_code == 404
    assert client.get("/reports/hourly/latest").status_code == 400
    for day, total in (("2026-11-01", "1.10"), ("2026-11-02", "2.20")):
        gateway.warehouse.execute(
            "INSERT INTO oco.reports VALUES ('daily', %s, %s::timestamptz + interval '1 day', "
            "%s, %s)",
            [day, day, f"<p>{total}</p>", json.dumps({"cost_usd": total})],
        )
    assert client.get("/reports/daily/latest").json() == {"cost_usd": "2.20"}
    page = client.get("/reports/daily/latest.html")
    assert page.text == "<p>2.20</p>"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    listed = client.get("/reports", params={"kind": "daily"}).json()["items"]
    assert [item["period_start"][:10] for item in listed] == ["2026-11-02", "2026-11-01"]


def test_models_without_a_price_are_listed_by_their_calls(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    gateway.warehouse.execute(
        "INSERT INTO oco.api_requests (id, provider, model, cost_status, status_code, "
        "total_tokens, timestamp) SELECT 'r' || n, 'openai', CASE n % 3 WHEN 0 THEN 'a' ELSE 'b' "
        "END, 'unpriced', 200, 10, '2026-11-01Z' FROM generate_series(1, 6) AS n"
    )
    gateway.warehouse.execute(
        "INSERT INTO oco.api_requests (id, provider, model, cost_status, status_code, "
        "input_tokens, output_tokens, \"timestamp\") VALUES ('cut', 'openai', 'priced', "
        "'unpriced', 200, NULL, 7, '2026-11-01Z'), ('off', 'openai', 'priced', 'unpriced', 200, "
        "0, 0, '2026-11-01Z')"
    )
    items = api("viewer").get("/models/unpriced").json()["items"]
    assert [(item["model"], item["requests"], item["tokens"]) for item in items] == [
        ("b", 4, 40),
        ("a", 2, 20),
    ]


def test_a_stated_price_is_kept_to_the_last_digit_replaced_and_taken_back(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    client = api("operator")
    stated = client.put("/models/prices", json=PRICE)
    assert stated.status_code == 200, stated.text
    assert stated.json()["price_version"].startswith("override 20")
    dated = {**PRICE, "effective_from": "2026-11-01T00:00:00+01:00", "input_per_m_token": "0.2"}
    assert client.put("/models/prices", json=dated).status_code == 200
    again = {**dated, "input_per_m_token": "0.12345678901"}
    assert client.put("/models/prices", json=again).status_code == 200
    items = client.get("/models", params={"model": "in-house"}).json()["items"]
    assert {item["effective_from"]: Decimal(item["input_per_m_token"]) for item in items} == {
        None: Decimal("0.10"),
        "2026-10-31T23:00:00Z": Decimal("0.12345678901"),
    }
    key = {"provider": "openai", "model": "in-house"}
    moment = {"effective_from": "2026-10-31T23:00:00Z"}
    assert client.delete("/models/prices", params={**key, **moment}).status_code == 204
    assert client.delete("/models/prices", params=key).status_code == 204
    assert client.delete("/models/prices", params=key).status_code == 404
    assert audited(gateway) == ["price.set"] * 3 + ["price.delete"] * 2


CATALOGUE = """
INSERT INTO oco.model_pricing (provider, model, input_per_m_token, output_per_m_token,
    cached_input_per_m_token, tool_prices, media_prices, price_version)
VALUES ('openai', 'gpt-4.1-mini', 0.0000004, 1.6, 0.1, '{"web_search": 0.0000001}', '{}', 'v')
"""


def test_a_stated_price_that_is_taken_back_uncovers_the_catalogues(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    client = api("operator")
    gateway.warehouse.execute(CATALOGUE)
    price = {**PRICE, "model": "gpt-4.1-mini", "tool_prices": {"shell": "0.03"}}
    assert client.put("/models/prices", json=price).status_code == 200
    key = {"provider": "openai", "model": "gpt-4.1-mini"}

    def listed() -> dict[str, tuple[str, dict[str, str]]]:
        items = client.get("/models", params=key).json()["items"]
        return {item["source"]: (item["input_per_m_token"], item["tool_prices"]) for item in items}

    catalogue = {"genai-prices": ("0.0000004", {"web_search": "0.0000001"})}
    assert listed() == {"override": ("0.10", {"shell": "0.03"}), **catalogue}
    assert client.delete("/models/prices", params=key).status_code == 204
    assert listed() == catalogue
    assert client.delete("/models/prices", params=key).status_code == 404


def test_a_price_that_is_a_number_is_read_without_a_float(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    client = api("operator")
    for number, status in (("0.1234567890123456789", 200), ("1e-999999", 400)):
        text = json.dumps({**PRICE, "input_per_m_token": 0, "tool_prices": {"shell": "0.0000001"}})
        body = text.replace('"input_per_m_token": 0', f'"input_per_m_token": {number}')
        headers = {"Content-Type": "application/json"}
        answer = client.put("/models/prices", content=body, headers=headers)
        assert answer.status_code == status, answer.text
    (item,) = client.get("/models", params={"model": "in-house"}).json()["items"]
    assert item["input_per_m_token"] == "0.1234567890123456789"
    (row,) = gateway.warehouse.query("SELECT details ->> 'tool_prices' AS tools FROM oco.audit_log")
    assert row["tools"] == '{"shell": 0.0000001}'


def test_a_price_of_the_catalogue_cannot_be_deleted(api: Callable[[str], httpx.Client]) -> None:
    key = {"provider": "openai", "model": "gpt-4o-mini"}
    assert api("operator").delete("/models/prices", params=key).status_code == 404


UNUSABLE_PRICES: list[dict[str, Any]] = [
    {"input_per_m_token": "-1"},
    {"input_per_m_token": "NaN"},
    {"input_per_m_token": None},
    {"input_per_m_token": "1e40"},
    {"input_per_m_token": "1e-999999"},
    {"input_per_m_token": "1." + "0" * 20_000},
    {"tool_prices": {"shell": "-1"}},
    {"tool_prices": {"": "1"}},
    {"tool_prices": {str(n): "1" for n in range(101)}},
    {"media_prices": {"smell": "1"}},
    {"effective_from": "2026-11-01T00:00:00"},
    {"effective_from": "0001-01-01T00:00:00+23:59"},
    {"effective_from": "9999-12-31T23:59:59-23:59"},
    {"effective_from": 1e300},
    {"model": ""},
    {"model": "a\u0000"},
    {"surprise": 1},
    {"min_context_tokens": -1},
]


def test_an_unusable_price_is_a_400(api: Callable[[str], httpx.Client]) -> None:
    client = api("operator")
    for change in UNUSABLE_PRICES:
        answer = client.put("/models/prices", json={**PRICE, **change})
        assert answer.status_code == 400, (change, answer.text)
    key = {"provider": "openai", "model": "in-house"}
    for moment in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-01T00:00:00"):
        params = {**key, "effective_from": moment}
        assert client.delete("/models/prices", params=params).status_code == 400, moment
