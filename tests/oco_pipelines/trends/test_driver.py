"""What carries an excess, by hand and for whatever parts; and which days are settled."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.trends.daily_cost import settled_day
from oco_pipelines.trends.driver import DIMENSIONS, WEEKS_BEFORE, Part, driver, weights

MONDAY = date(2026, 10, 5)


def part(usd: str, service: str, region: str, resource: str, team: str = "ml") -> Part:
    return Part(("aws", service, region, resource, "sku", team), Decimal(usd))


def test_the_walk_goes_down_the_largest_branch_not_to_the_largest_leaf() -> None:
    parts = [
        part("90", "S3", "eu", "bucket"),  # the largest single resource
        part("60", "EC2", "us", "i-1"),
        part("70", "EC2", "us", "i-2"),
        part("-20", "EC2", "eu", "i-3"),
    ]
    found = driver(parts, 1)
    assert found is not None
    assert found.names == ("aws", "EC2", "us", "i-2", "sku", "ml")
    assert (found.excess_usd, found.share) == (70, Decimal("0.35"))


def test_a_drop_is_carried_by_what_fell_most() -> None:
    found = driver([part("-80", "EC2", "us", "i-1"), part("-20", "EC2", "us", "i-2")], -1)
    assert found is not None
    assert (found.names[3], found.excess_usd, found.share) == ("i-1", -80, Decimal("0.8"))


def test_nothing_carries_what_did_not_move_that_way() -> None:
    assert driver([part("-5", "EC2", "us", "i-1")], 1) is None
    assert driver([], 1) is None


def test_a_day_is_weighed_against_its_weekday_of_three_weeks_before() -> None:
    assert weights(MONDAY, MONDAY) == {
        MONDAY: 3,
        MONDAY - timedelta(days=7): -1,
        MONDAY - timedelta(days=14): -1,
        MONDAY - timedelta(days=21): -1,
    }
    # The second Monday of a longer episode has no ordinary Monday but those before the first.
    eight = weights(MONDAY, MONDAY + timedelta(days=7))
    assert eight[MONDAY - timedelta(days=7)] == -2


@given(st.dates(), st.integers(0, 40))
def test_weights_cancel_out_and_take_no_day_twice_in_both_roles(first: date, days: int) -> None:
    if first > date(9999, 1, 1) or first < date(2, 1, 1):
        return
    counted = weights(first, first + timedelta(days=days))
    assert sum(counted.values()) == 0
    assert all((weight == WEEKS_BEFORE) is (day >= first) for day, weight in counted.items())


@given(
    st.lists(
        st.builds(
            Part,
            st.tuples(*(st.sampled_from("ab") for _ in DIMENSIONS)),
            st.decimals(-100, 100, places=3),
        ),
        max_size=30,
    )
)
def test_what_is_named_is_there_and_its_excess_is_the_sum_of_its_parts(parts: list[Part]) -> None:
    whole = sum((one.excess_usd for one in parts), Decimal(0))
    found = driver(parts, 1)
    assert (found is not None) is (whole > 0)
    if found is not None:
        same = [one.excess_usd for one in parts if one.names == found.names]
        assert same
        assert found.excess_usd == sum(same)


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        ([], None),
        ([date(2026, 10, 20)], date(2026, 10, 18)),
        ([date(2026, 10, 20), date(2026, 10, 17)], date(2026, 10, 15)),
        ([date(2026, 10, 20), date(2026, 10, 6)], date(2026, 10, 4)),
        ([date(2026, 10, 20), date(2026, 10, 5)], date(2026, 10, 18)),  # silent for too long
    ],
)
def test_the_slowest_provider_that_still_delivers_says_what_is_settled(
    newest: list[date], expected: date | None
) -> None:
    assert settled_day(newest, 2) == expected
