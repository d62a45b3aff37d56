"""What the API's document promises, and what is refused because it is not in it."""

import re
from decimal import Decimal
from typing import Any

import httpx
import pytest

PROBLEM = "application/problem+json"


@pytest.fixture
def client(gateway: Any, admin_headers: dict[str, str]) -> Any:
    base = f"{gateway.url}/api/v1"
    with httpx.Client(base_url=base, headers=admin_headers, timeout=20) as made:
        yield made


def operations(client: httpx.Client) -> dict[str, Any]:
    document = client.get(str(client.base_url).replace("/api/v1/", "/docs/openapi.json")).json()
    return {
        f"{method} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_every_operation_says_how_it_refuses(client: httpx.Client) -> None:
    for name, operation in operations(client).items():
        refusals = {s: r for s, r in operation["responses"].items() if s >= "400"}
        if " /api/v1/" in name:
            assert {"400", "401", "403", "503"} <= set(refusals), name
            assert ("404" in refusals) or "{" not in name, name
            assert ("413" in refusals) == ("requestBody" in operation), name
            for status, refusal in refusals.items():
                assert list(refusal["content"]) == [PROBLEM], (name, status)
    assert {"409", "412", "428"} <= {
        status for operation in operations(client).values() for status in operation["responses"]
    }


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("GET", "/requests", "limit, cursor, agent_id, team_id, model, provider"),
        ("GET", "/insights", "limit, cursor, kind, scope, open"),
        ("POST", "/tokens", "none"),
        ("DELETE", "/budgets/x", "none"),
    ],
)
def test_an_unknown_parameter_is_named(
    client: httpx.Client, method: str, path: str, known: str
) -> None:
    answer = client.request(method, path, params={"agnet_id": "x"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
    assert answer.json()["type"] == "urn:oco:problem:unknown_parameter"
    assert answer.json()["detail"] == f"There is no parameter 'agnet_id' here; there are: {known}"


def test_a_parameter_by_its_own_name_passes(client: httpx.Client) -> None:
    params = {"limit": 1, "kind": "k", "scope": "team", "open": "true"}
    assert client.get("/insights", params=params).status_code == 200


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/budgets", "GET, OPTIONS, POST"),
        ("/budgets/x", "DELETE, GET, OPTIONS, PATCH"),
        ("/models/prices", "DELETE, OPTIONS, PUT"),
    ],
)
def test_a_path_tells_all_of_its_methods(client: httpx.Client, path: str, methods: str) -> None:
    told = client.options(path, params={"anything": "x"})
    assert (told.status_code, told.headers.get_list("allow")) == (204, [methods])
    refused = client.request("TRACE", path)
    assert refused.status_code == 405
    assert sorted(refused.headers["allow"].split(", ")) == methods.split(", ")


@pytest.mark.parametrize("text", ["0.5", "1764000000", "2026-11-23", "2026-11-23T00:00:00", "now"])
def test_a_moment_is_never_guessed(client: httpx.Client, text: str) -> None:
    for method, path in (("GET", "/routing/savings"), ("DELETE", "/models/prices")):
        params = {"provider": "p", "model": "m"} if method == "DELETE" else {}
        name = "effective_from" if method == "DELETE" else "start"
        answer = client.request(method, path, params={**params, name: text})
        assert (answer.status_code, answer.json()["detail"][: len(name)]) == (400, name)


def test_a_body_that_is_missing_or_wrong_is_told_so(client: httpx.Client) -> None:
    missing = client.post("/tokens").json()
    assert missing["detail"] == "body: a JSON object is needed"
    wrong = client.post("/tokens", json={"name": "n", "role": "king"}).json()
    assert wrong["detail"] == "role: Invalid enum value 'king'"
    assert wrong["errors"] == [
        {"message": "Invalid enum value 'king'", "key": "role", "source": "body"}
    ]
    assert client.get("/budgets", params={"limit": "x"}).json()["detail"].startswith("limit: ")


