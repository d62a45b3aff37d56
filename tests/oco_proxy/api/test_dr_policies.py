"""DR policies over the API."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

POLICY = {
    "name": "shop",
    "cluster": "production",
    "namespaces": ["shop"],
    "schedule_cron": "0 3 * * *",
    "rpo_target": "26h",
    "rto_target": "30m",
}


@pytest.fixture
def client(gateway: Any, admin_headers: dict[str, str]) -> Iterator[httpx.Client]:
    base = f"{gateway.url}/api/v1"
    with httpx.Client(base_url=base, headers=admin_headers, timeout=20) as made:
        yield made


def test_a_policy_is_made_read_changed_and_removed(client: httpx.Client, gateway: Any) -> None:
    options = {"snapshotMoveData": True}
    made = client.post("/dr/policies", json={**POLICY, "snapshot_options": options})
    assert made.status_code == 201
    policy = made.json()
    assert policy["rpo_target"] == "1d2h" and policy["snapshot_options"] == options
    path = f"/dr/policies/{policy['id']}"
    read = client.get(path)
    assert read.json() == policy and read.headers["ETag"] == made.headers["ETag"]
    match = {"If-Match": read.headers["ETag"]}
    change = {"namespaces": [], "namespace_selector": {"matchLabels": {"tier": "gold"}}}
    changed = client.patch(path, json={**change, "retention": "60d"}, headers=match)
    assert changed.status_code == 200, changed.text
    assert changed.json()["namespace_selector"] == change["namespace_selector"]
    assert changed.json()["retention"] == "60d" and changed.json()["version"] == 2
    stale = client.patch(path, json={"enabled": False}, headers=match)
    assert (stale.status_code, client.patch(path, json={}).status_code) == (412, 428)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    rows = gateway.warehouse.query(
        "SELECT action FROM oco.audit_log WHERE entity_type = 'dr_policy' ORDER BY id"
    )
    assert [row["action"].removeprefix("dr_policy.") for row in rows] == [
        "create",
        "update",
        "delete",
    ]


def test_a_contradiction_is_a_problem_that_names_its_field(client: httpx.Client) -> None:
    answer = client.post("/dr/policies", json={**POLICY, "rpo_target": "1h"})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("rpo_target: 1h is shorter than the schedule's")
    made = client.post("/dr/policies", json=POLICY)
    path, match = f"/dr/policies/{made.json()['id']}", {"If-Match": made.headers["ETag"]}
    answer = client.patch(path, json={"schedule_cron": "0 3 * * 1"}, headers=match)
    assert answer.status_code == 400 and "longest gap of 7d" in answer.json()["detail"]
    assert client.get(path).headers["ETag"] == made.headers["ETag"]
    answer = client.patch(path, json={"retention": "0d"}, headers={"If-Match": "other"})
    assert answer.status_code == 400 and answer.json()["detail"].startswith("retention: ")


def test_a_name_is_taken_once_and_lists_go_by_cursor_and_cluster(client: httpx.Client) -> None:
    for number in range(3):
        body = {**POLICY, "name": f"p{number}", "cluster": "a" if number else "b"}
        assert client.post("/dr/policies", json=body).status_code == 201
    again = client.post("/dr/policies", json={**POLICY, "name": "p0"})
    assert again.status_code == 409
    first = client.get("/dr/policies", params={"limit": 2}).json()
    rest = client.get("/dr/policies", params={"cursor": first["next_cursor"]}).json()
    assert [item["name"] for item in first["items"] + rest["items"]] == ["p2", "p1", "p0"]
    [one] = client.get("/dr/policies", params={"cluster": "b"}).json()["items"]
    assert one["name"] == "p0"


def test_status_tells_the_newest_verdict_and_which_namespaces_nobody_covers(
    client: httpx.Client, gateway: Any
) -> None:
    made = client.post("/dr/policies", json=POLICY).json()
    gateway.warehouse.execute(
        "INSERT INTO oco.dr_policy_status (policy_id, verdict, reasons, since, judged_at) "
        "VALUES (%s, 'AtRisk', '{old}', now(), now())",
        [made["id"]],
    )
    gateway.warehouse.execute(
        "INSERT INTO oco.dr_compliance (policy_id, verdict, recovery_point_age, readiness) "
        "VALUES (%s, 'AtRisk', '25 hours', 61.5)",
        [made["id"]],
    )
    gateway.warehouse.execute(
        "INSERT INTO oco.dr_namespaces (cluster, namespace, policies, volumes, verdict, reasons, "
        "since, judged_at) VALUES ('production', 'cart', '{}', 2, 'NotCovered', '{none}', now(), "
        "now())"
    )
    [status] = client.get("/dr/status", params={"verdict": "AtRisk"}).json()["items"]
    assert status["reasons"] == ["old"] and status["recovery_point_age"] == "1d1h"
    assert status["readiness"] == "61.5" and status["policy_id"] == made["id"]
    [space] = client.get("/dr/namespaces", params={"verdict": "NotCovered"}).json()["items"]
    assert space["namespace"] == "cart" and space["volumes"] == 2
    assert client.get("/dr/status", params={"verdict": "PolicyMet"}).json()["items"] == []
