"""Which days have to be read, for any state of the export and of the warehouse."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.bigquery_client import Figures
from oco_pipelines.ingestion.bigquery_days import (
    Loaded,
    changed_days,
    day_of,
    mark_of,
    window_of,
)
from oco_warehouse.cloud_accounts.bigquery_address import ExportTable
from oco_warehouse.cloud_accounts.bigquery_options import BigQueryOptions
from oco_warehouse.errors import InvalidInputError

TABLE = ExportTable("billing-admin", "billing", "gcp_billing_export_v1_01AB23_CD45EF_678901")
FIRST = date(2026, 9, 1)
days = st.integers(0, 9).map(lambda number: FIRST + timedelta(days=number))
states = st.dictionaries(days, st.tuples(st.integers(1, 3), st.integers(1, 3)))


def figures_of(state: dict[date, tuple[int, int]]) -> list[Figures]:
    return [Figures(day, newest, rows) for day, (newest, rows) in state.items()]


def loaded_from(state: dict[date, tuple[int, int]]) -> dict[date, Loaded]:
    return {
        found.day: Loaded(mark_of(TABLE, found.day, found), is_current=True, rows=found.rows)
        for found in figures_of(state)
    }


@given(before=states, now=states)
def test_exactly_the_days_that_differ_are_read(
    before: dict[date, tuple[int, int]], now: dict[date, tuple[int, int]]
) -> None:
    found = changed_days(TABLE, figures_of(now), loaded_from(before), FIRST)
    assert set(found) == {
        day for day in before.keys() | now.keys() if before.get(day) != now.get(day)
    }
    assert list(found) == sorted(found, reverse=True)
    assert all(mark == mark_of(TABLE, day, None) for day, mark in found.items() if day not in now)


@given(before=states, now=states, day=days)
def test_after_they_were_read_nothing_is_left(
    before: dict[date, tuple[int, int]], now: dict[date, tuple[int, int]], day: date
) -> None:
    loaded = loaded_from(before)
    by_day = {figures.day: figures for figures in figures_of(now)}
    for changed, mark in changed_days(TABLE, figures_of(now), loaded, FIRST).items():
        rows = by_day[changed].rows if changed in by_day else 0
        loaded[changed] = Loaded(mark, is_current=True, rows=rows)
    assert changed_days(TABLE, figures_of(now), loaded, FIRST) == {}
    again = changed_days(TABLE, figures_of(now), loaded, FIRST, [day])
    assert set(again) == ({day} & by_day.keys())


@given(before=states)
def test_days_before_the_window_are_left_alone(before: dict[date, tuple[int, int]]) -> None:
    after = FIRST + timedelta(days=5)
    found = changed_days(TABLE, [], loaded_from(before), after)
    assert set(found) == {day for day in before if day >= after}


def test_what_older_rules_read_is_read_again() -> None:
    state = {FIRST: (1, 1)}
    loaded = {FIRST: Loaded(loaded_from(state)[FIRST].mark, is_current=False, rows=1)}
    assert list(changed_days(TABLE, figures_of(state), loaded, FIRST)) == [FIRST]


def test_the_window_ends_today_and_is_no_longer_than_the_table_keeps_its_days() -> None:
    today = date(2026, 10, 5)
    after = date(2026, 10, 6)

    def options(lookback_days: int, since: date | None = None) -> BigQueryOptions:
        return BigQueryOptions(TABLE, None, 1, lookback_days, since, None)

    assert window_of(today, options(3), None) == (date(2026, 10, 3), after)
    assert window_of(today, options(90), 60) == (date(2026, 8, 8), after)
    assert window_of(today, options(90), 1) == (today, after)
    assert window_of(today, options(90, date(2026, 9, 1)), None) == (date(2026, 9, 1), after)
    assert window_of(today, options(3, date(2026, 9, 1)), None) == (date(2026, 10, 3), after)


def test_a_partition_without_a_day_is_refused() -> None:
    assert day_of("gcp-main|2026-09-10") == date(2026, 9, 10)
    with pytest.raises(InvalidInputError, match=r"'gcp-main' is not ACCOUNT\|YYYY-MM-DD"):
        day_of("gcp-main")