def test_amounts_are_taken_as_text_and_as_numbers(client: httpx.Client) -> None:
    for entity, amount in (("a", "12.10"), ("b", 12.10)):
        body = {"scope": "agent", "entity_id": entity, "limit_usd": amount}
        assert client.post("/budgets", json=body).json()["limit_usd"] in {"12.10", "12.1"}


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("enabled", 0, "Expected `bool`, got `int`"),
        ("enabled", "true", "Expected `bool`, got `str`"),
        ("requests_per_minute", "7", "Expected `int | null`, got `str`"),
        ("requests_per_minute", 7.5, "Expected `int | null`, got `float`"),
    ],
)
def test_a_member_of_another_type_is_not_guessed(
    client: httpx.Client, member: str, value: Any, message: str
) -> None:
    body = {"scope": "agent", "entity_id": "a", "tokens_per_minute": 7, member: value}
    answer = client.put("/rate-limits", json=body)
    assert (answer.status_code, answer.json()["detail"]) == (400, f"{member}: {message}")


def test_no_body_takes_a_member_that_it_does_not_know(client: httpx.Client) -> None:
    for name, operation in operations(client).items():
        if "requestBody" in operation:
            method, path = name.split(" /api/v1")
            path = re.sub(r"{\w+_id}", "00000000-0000-0000-0000-000000000000", path)
            headers = {"If-Match": "*"}
            answer = client.request(method.upper(), path, json={"nobody": 1}, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM), name


def test_an_offset_out_of_the_calendar_is_a_400(client: httpx.Client) -> None:
    body = {"name": "n", "role": "viewer", "expires_at": "9999-12-31T23:59:59-23:59"}
    answer = client.post("/tokens", json=body)
    assert (answer.status_code, answer.json()["detail"]) == (400, "expires_at is out of range")


@pytest.mark.parametrize(
    "change",
    [
        {"limit_usd": "1e-999999"},
        {"limit_usd": "0." + "1" * 20_000},
        {"thresholds": ["1e-999999"]},
        {"thresholds": ["0.5", "NaN"]},
    ],
)
def test_digits_that_no_amount_has_are_a_400(
    client: httpx.Client, change: dict[str, object]
) -> None:
    made = client.post("/budgets", json={"scope": "agent", "entity_id": "a", "limit_usd": "1"})
    path = f"/budgets/{made.json()['id']}"
    answer = client.patch(path, json=change, headers={"If-Match": "*"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
    assert "with at most 20 decimals" in answer.json()["detail"]


def test_amounts_are_answered_without_an_exponent(client: httpx.Client) -> None:
    for limit in ("9000000", "0.0000006", "9.00E+6", 1e-10):
        body = {
            "scope": "agent", "entity_id": str(limit), "limit_usd": limit,
            "thresholds": ["0.00000001"],
        }  # fmt: skip
        made = client.post("/budgets", json=body).json()
        listed = client.get("/budgets").json()["items"][0]
        for answer in (made, listed):
            assert Decimal(answer["limit_usd"]) == Decimal(str(limit))
            assert "E" not in answer["limit_usd"].upper()
            assert answer["thresholds"] == ["0.00000001"]


def test_the_document_says_which_text_is_an_amount(client: httpx.Client) -> None:
    document = client.get(str(client.base_url).replace("/api/v1/", "/docs/openapi.json")).json()
    schemas = document["components"]["schemas"]
    limit = schemas["NewBudget"]["properties"]["limit_usd"]
    changed = schemas["BudgetChange"]["properties"]["limit_usd"]["oneOf"][0]
    share = schemas["NewBudget"]["properties"]["thresholds"]["items"]
    cached = schemas["PriceOverride"]["properties"]["cached_input_per_m_token"]["oneOf"][0]
    tool = schemas["PriceOverride"]["properties"]["tool_prices"]["additionalProperties"]
    assert limit["pattern"] == changed["pattern"]
    assert cached["pattern"] == tool["pattern"]
    assert (limit["maximum"], share["maximum"], cached["maximum"]) == (9_000_000, 10, 1_000_000)
    for schema, taken, refused in (
        (limit, ("0", "8999999.99", "9000000.0", "0.5"), ("9000001", "1e2", "-1", "NaN", "")),
        (share, ("0.5", "10", "0.01"), ("0", "0.0", "10.1", "11")),
        (cached, ("0", "999999.5", "1000000"), ("1000001", "0." + "1" * 21)),
    ):
        assert all(re.search(schema["pattern"], text) for text in taken)
        assert not any(re.search(schema["pattern"], text) for text in refused)
