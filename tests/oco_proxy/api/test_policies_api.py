"""Governance policies and violations by the API."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from psycopg.types.json import Jsonb

RULES = {"resource": "ec2", "filters": [{"State.Name": "stopped"}]}
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.fixture
def client(gateway: Any, admin_headers: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{gateway.url}/api/v1", headers=admin_headers, timeout=60
    ) as client:
        yield client


def plant(gateway: Any) -> None:
    gateway.warehouse.execute(
        "INSERT INTO oco.resources (provider, account_id, resource_id, resource_type, attributes) "
        "VALUES ('aws', '111', 'i-1', 'aws.ec2', %s)",
        [Jsonb({"State": {"Name": "stopped"}, "Name": "x"})],
    )


def violation(gateway: Any, client: httpx.Client) -> str:
    made = client.post("/policies", json={"name": "p", "rules": RULES}).json()
    rows = gateway.warehouse.query(
        "INSERT INTO oco.policy_violations (policy_id, resource_id, provider, description, "
        "severity) VALUES (%s, 'i-1', 'aws', 'It is stopped', 'warning') RETURNING id::text",
        [made["id"]],
    )
    key: str = rows[0]["id"]
    return key


def test_a_policy_is_made_read_changed_and_removed(gateway: Any, client: httpx.Client) -> None:
    made = client.post("/policies", json={"name": "p", "rules": RULES, "actions": ["stop"]})
    assert made.status_code == 201
    policy = made.json()
    assert (policy["rules"], policy["actions"]) == (RULES, ["stop"])
    path = f"/policies/{policy['id']}"
    assert client.get("/policies").json()["items"] == [policy]
    assert client.patch(path, json={"enabled": False}).status_code == 428
    headers = {"If-Match": made.headers["etag"]}
    changed = client.patch(path, json={"enabled": False}, headers=headers)
    assert (changed.status_code, changed.json()["enabled"]) == (200, False)
    assert client.patch(path, json={"enabled": True}, headers=headers).status_code == 412
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    actions = gateway.warehouse.query("SELECT action FROM oco.audit_log ORDER BY id")
    assert [row["action"].rpartition(".")[2] for row in actions][-3:] == [
        *("create", "update", "delete"),
    ]


def test_two_policies_cannot_have_one_name(client: httpx.Client) -> None:
    client.post("/policies", json={"name": "p", "rules": RULES})
    assert client.post("/policies", json={"name": "p", "rules": RULES}).status_code == 409


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"rules": {"resource": "ec2", "filters": [{"a": 1}, {"or": [{"type": "x"}]}]}},
            "filters[1].or[0].type: 'x' is no filter",
        ),
        ({"rules": {"resource": "ec2", "filters": [{"a": "b\0"}]}}, "filters[0].a: "),
        ({"rules": RULES, "actions": [{"op": 1}]}, "actions[0]: must be"),
        ({"rules": RULES, "owner": "a\nb"}, "owner must be one line"),
        ({"rules": RULES, "unknown": 1}, "unknown"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_path_inside_it(
    client: httpx.Client, body: dict[str, Any], said: str
) -> None:
    answer = client.post("/policies", json={"name": "p", **body})
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert client.get("/policies").json()["items"] == []


def test_rules_are_tried_without_anything_being_written(gateway: Any, client: httpx.Client) -> None:
    plant(gateway)
    tried = client.post("/policies/check", json={"rules": RULES})
    assert tried.status_code == 200
    body = tried.json()
    assert (body["found"], body["by_account"]) == (1, {"aws 111": 1})
    assert body["hits"][0]["resource_id"] == "i-1"
    assert gateway.warehouse.query("SELECT 1 FROM oco.policy_violations") == []


def test_rules_that_fail_when_tried_say_why(gateway: Any, client: httpx.Client) -> None:
    plant(gateway)
    failing = {"resource": "ec2", "filters": [{"type": "value", "key": "keys(Name)", "value": 1}]}
    tried = client.post("/policies/check", json={"rules": failing})
    assert tried.status_code == 409
    assert "aws 111 i-1: JMESPathTypeError" in tried.json()["detail"]


def test_an_exempt_violation_is_shown_as_exempt_until_it_ends(
    gateway: Any, client: httpx.Client
) -> None:
    path = f"/violations/{violation(gateway, client)}"
    read = client.get(path)
    assert read.json()["status"] == "open"
    change = {"exempt_until": SOON, "exempt_reason": "a migration", "owner": "kim"}
    done = client.patch(path, json=change, headers={"If-Match": read.headers["etag"]})
    assert (done.json()["status"], done.json()["owner"]) == ("exempt", "kim")
    assert client.get("/violations", params={"status": "open"}).json()["items"] == []
    assert len(client.get("/violations", params={"status": "exempt"}).json()["items"]) == 1
    gateway.warehouse.execute("UPDATE oco.policy_violations SET exempt_until = now()")
    assert client.get(path).json()["status"] == "open"


@pytest.mark.parametrize(
    "change",
    [
        {"exempt_until": SOON},
        {"exempt_reason": "because"},
        {"exempt_until": SOON, "exempt_reason": None},
        {"exempt_until": "2020-01-01T00:00:00Z", "exempt_reason": "late"},
        {"exempt_until": "2099-01-01T00:00:00", "exempt_reason": "where"},
        {"exempt_until": SOON, "exempt_reason": ""},
        {"owner": ""},
    ],
)
def test_an_exemption_needs_a_reason_and_an_end_to_come(
    gateway: Any, client: httpx.Client, change: dict[str, Any]
) -> None:
    path = f"/violations/{violation(gateway, client)}"
    assert client.patch(path, json=change, headers={"If-Match": "*"}).status_code == 400


def test_what_is_resolved_cannot_be_exempt(gateway: Any, client: httpx.Client) -> None:
    path = f"/violations/{violation(gateway, client)}"
    gateway.warehouse.execute("UPDATE oco.policy_violations SET resolved_at = now()")
    change = {"exempt_until": SOON, "exempt_reason": "late"}
    assert client.patch(path, json=change, headers={"If-Match": "*"}).status_code == 409
