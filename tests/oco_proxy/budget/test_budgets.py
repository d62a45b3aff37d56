"""Hard budgets end to end: admission, settlement, Redis and PostgreSQL going away."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest
import redis

from oco_warehouse.database import Warehouse

BODY: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 1000,
}


def add_budget(warehouse: Warehouse, limit: str, **fields: Any) -> None:
    values = {"scope": "agent", "entity_id": "bot", "limit_usd": Decimal(limit), **fields}
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd, enforcement, time_zone) "
        "VALUES (%(scope)s, %(entity_id)s, %(limit_usd)s, %(enforcement)s, %(time_zone)s)",
        {"enforcement": "hard", "time_zone": "UTC", **values},
    )


HEADERS_OF = {
    "team": {"X-Team-ID": "x"},
    "user": {"X-User-ID": "x"},
    "org": {"X-Org-ID": "x"},
    "tag:env": {"X-OCO-Tags": '{"env": "x"}'},
}


def call(gateway: Any, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{gateway.openai}/chat/completions",
        json=body or BODY,
        headers={"X-Agent-ID": "bot", "Authorization": "Bearer sk-test", **headers},
        timeout=30,
    )


def spent(warehouse: Warehouse) -> Decimal:
    (row,) = warehouse.query("SELECT spent_usd FROM oco.budgets WHERE entity_id = 'bot'")
    return Decimal(row["spent_usd"])


def test_a_request_over_budget_is_refused_with_everything_a_caller_needs(
    priced: Warehouse, start: Callable[..., Any], standin: Any
) -> None:
    add_budget(priced, "0.0001")
    with start() as gateway:
        answer = call(gateway)
    assert answer.status_code == 429
    body = answer.json()
    assert body["error"] == "budget_exceeded"
    assert (body["scope"], body["entity_id"], body["period"]) == ("agent", "bot", "month")
    assert Decimal(body["limit_usd"]) == Decimal("0.0001")
    assert Decimal(body["spent_usd"]) == Decimal(body["reserved_usd"]) == 0
    assert "agent bot" in body["message"]
    resets = datetime.fromisoformat(body["resets_at"])
    wait = (resets - datetime.now(UTC)).total_seconds()
    assert 0 <= int(answer.headers["retry-after"]) - wait < 60
    assert answer.headers["x-should-retry"] == "false"
    assert "has $0.000100 left" in body["message"]
    assert "this request could cost up to $0.00" in body["message"]
    assert "smaller max_tokens" in body["message"]
    assert standin.seen == []


def test_a_budget_that_is_spent_says_so(priced: Warehouse, start: Callable[..., Any]) -> None:
    add_budget(priced, "0")
    with start() as gateway:
        message = call(gateway).json()["message"]
    assert "is used up: $0.00 of $0.00 is spent. It resets at" in message


def test_that_a_budget_refuses_is_written_down_in_the_background(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    add_budget(priced, "0.0001")
    query = "SELECT refused_period = date_trunc('month', now(), 'UTC') AS noted FROM oco.budgets"
    with start() as gateway:
        assert call(gateway).status_code == 429
        deadline = time.monotonic() + 10
        while not priced.query(query)[0]["noted"] and time.monotonic() < deadline:
            time.sleep(0.05)
    assert priced.query(query)[0]["noted"]


def test_room_that_calls_under_way_hold_is_worth_a_retry_soon(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    add_budget(priced, "0.001")
    with start() as gateway, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(call, gateway, **{"X-Standin": "delay=2.5"})
        time.sleep(1.5)  # a new Redis lets nobody pass for the first second
        refused = call(gateway)
        assert slow.result().status_code == 200
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-should-retry"] == "true"
    body = refused.json()
    assert body["error"] == "budget_exceeded" and Decimal(body["reserved_usd"]) > 0
    assert "while other calls are under way" in body["message"]


def test_the_sdk_shows_its_user_the_message_in_the_providers_shape(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    add_budget(priced, "0.0001")
    with start(OCO_ERROR_SHAPE="provider") as gateway:
        sdk = openai.OpenAI(
            base_url=gateway.openai, api_key="k", default_headers={"X-Agent-ID": "bot"}
        )
        with pytest.raises(openai.RateLimitError, match="budget of agent bot has") as caught:
            sdk.chat.completions.create(**BODY)
    assert caught.value.type == "budget_exceeded"
    assert caught.value.body["scope"] == "agent"  # type: ignore[index]


def test_a_settled_request_frees_what_it_did_not_use(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    # One worst case is some 0.0006; ten calls cost a tenth of that together.
    add_budget(priced, "0.0008")
    with start() as gateway:
        assert [call(gateway).status_code for _ in range(10)] == [200] * 10
        rows = gateway.rows(10)
    assert spent(priced) == sum(row["cost_usd"] for row in rows)


@pytest.mark.parametrize("scope", ["team", "user", "org", "tag:env"])
def test_every_scope_limits(priced: Warehouse, start: Callable[..., Any], scope: str) -> None:
    add_budget(priced, "0", scope=scope, entity_id="x")
    with start() as gateway:
        refused, other = call(gateway, **HEADERS_OF[scope]), call(gateway)
    assert (refused.status_code, other.status_code) == (429, 200)
    assert refused.json()["scope"] == scope


def test_names_with_accents_limit_however_a_header_spells_them(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    add_budget(priced, "0", entity_id="böt")
    add_budget(priced, "0", scope="tag:é", entity_id="ü")
    spelled: list[dict[str, bytes]] = [
        {"X-Agent-ID": "böt".encode()},
        {"X-Agent-ID": "böt".encode("latin-1")},
        {"X-OCO-Tags": '{"é": "ü"}'.encode()},
        {"X-OCO-Tags": b'{"e\\u0301": "\\u00fc"}'},
    ]
    with start() as gateway:
        for headers in spelled:
            answer = httpx.post(f"{gateway.openai}/chat/completions", json=BODY, headers=headers)
            assert answer.status_code == 429, headers


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_no_method_walks_around_a_budget(
    priced: Warehouse, start: Callable[..., Any], standin: Any, method: str
) -> None:
    add_budget(priced, "0")
    with start() as gateway:
        for path, status in (("chat/completions", 429), ("audio/speech", 400)):
            url, headers = f"{gateway.openai}/{path}", {"X-Agent-ID": "bot"}
            answer = httpx.request(method, url, json=BODY, headers=headers)
            assert answer.status_code == status, answer.text
    assert standin.seen == []


@pytest.mark.parametrize("scope", ["team", "user", "org", "tag:env"])
def test_every_scope_counts_what_was_spent(
    priced: Warehouse, start: Callable[..., Any], scope: str
) -> None:
    # Room for one worst case of some 0.0006 and what two short calls cost, but not for a long one.
    add_budget(priced, "0.0007", scope=scope, entity_id="x")
    headers = HEADERS_OF[scope]
    with start() as gateway:
        long = {**headers, "X-Standin": "tokens=1000"}
        assert [call(gateway, **headers).status_code for _ in range(2)] == [200, 200]
        assert call(gateway, **long).status_code == 200
        refused = call(gateway, **headers)
        rows = gateway.rows(3)
    (budget,) = priced.query("SELECT spent_usd FROM oco.budgets")
    assert refused.status_code == 429
    assert budget["spent_usd"] == sum(row["cost_usd"] for row in rows) > 0


@pytest.mark.parametrize(("scope", "entity"), [("team", "t"), ("org", "o")])
def test_an_agent_cannot_leave_its_teams_budget_by_leaving_the_header_out(
    priced: Warehouse, start: Callable[..., Any], scope: str, entity: str
) -> None:
    priced.execute("INSERT INTO oco.organizations VALUES ('o', 'O')")
    priced.execute("INSERT INTO oco.teams (id, name, org_id) VALUES ('t', 'T', 'o')")
    priced.execute("INSERT INTO oco.agents (id, name, team_id) VALUES ('bot', 'B', 't')")
    add_budget(priced, "0", scope=scope, entity_id=entity)
    with start() as gateway:
        assert call(gateway).json()["scope"] == scope


def test_a_soft_budget_refuses_nothing_and_counts(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    add_budget(priced, "0", enforcement="soft")
    with start() as gateway:
        assert call(gateway).status_code == 200
        (row,) = gateway.rows(1)
    assert spent(priced) == row["cost_usd"] > 0


def test_a_free_model_stays_usable_over_budget_and_an_unpriced_one_is_refused(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    add_budget(priced, "0")
    with start() as gateway:
        free = call(gateway, {**BODY, "model": "free-model"})
        unknown = call(gateway, {**BODY, "model": "gpt-99"})
    assert free.status_code == 200
    assert unknown.status_code == 400
    assert unknown.json()["type"] == "urn:oco:problem:unpriced_model"
    assert "gpt-99" in unknown.json()["detail"]


def test_a_budget_change_takes_effect_within_a_second_everywhere(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    with start() as one, start() as other:

        def answers() -> list[int]:
            return [call(gateway).status_code for gateway in (one, other)]

        assert answers() == [200, 200]
        add_budget(priced, "0")
        time.sleep(1)
        assert answers() == [429, 429]
        priced.execute("UPDATE oco.budgets SET limit_usd = 1")
        time.sleep(1)
        assert answers() == [200, 200]
        priced.execute("DELETE FROM oco.budgets")
        add_budget(priced, "0", entity_id="someone-else")
        time.sleep(1)
        assert answers() == [200, 200]


async def _storm(urls: list[str], count: int) -> list[int]:
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:

        async def one(index: int) -> int:
            answer = await client.post(
                f"{urls[index % len(urls)]}/chat/completions",
                json=BODY,
                headers={"X-Agent-ID": "bot", "X-Standin": "delay=0.2,tokens=900"},
            )
            return answer.status_code

        return await asyncio.gather(*(one(index) for index in range(count)))


def test_two_hundred_racing_requests_through_two_gateways_never_overspend(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    # A call costs some 0.00054 and reserves some 0.00063: about 30 of 200 fit at once.
    limit = Decimal("0.02")
    add_budget(priced, str(limit))
    with start() as first, start() as second:
        codes = asyncio.run(_storm([first.openai, second.openai], 200))
        admitted = codes.count(200)
        rows = first.rows(admitted)
        assert set(codes) == {200, 429}
        assert len(rows) == admitted
        assert spent(priced) == sum(row["cost_usd"] for row in rows)
        assert spent(priced) <= limit
        # Nothing stays reserved: the rest of the limit can be used to the last request.
        while (status := call(first, **{"X-Standin": "tokens=900"}).status_code) == 200:
            admitted += 1
        assert status == 429
        first.rows(admitted)
    used = spent(priced)
    assert limit * Decimal("0.95") <= used <= limit


def test_a_flushed_redis_is_seeded_from_postgresql_and_forgets_no_spend(
    priced: Warehouse, start: Callable[..., Any], redis_url: str
) -> None:
    add_budget(priced, "0.0012")
    with start() as gateway:
        assert call(gateway, **{"X-Standin": "tokens=1000"}).status_code == 200
        gateway.rows(1)
        redis.Redis.from_url(redis_url).flushall()
        answer = call(gateway)
    assert answer.status_code == 429
    assert Decimal(answer.json()["spent_usd"]) >= Decimal("0.0006")


def test_a_request_in_flight_stays_reserved_through_a_flush(
    priced: Warehouse, start: Callable[..., Any], redis_url: str
) -> None:
    add_budget(priced, "0.0008")
    with start() as gateway, ThreadPoolExecutor() as pool:
        slow = pool.submit(call, gateway, None, **{"X-Standin": "delay=4"})
        time.sleep(1.5)  # a new Redis lets nobody pass for the first second
        redis.Redis.from_url(redis_url).flushall()
        assert call(gateway).status_code == 429
        assert slow.result().status_code == 200
        assert call(gateway).status_code == 200


def test_without_redis_budgets_are_held_in_postgresql(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    add_budget(priced, "0.0015")
    with start(REDIS_URL="redis://127.0.0.1:1/0") as gateway:
        headers = {"X-Standin": "delay=0.5,tokens=1000"}
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: call(gateway, **headers).status_code, range(12)))
        rows = gateway.rows(answers.count(200))
        ready = httpx.get(f"{gateway.url}/readyz").json()
    assert set(answers) == {200, 429}
    assert sum(row["cost_usd"] for row in rows) == spent(priced) <= Decimal("0.0015")
    assert (ready["status"], ready["redis"]) == ("degraded", False)


def test_a_second_gateway_without_redis_does_not_spend_the_same_money(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    add_budget(priced, "0.0008")
    gone = {"REDIS_URL": "redis://127.0.0.1:1/0"}
    with start(**gone) as first, start(**gone) as second:
        answers: list[int] = []
        slow = threading.Thread(
            target=lambda: answers.append(
                call(first, **{"X-Standin": "delay=3,tokens=1000"}).status_code
            )
        )
        slow.start()
        time.sleep(0.5)
        other = call(second)
        slow.join()
    assert answers == [200]
    assert other.status_code == 429
    assert Decimal(other.json()["reserved_usd"]) > Decimal("0.0006")
