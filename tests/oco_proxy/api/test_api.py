"""The conventions of the REST API: tokens, problems, cursors, ETags, ids, documentation."""

import json
import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from oco_warehouse.database import Warehouse
from oco_warehouse.tokens import hash_token

ROLES = ("admin", "operator", "viewer", "agent")
READS = ("requests", "models", "budgets", "recommendations", "violations", "backups")


@pytest.fixture
def api(gateway: Any) -> Iterator[Callable[..., httpx.Client]]:
    """A client with a token of a role; None for one without."""
    clients = []
    for role in ROLES:
        gateway.warehouse.execute(
            "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role) "
            "VALUES (%s, %s, 'oco_', %s)",
            [role, hash_token(f"oco_{role}"), role],
        )

    def client(role: str | None = "admin") -> httpx.Client:
        headers = {} if role is None else {"Authorization": f"Bearer oco_{role}"}
        made = httpx.Client(base_url=f"{gateway.url}/api/v1", headers=headers, timeout=20)
        clients.append(made)
        return made

    yield client
    for made in clients:
        made.close()


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    body = answer.json()
    return (
        answer.status_code == body["status"] == status
        and answer.headers["content-type"] == "application/problem+json"
        and body["type"] == f"urn:oco:problem:{code}"
        and body["instance"] == f"urn:oco:request:{answer.headers['x-request-id']}"
        and "\n" not in body["detail"]
    )


def test_everything_is_closed_without_a_token(api: Callable[..., httpx.Client]) -> None:
    for path in (*READS, "tokens", "costs/daily"):
        answer = api(None).get(f"/{path}")
        assert is_problem(answer, 401, "unauthenticated"), path
        assert answer.headers["www-authenticate"].startswith("Bearer")
    wrong = api(None).get("/budgets", headers={"Authorization": "Bearer oco_wrong"})
    assert is_problem(wrong, 401, "unauthenticated")


def test_roles_allow_what_they_include(api: Callable[..., httpx.Client]) -> None:
    budget = {"scope": "agent", "entity_id": "x", "limit_usd": "1"}
    token = {"name": "n", "role": "viewer"}
    assert [api(role).get("/budgets").status_code for role in ROLES] == [200, 200, 200, 403]
    codes = [
        api(role).post("/budgets", json={**budget, "entity_id": role}).status_code for role in ROLES
    ]
    assert codes == [201, 201, 403, 403]
    assert [api(role).post("/tokens", json=token).status_code for role in ROLES] == [
        201,
        403,
        403,
        403,
    ]


@pytest.mark.parametrize("path", READS)
def test_an_empty_list_is_an_empty_page(api: Callable[..., httpx.Client], path: str) -> None:
    if path != "models":
        assert api("viewer").get(f"/{path}").json() == {"items": [], "next_cursor": None}


def test_cursors_walk_a_list_once_while_rows_are_added(
    api: Callable[..., httpx.Client], gateway: Any
) -> None:
    insert = (
        "INSERT INTO oco.api_requests (id, provider, cost_status, status_code, timestamp) "
        "SELECT %s || n, 'openai', 'unpriced', 200, "
        "'2026-05-01'::timestamptz + n / 3 * interval '1s' FROM generate_series(%s::int, %s::int) n"
    )
    gateway.warehouse.execute(insert, ["r", 100, 124])
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 7, **({"cursor": cursor} if cursor else {})}
        page = api("viewer").get("/requests", params=params).json()
        seen += [item["id"] for item in page["items"]]
        gateway.warehouse.execute(insert, [f"later{len(seen)}-", 500, 501])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == [f"r{n}" for n in range(100, 125)]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 501},
        {"limit": 0},
        {"limit": "x"},
        {"cursor": "nonsense"},
        {"cursor": "W10"},
        {"cursor": "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwieCJd"},
    ],
)
def test_a_bad_page_is_a_400(api: Callable[..., httpx.Client], params: dict[str, Any]) -> None:
    assert is_problem(api("viewer").get("/requests", params=params), 400, "invalid_input")


