"""The checks of storm and chaos can fail: figures of each broken promise give its sentence."""

from decimal import Decimal
from typing import Any

import pytest

from tests.faults.books import Asked
from tests.faults.chaos import Lengths, faults
from tests.faults.promises import PROMISES, broken_by_faults, broken_by_storm
from tests.faults.tally import Call, Ledger, added, tally

CENT = Decimal("0.01")
GOOD: dict[str, Any] = {
    "answered": 90,
    "rows": 95,
    "unrecorded": 0,
    "double_rows": 0,
    "overspend_usd": 0.0,
    "spent_minus_rows_usd": 0.0,
    "provider_calls": 95,
    "provider_usd": 0.0095,
    "provider_minus_rows_usd": 0.0,
    "provider_overspend_usd": 0.0,
    "refused": {429: 20, 503: 5},
    "failed": 0,
    "disconnects": 5,
    "upstream_errors": 4,
    "leaked_holds": 0,
    "during": {"answered": 40, "refused": {429: 10, 503: 5}},
    "after": {"answered": 10, "ready": True},
}
KILLED = GOOD | {"failed": 6, "provider_calls": 99, "provider_minus_rows_usd": 0.0004}
BOTH = GOOD | {"during": {"answered": 0, "refused": {503: 5}}}
STORM = GOOD | {"answered": 95, "limit_usable_share": 0.98}


def test_every_fault_has_its_promise_and_good_figures_keep_it() -> None:
    assert {*faults(Lengths(1, 1, 1)), "disk_full"} == set(PROMISES)
    figures = dict.fromkeys(PROMISES, GOOD) | {"gateway_killed": KILLED, "both_down": BOTH}
    assert broken_by_faults(figures) == []
    assert broken_by_storm(STORM, 400) == []


@pytest.mark.parametrize(
    ("fault", "wrong", "told"),
    [
        ("postgres_stopped", {"unrecorded": 2}, "2 answered calls have no row"),
        ("postgres_stopped", {"double_rows": 1}, "1 rows are there twice"),
        ("postgres_down", {"overspend_usd": 0.1}, "0.1 dollars were recorded above the limit"),
        ("postgres_down", {"spent_minus_rows_usd": -0.1}, "-0.1 dollars lie between"),
        ("redis_stopped", {"leaked_holds": 3}, "3 reservations were left"),
        ("redis_stopped", {"answered": 0}, "no call was answered"),
        ("redis_stopped", {"disconnects": 0}, "no client hung up"),
        ("redis_stopped", {"upstream_errors": 0}, "no error of the provider reached a client"),
        ("redis_flushed", {"rows": 94}, "the provider had 95 calls, rows 94"),
        ("redis_flushed", {"provider_minus_rows_usd": 0.1}, "bills 0.1 dollars beside rows"),
        ("redis_flushed", {"provider_overspend_usd": 0.1}, "bills 0.1 dollars above limits"),
        (
            "redis_flushed",
            {"during": {"answered": 40, "refused": {}}},
            "no call was refused with 429 while it lasted, so the hard budget was never reached",
        ),
        (
            "postgres_stopped",
            {"during": {"answered": 0, "refused": {429: 10}}},
            "no call was answered while it lasted",
        ),
        ("redis_flushed", {"after": {"answered": 0, "ready": True}}, "no call was answered after"),
        (
            "redis_stopped",
            {"after": {"answered": 9, "ready": False}},
            "not every gateway was whole",
        ),
        (
            "disk_full",
            {"during": {"answered": 40, "refused": {429: 10}}},
            "no call was refused with 503 while it lasted",
        ),
        (
            "both_down",
            {"during": {"answered": 7, "refused": {503: 5}}},
            "7 calls were answered that had to be refused",
        ),
        (
            "both_down",
            {"refused": {503: 5}, "during": {"answered": 0, "refused": {503: 5}}},
            "no call was ever refused with 429",
        ),
        ("gateway_killed", {"failed": 0}, "nothing was killed in mid-call"),
        ("gateway_killed", {"failed": 6, "provider_calls": 107}, "12 calls have no row"),
        ("gateway_killed", {"failed": 6, "provider_calls": 94}, "-1 calls have no row"),
        (
            "gateway_killed",
            {"failed": 6, "provider_calls": 95, "provider_minus_rows_usd": 0.1},
            "bills 0.1 dollars beside rows",
        ),
        (
            "gateway_killed",
            {
                "failed": 6,
                "provider_calls": 99,
                "provider_minus_rows_usd": 0.1,
                "provider_overspend_usd": 0.2,
            },
            "bills 0.2 dollars above limits, more than the 0.1 of lost calls",
        ),
    ],
)
def test_a_broken_promise_of_a_fault_is_a_sentence(
    fault: str, wrong: dict[str, Any], told: str
) -> None:
    figures = (BOTH if fault == "both_down" else GOOD) | wrong
    broken = broken_by_faults({fault: figures})
    assert any(line.startswith(f"{fault}: ") and told in line for line in broken), broken


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"limit_usable_share": 0.9}, "only 0.9 of the limit could be used"),
        ({"rows": 94}, "94 rows stand for 95 calls"),
        ({"refused": {}}, "no call was refused with 429"),
        ({"disconnects": 1}, "disconnects is 1, too few"),
        ({"upstream_errors": 1}, "upstream_errors is 1, too few"),
        ({"overspend_usd": 0.1}, "0.1 dollars were recorded above the limit"),
        ({"provider_overspend_usd": 0.1}, "bills 0.1 dollars above limits"),
        ({"leaked_holds": 3}, "3 reservations were left"),
    ],
)
def test_a_broken_promise_of_a_storm_is_a_sentence(wrong: dict[str, Any], told: str) -> None:
    broken = broken_by_storm(STORM | wrong, 400)
    assert any(told in line for line in broken), broken


def call(number: str, status: int | None = 200, *, left: bool = False) -> Call:
    return Call(number, "bot", 0, 1, status, f"id{number}" if status else None, left)


def asked(number: str, *, failed: bool = False) -> Asked:
    return Asked(number, "bot", Decimal(0) if failed else CENT, failed)


def test_figures_hold_clients_provider_and_rows_against_each_other() -> None:
    calls = [
        call("1"),
        call("2"),
        call("3", 500),
        call("4", 429),
        call("5", None, left=True),
        call("6", None, left=True),
        call("7", None),
        call("8", 500),
    ]
    # The provider never heard of 6 and 8, and has 7, which has no row.
    books = [asked("1"), asked("2"), asked("3", failed=True), asked("5"), asked("7")]
    ledger = Ledger(
        [("id1", CENT), ("id3", Decimal(0)), ("id5", CENT), ("id5", CENT)],
        limit_usd=2 * CENT,
        spent_usd=2 * CENT,
    )
    assert tally(calls, books, ledger) == {
        "answered": 4,
        "rows": 4,
        "unrecorded": 2,
        "double_rows": 1,
        "overspend_usd": 0.01,
        "spent_minus_rows_usd": -0.01,
        "provider_calls": 5,
        "provider_usd": 0.04,
        "provider_minus_rows_usd": 0.01,
        "provider_overspend_usd": 0.02,
        "refused": {429: 1},
        "failed": 1,
        "disconnects": 1,
        "upstream_errors": 1,
    }


def test_figures_of_two_agents_add_up() -> None:
    one, other = {"rows": 1, "refused": {429: 1}}, {"rows": 2, "refused": {429: 2, 503: 1}}
    assert added(one, other) == {"rows": 3, "refused": {429: 3, 503: 1}}
