"""Policies, tiers and savings through the REST API of one running gateway."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from oco_proxy.router.catalogue import shipped_models
from oco_warehouse.tokens import hash_token

POLICY = {"scope": "agent", "entity_id": "bot", "strategy": "balanced"}
OUR_ROW = {
    "provider": "openai", "model": "gpt-4o", "tier": "premium", "quality": 99,
    "context_tokens": 128000, "max_output_tokens": 16384, "sampling": True,
}  # fmt: skip


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
        made = httpx.Client(base_url=f"{gateway.url}/api/v1/routing", headers=headers, timeout=20)
        clients.append(made)
        return made

    yield client
    for made in clients:
        made.close()


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_a_policy_is_made_read_changed_and_removed(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    client = api("operator")
    made = client.post("/policies", json=POLICY)
    policy = made.json()
    path = f"/policies/{policy['id']}"
    assert made.status_code == 201
    assert (policy["mode"], policy["allowed_models"], policy["enabled"]) == ("dry_run", None, True)
    assert problem(client.post("/policies", json=POLICY)) == (409, "conflict")
    assert client.get("/policies").json()["items"] == [policy]
    change = {"mode": "enforce", "allowed_models": ["gpt-4o-mini"]}
    assert problem(client.patch(path, json=change)) == (428, "if_match_required")
    headers = {"If-Match": made.headers["etag"]}
    changed = client.patch(path, json=change, headers=headers)
    assert changed.json()["allowed_models"] == ["gpt-4o-mini"]
    assert problem(client.patch(path, json=change, headers=headers)) == (412, "changed_meanwhile")
    headers = {"If-Match": changed.headers["etag"]}
    freed = client.patch(path, json={"allowed_models": None}, headers=headers).json()
    assert (freed["mode"], freed["allowed_models"]) == ("enforce", None)
    assert client.delete(path).status_code == 204
    assert problem(client.get(path)) == (404, "not_found")
    assert problem(client.delete(path)) == (404, "not_found")
    actions = gateway.warehouse.query("SELECT action, entity_id FROM oco.audit_log ORDER BY id")
    assert [row["action"] for row in actions] == [
        f"routing_policy.{what}" for what in ("create", "update", "update", "delete")
    ]
    assert {row["entity_id"] for row in actions} == {policy["id"]}


WRONG_POLICIES: list[dict[str, Any]] = [
    {"scope": "planet"},
    {"scope": "tag:"},
    {"entity_id": ""},
    {"entity_id": "a\0"},
    {"strategy": "cheapest"},
    {"mode": "sometimes"},
    {"name": "x" * 201},
    {"allowed_models": []},
    {"allowed_models": ["m\0"]},
    {"allowed_models": ["m"] * 101},
    {"unknown": 1},
]


def test_a_wrong_policy_is_a_400_that_writes_nothing(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    client = api("operator")
    for wrong in WRONG_POLICIES:
        answer = client.post("/policies", json={**POLICY, **wrong})
        assert problem(answer)[0] == 400, wrong
    assert gateway.warehouse.query("SELECT 1 FROM oco.routing_policies") == []


def test_a_text_that_no_database_can_hold_is_a_400(api: Callable[[str], httpx.Client]) -> None:
    client = api("operator")
    assert problem(client.get("/tiers?provider=%00")) == (400, "invalid_input")
    body = b'{"scope":"agent","entity_id":"\xff","strategy":"balanced"}'
    headers = {"content-type": "application/json"}
    wrong = client.post("/policies", content=body, headers=headers)
    assert problem(wrong) == (400, "invalid_input")


def test_a_viewer_reads_and_changes_nothing(api: Callable[[str], httpx.Client]) -> None:
    client = api("viewer")
    for path in ("/policies", "/tiers", "/savings"):
        assert client.get(path).status_code == 200
    refused = (403, "forbidden")
    assert problem(client.post("/policies", json=POLICY)) == refused
    assert problem(client.put("/tiers", json=OUR_ROW)) == refused
    assert problem(client.delete("/policies/x")) == refused


def test_the_shipped_models_are_listed_and_a_persons_row_stays(
    api: Callable[[str], httpx.Client], start: Callable[..., Any], gateway: Any
) -> None:
    client = api("operator")
    seen: list[dict[str, Any]] = []
    params: dict[str, Any] = {"limit": 7}
    while True:
        page = client.get("/tiers", params=params).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    names = sorted((row["provider"], row["model"]) for row in seen)
    assert names == sorted((model.provider, model.model) for model in shipped_models())
    assert {row["source"] for row in seen} == {"shipped"}
    changed = client.put("/tiers", json=OUR_ROW).json()
    assert (changed["source"], changed["quality"], changed["tools"]) == ("custom", 99, False)
    gateway.warehouse.execute("UPDATE oco.model_tiers SET quality = 1 WHERE model = 'gpt-4.1'")
    with start():  # a gateway that starts ships its models again
        rows = gateway.warehouse.query(
            "SELECT model, quality, source FROM oco.model_tiers "
            "WHERE model IN ('gpt-4o', 'gpt-4.1') ORDER BY model"
        )
    assert [tuple(row.values()) for row in rows] == [
        ("gpt-4.1", 55, "shipped"),
        ("gpt-4o", 99, "custom"),
    ]


WRONG_MODELS: list[dict[str, Any]] = [
    {"model": "with space"},
    {"model": ""},
    {"model": "a\0"},
    {"provider": ""},
    {"tier": "free"},
    {"context_tokens": 0},
    {"max_output_tokens": 10**12},
    {"quality": -1},
    {"thinking": 4},
    {"token_percent": 5},
]


def test_a_wrong_model_is_a_400(api: Callable[[str], httpx.Client]) -> None:
    client = api("operator")
    for wrong in WRONG_MODELS:
        answer = client.put("/tiers", json={**OUR_ROW, **wrong})
        assert problem(answer)[0] == 400, wrong


def test_savings_are_summed_by_policy_and_model_and_dry_runs_apart(
    api: Callable[[str], httpx.Client], gateway: Any
) -> None:
    now = datetime.now(UTC)
    rows: list[tuple[Any, ...]] = [
        ("p", True, "gpt-4o", "mini", "0.10", now),
        ("p", True, "gpt-4o", "mini", "0.000000000001", now),
        ("p", True, "gpt-4o", "mini", None, now),
        ("p", False, "gpt-4o", None, None, now),
        ("q", False, "gpt-4o", "mini", "7", now),
        ("p", True, "gpt-4o", "mini", "1000", now - timedelta(days=40)),
        (None, False, "gpt-4o", None, None, now),
    ]
    for index, (policy, routed, original, model, saved, at) in enumerate(rows):
        gateway.warehouse.execute(
            "INSERT INTO oco.api_requests (id, provider, cost_status, status_code, "
            "routing_policy_id, was_routed, original_model, routed_model, savings_usd, timestamp) "
            "VALUES (%s, 'openai', 'unpriced', 200, %s, %s, %s, %s, %s, %s)",
            [str(index), policy, routed, original, model, saved and Decimal(saved), at],
        )
    client = api("viewer")
    answer = client.get("/savings").json()
    assert answer["total"] == {
        "routed_calls": 3, "dry_run_calls": 1, "fell_back_calls": 1, "unknown_calls": 1,
        "saved_usd": "0.100000000001", "dry_run_savings_usd": "7",
    }  # fmt: skip
    mine = [(row["policy_id"], row["routed_model"], row["saved_usd"]) for row in answer["items"]]
    assert mine[0] == ("p", "mini", "0.100000000001")
    assert sorted(mine[1:], key=str) == [("p", None, "0"), ("q", "mini", "0")]
    early = {"start": (now - timedelta(days=60)).isoformat(), "policy_id": "p"}
    assert client.get("/savings", params=early).json()["total"]["saved_usd"] == "1000.100000000001"
    none = client.get("/savings", params={"policy_id": "other"}).json()
    assert (none["items"], none["total"]["saved_usd"]) == ([], "0")


WRONG_WINDOWS: list[dict[str, Any]] = [
    {"start": "2026-11-23T00:00:00"},
    {"start": "nonsense"},
    {"start": "2026-11-23T00:00:00Z", "end": "2026-11-23T00:00:00Z"},
    {"end": "0001-01-01T00:00:00+14:00"},
    {"end": "0001-01-02T00:00:00Z"},
    {"policy_id": "\0"},
]


def test_a_wrong_window_is_a_400(api: Callable[[str], httpx.Client]) -> None:
    client = api("viewer")
    for params in WRONG_WINDOWS:
        assert problem(client.get("/savings", params=params))[0] == 400, params