def test_a_budget_is_made_read_changed_and_removed(api: Callable[..., httpx.Client]) -> None:
    client = api("operator")
    made = client.post(
        "/budgets", json={"scope": "team", "entity_id": "t", "limit_usd": "12.50", "period": "day"}
    )
    budget = made.json()
    path = f"/budgets/{budget['id']}"
    assert made.status_code == 201
    assert Decimal(budget["limit_usd"]) == Decimal("12.50")
    etag = client.get(path).headers["etag"]
    assert etag == made.headers["etag"]
    change = {"limit_usd": "20"}
    assert is_problem(client.patch(path, json=change), 428, "if_match_required")
    changed = client.patch(path, json=change, headers={"If-Match": etag})
    assert (changed.status_code, Decimal(changed.json()["limit_usd"])) == (200, 20)
    stale = client.patch(path, json={"limit_usd": "30"}, headers={"If-Match": etag})
    assert is_problem(stale, 412, "changed_meanwhile")
    again = client.post(
        "/budgets", json={"scope": "team", "entity_id": "t", "limit_usd": "1", "period": "day"}
    )
    assert is_problem(again, 409, "conflict")
    assert client.delete(path).status_code == 204
    assert is_problem(client.get(path), 404, "not_found")


def test_a_new_budget_counts_what_its_period_has_spent(
    api: Callable[..., httpx.Client], gateway: Any
) -> None:
    for _ in range(3):
        httpx.post(
            f"{gateway.openai}/chat/completions",
            json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]},
            headers={"X-Agent-ID": "bot"},
        )
    rows = gateway.rows(3)
    body = {"scope": "agent", "entity_id": "bot", "limit_usd": "1"}
    made = api("operator").post("/budgets", json=body).json()
    assert Decimal(made["spent_usd"]) == sum(row["cost_usd"] for row in rows) > 0


@pytest.mark.parametrize(
    "fields",
    [
        {"limit_usd": "-1"},
        {"limit_usd": "NaN"},
        {"limit_usd": "1e30"},
        {"limit_usd": "1e-999999"},
        {"limit_usd": "0e999999"},
        {"limit_usd": "0." + "1" * 20_000},
        {"thresholds": ["1e-999999"]},
        {"thresholds": ["0"]},
        {"scope": "planet"},
        {"entity_id": ""},
        {"entity_id": "a\0b"},
        {"entity_id": "a\u200bb"},
        {"entity_id": "*"},
        {"time_zone": "localtime"},
        {"time_zone": "Mars/Olympus"},
        {"period": "rolling"},
        {"rolling_seconds": 3600},
        {"unknown": 1},
    ],
)
def test_a_budget_that_makes_no_sense_is_a_400_and_nothing_is_written(
    api: Callable[..., httpx.Client], warehouse: Warehouse, fields: dict[str, Any]
) -> None:
    body = {"scope": "agent", "entity_id": "x", "limit_usd": "1", **fields}
    answer = api("operator").post("/budgets", json=body)
    assert is_problem(answer, 400, "invalid_input")
    assert warehouse.query("SELECT id FROM oco.budgets") == []


def test_names_are_kept_in_one_spelling(api: Callable[..., httpx.Client]) -> None:
    scope = {"scope": "tag:e\u0301", "entity_id": "u\u0308"}
    for method, path, more in (
        ("POST", "/budgets", {"limit_usd": "1"}),
        ("POST", "/routing/policies", {"strategy": "balanced"}),
        ("PUT", "/rate-limits", {"requests_per_minute": 1}),
    ):
        made = api("operator").request(method, path, json={**scope, **more}).json()
        assert (made["scope"], made["entity_id"]) == ("tag:é", "ü"), path
    api().post("/tokens", json={"name": "n", "role": "agent", "agent_id": "u\u0308"})
    assert api().get("/tokens").json()["items"][0]["agent_id"] == "ü"


