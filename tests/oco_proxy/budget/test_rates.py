"""Rate limits: the arithmetic of a sliding minute, and the limits end to end."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.budget.rates import LocalRates, RateClaim, RateLimit, wait_for_room
from oco_warehouse.database import Warehouse

BODY: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 100,
}
MINUTE_START = 60 * 28_000_000


def claims(entity: str = "bot", **limits: int) -> list[RateClaim]:
    return [RateClaim(RateLimit("1", "agent", "*", **limits), entity)]


@given(
    limit=st.integers(1, 1000),
    current=st.integers(0, 1000),
    before=st.integers(0, 1000),
    past=st.floats(0, 0.999),
)
def test_after_the_stated_wait_there_is_room(
    limit: int, current: int, before: int, past: float
) -> None:
    wait = wait_for_room(limit, current, before, 1, past)
    assert 0 <= wait <= 120
    later = past + (wait + 0.001) / 60
    sliding = current + before * (1 - later)
    used = sliding if later < 1 else current * max(0.0, 2 - later)
    assert used + 1 <= limit + 1e-6


def test_a_minute_slides() -> None:
    rates, limit = LocalRates(), claims(requests_per_minute=10)
    for index in range(10):
        assert rates.admit(str(index), limit, 0, MINUTE_START + 50) is None
    assert rates.admit("x", limit, 0, MINUTE_START + 59) is not None
    # Half of the next minute over: half of the ten still count.
    taken = [rates.admit(f"y{n}", limit, 0, MINUTE_START + 90) for n in range(6)]
    assert [room is None for room in taken] == [True] * 5 + [False]


def test_a_refused_request_takes_no_room() -> None:
    rates = LocalRates()
    both = [*claims(requests_per_minute=5), *claims("all", concurrent_requests=1)]
    assert rates.admit("a", both, 0, MINUTE_START) is None
    for number in range(10):
        refused = rates.admit(f"b{number}", both, 0, MINUTE_START)
        assert refused is not None
        assert refused.what == "concurrent_requests"
    rates.ended("a", both, 0)
    assert rates.admit("c", both, 0, MINUTE_START) is None


def test_tokens_that_were_not_used_are_given_back() -> None:
    rates, limit = LocalRates(), claims(tokens_per_minute=1000)
    assert rates.admit("a", limit, 900, MINUTE_START) is None
    assert rates.admit("b", limit, 900, MINUTE_START) is not None
    rates.ended("a", limit, 50 - 900)
    assert rates.admit("b", limit, 900, MINUTE_START) is None


def set_limit(warehouse: Warehouse, entity: str = "*", **limits: int) -> None:
    names = ", ".join(limits)
    marks = ", ".join(["%s"] * len(limits))
    warehouse.execute(
        f"INSERT INTO oco.rate_limits (scope, entity_id, {names}) VALUES ('agent', %s, {marks})",
        [entity, *limits.values()],
    )


def call(gateway: Any, agent: str = "bot", knobs: str = "") -> httpx.Response:
    headers = {"X-Agent-ID": agent, "X-Standin": knobs}
    return httpx.post(f"{gateway.openai}/chat/completions", json=BODY, headers=headers, timeout=30)


@pytest.mark.parametrize("without_redis", [False, True])
def test_calls_above_the_rate_get_429_and_when_to_come_back(
    priced: Warehouse, start: Callable[..., Any], without_redis: bool
) -> None:
    set_limit(priced, requests_per_minute=3)
    more = {"REDIS_URL": "redis://127.0.0.1:1/0"} if without_redis else {}
    with start(**more) as gateway:
        answers = [call(gateway) for _ in range(5)]
        other = call(gateway, agent="other")
    codes = [answer.status_code for answer in answers]
    # A minute may turn in the middle, which lets one more pass.
    assert codes[:3] == [200, 200, 200]
    assert codes[-1] == 429
    refused = answers[-1].json()
    assert refused["error"] == "rate_limited"
    assert (refused["scope"], refused["entity_id"]) == ("agent", "bot")
    assert (refused["limit"], refused["limit_value"]) == ("requests_per_minute", 3)
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 120
    assert "x-should-retry" not in answers[-1].headers
    assert other.status_code == 200


def test_an_entity_with_a_row_of_its_own_goes_by_that(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    set_limit(priced, requests_per_minute=1)
    set_limit(priced, "vip", requests_per_minute=100)
    with start() as gateway:
        assert {call(gateway, agent="vip").status_code for _ in range(4)} == {200}


def test_two_gateways_share_the_places_of_concurrent_requests(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    set_limit(priced, concurrent_requests=2)
    with start() as first, start() as second, ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(call, gateway, "bot", "delay=1") for gateway in (first, second)]
        time.sleep(0.5)
        assert call(first).status_code == 429
        assert [future.result().status_code for future in slow] == [200, 200]
        assert call(second).status_code == 200


def test_tokens_expected_but_not_used_are_free_again(
    priced: Warehouse, start: Callable[..., Any]
) -> None:
    # Each call may use some 130 tokens and uses 17: a limit of 200 lets several pass.
    set_limit(priced, tokens_per_minute=200)
    with start() as gateway:
        codes = [call(gateway).status_code for _ in range(4)]
    assert codes == [200] * 4


def test_a_rate_limit_is_set_through_the_api_and_removed_again(
    priced: Warehouse, start: Callable[..., Any], admin_headers: dict[str, str]
) -> None:
    with start() as gateway:
        api = httpx.Client(base_url=f"{gateway.url}/api/v1/rate-limits", headers=admin_headers)
        limit = {"scope": "agent", "entity_id": "bot", "requests_per_minute": 1}
        made = api.put("", json=limit)
        assert made.status_code == 200
        assert call(gateway).status_code == 200
        assert call(gateway).status_code == 429
        assert [row["id"] for row in api.get("").json()["items"]] == [made.json()["id"]]
        assert api.delete(f"/{made.json()['id']}").status_code == 204
        assert call(gateway).status_code == 200
        nothing = api.put("", json={"scope": "agent", "entity_id": "bot"})
    assert nothing.status_code == 400
    assert "at least one" in nothing.json()["detail"]
