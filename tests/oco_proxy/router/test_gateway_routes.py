"""Routing through a running gateway: what the provider sees, what the client gets, what is kept."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from oco_proxy.router.resting import TIMES

BODY = (
    b'{ "messages":[{"role":"user","content":"the \\"model\\":\\"gpt-4o\\""}],\n'
    b' "model" : "gpt-4o", "max_tokens":50 }'
)
ROUTED = BODY.replace(b' "gpt-4o",', b' "gpt-4o-mini",')
AGENT = {"X-Agent-ID": "bot"}


def send(gateway: Any, body: bytes = BODY, **headers: str) -> httpx.Response:
    sent = {**AGENT, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.post(f"{gateway.openai}/chat/completions", content=body, headers=sent, timeout=20)


def test_an_enforced_policy_changes_the_bytes_of_the_model_and_nothing_else(
    start: Callable[..., Any], policy: Callable[..., str], standin: Any
) -> None:
    made = policy("balanced", "enforce")
    with start() as gateway:
        answer = send(gateway)
        (row,) = gateway.rows(1)
    assert answer.status_code == 200 and answer.json()["model"] == "gpt-4o-mini"
    assert answer.headers["x-oco-routed-model"] == "gpt-4o-mini"
    (seen,) = standin.seen
    assert seen.body == ROUTED
    assert (row["was_routed"], row["original_model"], row["routed_model"], row["model"]) == (
        True, "gpt-4o", "gpt-4o-mini", "gpt-4o-mini",
    )  # fmt: skip
    assert row["routing_policy_id"] == made and row["tags"] == {}
    tokens = (row["input_tokens"], row["output_tokens"])
    at_original = (tokens[0] * Decimal("2.5") + tokens[1] * Decimal(10)) / 1_000_000
    assert row["cost_usd"] == (tokens[0] * Decimal("0.15") + tokens[1] * Decimal("0.6")) / 1_000_000
    assert row["savings_usd"] == at_original - row["cost_usd"]


def test_a_dry_run_changes_nothing_and_records_what_it_would_have_saved(
    start: Callable[..., Any], policy: Callable[..., str], standin: Any
) -> None:
    made = policy("balanced", "dry_run")
    with start() as gateway:
        answer = send(gateway)
        (row,) = gateway.rows(1)
    assert "x-oco-routed-model" not in answer.headers
    assert standin.seen[0].body == BODY
    assert (row["was_routed"], row["model"], row["original_model"]) == (False, "gpt-4o", "gpt-4o")
    assert (row["routed_model"], row["routing_policy_id"]) == ("gpt-4o-mini", made)
    tokens = (row["input_tokens"], row["output_tokens"])
    cheaper = (tokens[0] * Decimal("0.15") + tokens[1] * Decimal("0.6")) / 1_000_000
    assert row["savings_usd"] == row["cost_usd"] - cheaper > 0


def test_a_request_that_asks_to_be_left_alone_is(
    start: Callable[..., Any], policy: Callable[..., str], standin: Any
) -> None:
    policy("balanced", "enforce")
    with start() as gateway:
        send(gateway, X_OCO_Route="off")
        (row,) = gateway.rows(1)
    (seen,) = standin.seen
    assert seen.body == BODY and "x-oco-route" not in dict(seen.headers)
    assert (row["was_routed"], row["routed_model"], row["savings_usd"]) == (False, None, None)


def test_where_the_routed_model_gives_up_the_original_request_is_sent_once(
    start: Callable[..., Any], policy: Callable[..., str], picky: Any
) -> None:
    made = policy("balanced", "enforce")
    with start(OCO_OPENAI_BASE_URL=picky.url) as gateway:
        for count, status in enumerate((400, 404, 413, 422, 500, 501, 503), 1):
            picky.refuses = {}
            send(gateway)  # an answer in between, so that the model does not rest
            picky.refuses = {"gpt-4o-mini": status}
            answer = send(gateway, X_OCO_Tags='{"job":"x"}')
            row = gateway.rows(2 * count)[-1]
            assert answer.status_code == 200 and "x-oco-routed-model" not in answer.headers
            assert picky.bodies[-2:] == [ROUTED, BODY] and len(picky.bodies) == 3 * count
            assert (row["model"], row["was_routed"], row["error_type"]) == ("gpt-4o", False, None)
            assert (row["routed_model"], row["savings_usd"]) == (None, None)
            assert (row["routing_policy_id"], row["tags"]) == (made, {"job": "x"})
            assert row["cost_usd"] == Decimal("0.0035")


def test_a_model_that_gives_up_again_and_again_is_left_alone(
    start: Callable[..., Any], policy: Callable[..., str], picky: Any
) -> None:
    policy("balanced", "enforce")
    picky.refuses = {"gpt-4o-mini": 404}
    with start(OCO_OPENAI_BASE_URL=picky.url) as gateway:
        for _ in range(TIMES + 1):
            assert send(gateway).status_code == 200
    # The next best model is tried once the first one rests.
    assert picky.bodies.count(ROUTED) == TIMES
    assert picky.bodies[-1] == ROUTED.replace(b"gpt-4o-mini", b"gpt-4.1-nano")


def test_a_refusal_that_the_original_would_meet_as_well_is_passed_on(
    start: Callable[..., Any], policy: Callable[..., str], picky: Any
) -> None:
    policy("balanced", "enforce")
    with start(OCO_OPENAI_BASE_URL=picky.url) as gateway:
        for count, status in enumerate((401, 403, 429), 1):
            picky.refuses = {"gpt-4o-mini": status}
            answer = send(gateway)
            row = gateway.rows(count)[-1]
            assert answer.status_code == status and picky.bodies == [ROUTED] * count
            assert (row["was_routed"], row["cost_usd"], row["savings_usd"]) == (True, 0, None)


def test_an_original_that_gives_up_too_is_answered_as_it_is(
    start: Callable[..., Any], policy: Callable[..., str], picky: Any
) -> None:
    policy("balanced", "enforce")
    picky.refuses = {"gpt-4o-mini": 400, "gpt-4o": 404}
    with start(OCO_OPENAI_BASE_URL=picky.url) as gateway:
        answer = send(gateway)
        (row,) = gateway.rows(1)
    assert answer.status_code == 404 and "gpt-4o cannot" in answer.text
    assert picky.bodies == [ROUTED, BODY]
    assert (row["status_code"], row["error_type"], row["was_routed"]) == (404, "http_404", False)


def test_nothing_private_is_written_by_routing_or_falling_back(
    start: Callable[..., Any],
    policy: Callable[..., str],
    picky: Any,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    policy("balanced", "enforce")
    body = BODY.replace(b"the ", b"CANARY words ")
    with start(OCO_OPENAI_BASE_URL=picky.url) as gateway:
        for refuses in ({}, {"gpt-4o-mini": 400}):
            picky.refuses = refuses
            send(gateway, body, Authorization="Bearer CANARY")
        send(gateway, body.replace(b'"gpt-4o",', b'"CANARY",'))
        rows = str(gateway.rows(3))
        spooled = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    logs = "".join(capfd.readouterr())
    assert "route_fell_back" in logs and "route_decided" in logs and spooled
    decided = [line for line in logs.splitlines() if "route_" in line]
    assert "CANARY" not in "".join(decided)
    assert rows.count("CANARY") == rows.count("'CANARY'")  # the model that was asked for
    assert b"CANARY words" not in spooled and b"Bearer" not in spooled


def test_a_routed_stream_is_metered_and_its_asked_for_usage_taken_out(
    start: Callable[..., Any], policy: Callable[..., str], standin: Any
) -> None:
    policy("balanced", "enforce")
    body = BODY.replace(b'"max_tokens"', b'"stream":true,"max_tokens"')
    with start() as gateway:
        answer = send(gateway, body)
        (row,) = gateway.rows(1)
    assert answer.headers["x-oco-routed-model"] == "gpt-4o-mini"
    events = [line for line in answer.text.split("\n\n") if line]
    assert events[-1] == "data: [DONE]"
    assert all(json.loads(event[6:])["choices"] for event in events[:-1])
    assert json.loads(standin.seen[0].body)["stream_options"] == {"include_usage": True}
    assert (row["cost_status"], row["was_routed"], row["stream"]) == ("exact", True, True)
    assert row["savings_usd"] > 0


def test_a_budget_holds_the_dearer_of_both_models(
    start: Callable[..., Any], policy: Callable[..., str], picky: Any
) -> None:
    policy("balanced", "enforce")
    with start(OCO_OPENAI_BASE_URL=picky.url) as gateway:
        # The worst case of gpt-4o-mini would fit many times, that of gpt-4o does not.
        gateway.warehouse.execute(
            "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', 'bot', 0.0005)"
        )
        time.sleep(0.6)
        answer = send(gateway)
    assert answer.status_code == 429 and picky.bodies == []
    assert Decimal(answer.json()["requested_usd"]) > Decimal("0.0005")


def test_a_policy_counts_within_a_second_and_ends_within_one(
    start: Callable[..., Any], policy: Callable[..., str], standin: Any
) -> None:
    with start() as gateway:
        assert send(gateway).json()["model"] == "gpt-4o"
        made = policy("cost_optimized", "enforce", scope="tag:job", entity="x")
        _until(lambda: send(gateway, X_OCO_Tags='{"job":"x"}').json()["model"] == "gpt-4.1-nano")
        assert send(gateway).json()["model"] == "gpt-4o"
        gateway.warehouse.execute("DELETE FROM oco.routing_policies WHERE id = %s", [made])
        _until(lambda: send(gateway, X_OCO_Tags='{"job":"x"}').json()["model"] == "gpt-4o")


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2.0
    while not holds():
        assert time.monotonic() < deadline, "the change did not take effect"
        time.sleep(0.05)