def test_a_token_is_shown_once_works_and_is_revoked(
    api: Callable[..., httpx.Client], gateway: Any
) -> None:
    made = api().post("/tokens", json={"name": "ci", "role": "viewer"}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    url = f"{gateway.url}/api/v1/budgets"
    assert httpx.get(url, headers=headers).status_code == 200
    listed = api().get("/tokens").text
    assert made["id"] in listed and made["token"] not in listed
    assert api().delete(f"/tokens/{made['id']}").status_code == 204
    time.sleep(2.1)
    assert httpx.get(url, headers=headers).status_code == 401
    assert is_problem(api().delete(f"/tokens/{made['id']}"), 404, "not_found")


def test_changes_are_in_the_audit_log_without_secrets(
    api: Callable[..., httpx.Client], warehouse: Warehouse
) -> None:
    made = (
        api()
        .post("/tokens", json={"name": "ci", "role": "viewer"}, headers={"X-Request-ID": "my-id-1"})
        .json()
    )
    (entry,) = warehouse.query("SELECT * FROM oco.audit_log")
    assert (entry["action"], entry["request_id"]) == ("token.create", "my-id-1")
    assert made["token"] not in json.dumps(entry, default=str)


def test_request_ids_are_kept_when_plain_and_replaced_when_not(
    api: Callable[..., httpx.Client],
) -> None:
    assert (
        api().get("/budgets", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    )
    odd = api().get("/budgets", headers={"X-Request-ID": "a b\t<script>"}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", odd)


def test_daily_costs_say_what_to_do_before_the_marts_are_built(
    api: Callable[..., httpx.Client],
) -> None:
    assert is_problem(api("viewer").get("/costs/daily"), 503, "marts_missing")


def test_unknown_paths_and_methods_are_problems(api: Callable[..., httpx.Client]) -> None:
    assert is_problem(api().get("/nothing"), 404, "not_found")
    assert is_problem(api().put("/budgets"), 405, "method_not_allowed")


def test_the_documentation_needs_nothing_from_elsewhere(gateway: Any) -> None:
    page = httpx.get(f"{gateway.url}/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", page.text)
    schema = httpx.get(f"{gateway.url}/docs/openapi.json").json()
    assert {f"/api/v1/{path}" for path in READS} <= set(schema["paths"])


def test_cors_allows_the_configured_origins_only(start: Callable[..., Any]) -> None:
    with start(CEREBRA_ALLOWED_ORIGINS="https://a.example") as gateway:

        def allowed(origin: str) -> str | None:
            answer = httpx.get(f"{gateway.url}/healthz", headers={"Origin": origin})
            return answer.headers.get("access-control-allow-origin")

        assert allowed("https://a.example") == "https://a.example"
        assert allowed("https://b.example") is None


def test_health_and_readiness(gateway: Any) -> None:
    assert httpx.get(f"{gateway.url}/healthz").json() == {"status": "ok"}
    deadline = time.monotonic() + 5
    ready: dict[str, Any] = {}
    while ready.get("status") != "ok" and time.monotonic() < deadline:
        ready = httpx.get(f"{gateway.url}/readyz").json()
    assert ready["status"] == "ok" and ready["warehouse"] and ready["redis"]
    headers = httpx.get(f"{gateway.url}/healthz").headers
    assert headers["x-content-type-options"] == "nosniff"


def test_daily_costs_come_from_the_mart_page_by_page(
    api: Callable[..., httpx.Client], warehouse: Warehouse
) -> None:
    warehouse.execute("CREATE SCHEMA marts")
    warehouse.execute(
        "CREATE TABLE marts.fct_cost_daily AS SELECT '2026-05-01'::date + n / 3 AS usage_date, "
        "'focus' AS source, 'aws' AS provider, 's' || n AS service, '1' AS account_id, "
        "'none' AS region, 'untagged' AS team, 'Usage' AS charge_category, "
        "n * 0.01 AS billed_cost_usd FROM generate_series(0, 9) n"
    )
    client = api("viewer")
    seen, cursor = [], None
    while True:
        params = {"limit": 4, "end": "2026-05-03", **({"cursor": cursor} if cursor else {})}
        page = client.get("/costs/daily", params=params).json()
        seen += [item["service"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["s8", "s7", "s6", "s5", "s4", "s3", "s2", "s1", "s0"]
    first = client.get("/costs/daily", params={"limit": 1}).json()["items"][0]
    assert (first["usage_date"], first["billed_cost_usd"]) == ("2026-05-04", "0.09")
    bad = client.get("/costs/daily", params={"start": "2026-05-02", "end": "2026-05-01"})
    assert is_problem(bad, 400, "invalid_input")
