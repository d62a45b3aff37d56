"""Recovery plans over the API: checked at the entry, immutable, repeatable without harm."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from oco_warehouse.database import Warehouse
from oco_warehouse.tokens import hash_token

PREVIEW = """
UPDATE oco.recovery_plans SET previewed_at = now(), preview = '{"counts": {"create": 1}}'
"""


@pytest.fixture
def client(gateway: Any, admin_headers: dict[str, str]) -> Iterator[httpx.Client]:
    base = f"{gateway.url}/api/v1/recovery"
    with httpx.Client(base_url=base, headers=admin_headers, timeout=20) as made:
        yield made


@pytest.fixture
def backup(priced: Warehouse) -> str:
    """Id of a usable backup of the namespaces shop and bank."""
    [row] = priced.query(
        """
        INSERT INTO oco.backup_records (cluster, backup_name, backup_uid, phase, namespaces, usable,
                                        started_at, expires_at)
        VALUES ('production', 'shop-1', 'u', 'Completed', '{shop,bank}', true, now(),
                now() + interval '1 day') RETURNING id::text
        """
    )
    priced.execute("INSERT INTO oco.recovery_targets (cluster) VALUES ('spare')")
    return str(row["id"])


@pytest.fixture
def ask(client: httpx.Client, backup: str) -> Callable[..., httpx.Response]:
    def post(key: str = "", **changes: object) -> httpx.Response:
        body = {"backup_id": backup, "target_cluster": "spare", "namespaces": ["shop"], **changes}
        headers = {"Idempotency-Key": key} if key else {}
        return client.post("/plans", json=body, headers=headers)

    return post


Ask = Callable[..., httpx.Response]


def test_a_plan_is_asked_for_approved_and_executed_and_each_repeat_changes_nothing(
    client: httpx.Client, priced: Warehouse, ask: Ask
) -> None:
    asked = ask()
    plan = asked.json()
    assert (asked.status_code, plan["status"], plan["previewed_at"]) == (202, "pending", None)
    where = f"/plans/{plan['id']}"
    assert asked.headers["location"] == f"/api/v1/recovery{where}"
    early = client.post(f"{where}/approve")
    assert early.status_code == 409 and "no preview yet" in early.json()["detail"]
    priced.execute(PREVIEW)
    assert client.post(f"/execute/{plan['id']}").status_code == 409
    for _ in range(2):
        assert client.post(f"{where}/approve").json()["status"] == "approved"
    times = {
        client.post(f"/execute/{plan['id']}").json()["execution_requested_at"] for _ in range(3)
    }
    assert len(times) == 1
    actions = priced.query(
        "SELECT action, actor FROM oco.audit_log WHERE entity_type = 'recovery_plan' ORDER BY id"
    )
    assert [row["action"].partition(".")[2] for row in actions] == [
        "requested",
        "approved",
        "execution_requested",
    ]
    assert all(row["actor"].startswith("token:") for row in actions)


def test_an_idempotency_key_makes_one_plan(client: httpx.Client, ask: Ask) -> None:
    first, again = ask(key="k"), ask(key="k")
    assert first.json()["id"] == again.json()["id"] != ask(key="other").json()["id"]
    differs = ask(key="k", namespaces=["bank"])
    assert differs.status_code == 409 and "which differs" in differs.json()["detail"]
    assert len(client.get("/plans").json()["items"]) == 2


@pytest.mark.parametrize(
    ("changes", "status", "wrong"),
    [
        ({"target_cluster": "nowhere"}, 400, "known are: production, spare"),
        ({"namespaces": ["other"]}, 400, "does not hold namespace 'other'"),
        ({"namespaces": []}, 400, "from 1 to 100"),
        ({"namespace_mapping": {"shop": "velero"}}, 400, "the cluster's own"),
        ({"namespaces": ["shop", "bank"], "namespace_mapping": {"shop": "bank"}}, 400, "two names"),
        ({"existing_resource_policy": "replace"}, 400, "one of none, update"),
        ({"backup_id": str(uuid4())}, 404, "there is no backup"),
        ({"surprise": 1}, 400, "unknown field"),
    ],
)
def test_a_plan_that_could_only_fail_is_refused_at_the_entry(
    ask: Ask, changes: dict[str, Any], status: int, wrong: str
) -> None:
    answer = ask(**changes)
    assert (answer.status_code, wrong in answer.json()["detail"]) == (status, True), answer.text


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("usable = false, usable_reason = 'it holds no items'", "it holds no items"),
        ("expires_at = now()", "has expired"),
        ("vanished_at = now()", "is gone"),
    ],
)
def test_what_is_no_recovery_point_gets_no_plan(
    ask: Ask, priced: Warehouse, change: str, wrong: str
) -> None:
    priced.execute(f"UPDATE oco.backup_records SET {change}")  # type: ignore[arg-type]
    assert wrong in ask().json()["detail"]


def protect(warehouse: Warehouse, cluster: str) -> None:
    warehouse.execute(
        "INSERT INTO oco.dr_policies (name, cluster, namespaces, schedule_cron, rpo_target, "
        "rto_target, protected) VALUES ('guard', %s, '{shop}', '0 * * * *', '1 day', '1 hour', "
        "true)",
        [cluster],
    )


def test_a_protected_target_is_refused_at_the_entry(ask: Ask, priced: Warehouse) -> None:
    protect(priced, "spare")
    assert "protected" in ask().json()["detail"]
    assert ask(namespace_mapping={"shop": "copy"}).status_code == 202


def test_a_target_that_is_protected_meanwhile_is_refused_at_approval_and_execution(
    client: httpx.Client, ask: Ask, priced: Warehouse
) -> None:
    waiting, approved = ask().json()["id"], ask().json()["id"]
    priced.execute(PREVIEW)
    assert client.post(f"/plans/{approved}/approve").status_code == 200
    protect(priced, "spare")
    for path in (f"/plans/{waiting}/approve", f"/execute/{approved}"):
        answer = client.post(path)
        assert (answer.status_code, "protected" in answer.json()["detail"]) == (400, True)


def test_a_plan_is_cancelled_until_it_executes(
    client: httpx.Client, ask: Ask, priced: Warehouse
) -> None:
    first, second = ask().json()["id"], ask().json()["id"]
    for _ in range(2):
        assert client.post(f"/plans/{first}/cancel").json()["status"] == "cancelled"
    assert client.post(f"/execute/{first}").status_code == 409
    priced.execute(PREVIEW + " WHERE status = 'pending'")
    client.post(f"/plans/{second}/approve")
    priced.execute("UPDATE oco.recovery_plans SET status = 'executing' WHERE status = 'approved'")
    refused = client.post(f"/plans/{second}/cancel")
    assert refused.status_code == 409 and "cannot be called back" in refused.json()["detail"]


def test_plans_are_listed_by_status(client: httpx.Client, ask: Ask) -> None:
    plan = ask().json()["id"]
    [listed] = client.get("/plans", params={"status": "pending"}).json()["items"]
    assert listed == client.get(f"/plans/{plan}").json()
    assert client.get("/plans", params={"status": "done"}).status_code == 400
    assert client.get(f"/plans/{uuid4()}").status_code == 404
    assert client.get("/drills").json() == {"items": [], "next_cursor": None}


def test_a_viewer_may_look_and_not_act(gateway: Any, ask: Ask, priced: Warehouse) -> None:
    plan = ask().json()["id"]
    priced.execute(
        "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role) "
        "VALUES ('viewer', %s, 'oco_', 'viewer')",
        [hash_token("oco_viewer")],
    )
    headers = {"Authorization": "Bearer oco_viewer"}
    with httpx.Client(base_url=f"{gateway.url}/api/v1/recovery", headers=headers) as viewer:
        assert viewer.get(f"/plans/{plan}").status_code == 200
        for path in (f"/plans/{plan}/approve", f"/plans/{plan}/cancel", f"/execute/{plan}"):
            assert viewer.post(path).status_code == 403
