"""The days that a load changed are written down with it, so that marts are built again for them."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.ingestion.focus_file import load_focus_file, load_focus_parts
from oco_pipelines.maintenance.partitions import maintain_partitions
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError

MakeCharge = Callable[..., dict[str, str | None]]
MakeCsv = Callable[..., Path]


def changed_by(warehouse: Warehouse) -> dict[date, UUID]:
    rows = warehouse.query("SELECT date, changed_by FROM oco.cloud_cost_days")
    return {row["date"]: row["changed_by"] for row in rows}


def believed(warehouse: Warehouse) -> dict[date, Any]:
    rows = warehouse.query(
        "SELECT date, "
        "array_agg((row_hash, occurrence, usd_rate)::text ORDER BY row_hash, occurrence) "
        "AS charges "
        "FROM oco.cloud_costs WHERE valid_to IS NULL GROUP BY date"
    )
    return {row["date"]: row["charges"] for row in rows}


def on(day: int) -> dict[str, str]:
    return {
        "ChargePeriodStart": f"2026-10-{day:02}T00:00:00Z",
        "ChargePeriodEnd": f"2026-10-{day + 1:02}T00:00:00Z",
    }


charges = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=8)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(charges, min_size=1, max_size=4))
def test_every_day_that_a_load_changes_names_the_load(
    warehouse: Warehouse,
    make_charge: MakeCharge,
    make_csv: MakeCsv,
    history: list[list[tuple[int, int]]],
) -> None:
    for version in history:
        rows = make_csv(*(make_charge(ResourceId=f"i-{n}", **on(day)) for day, n in version))
        before, named = believed(warehouse), changed_by(warehouse)
        result = load_focus_file(warehouse, "a.csv", rows)
        after, names = believed(warehouse), changed_by(warehouse)
        changed = {day for day in before | after if before.get(day) != after.get(day)}
        assert {day for day in changed if names.get(day) != result.batch_id} == set()
        unchanged = names.keys() - {day for day, _ in version for day in [date(2026, 10, day)]}
        assert {day for day in unchanged - changed if names[day] != named[day]} == set()


def test_a_file_that_takes_the_place_of_another_changes_the_days_of_both(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    load_focus_file(warehouse, "a.csv", make_csv(make_charge(**on(1))))
    result = load_focus_file(warehouse, "b.csv", make_csv(make_charge(**on(2))), replaces=["a.csv"])
    assert changed_by(warehouse) == dict.fromkeys(
        (date(2026, 10, 1), date(2026, 10, 2)), result.batch_id
    )


def test_a_load_that_fails_changes_no_day(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    load_focus_file(warehouse, "a.csv", make_csv(make_charge(**on(1))))
    before = changed_by(warehouse)
    with pytest.raises(ConflictError):
        load_focus_file(warehouse, "b.csv", make_csv(make_charge(**on(1))))
    assert changed_by(warehouse) == before


def test_days_that_retention_lets_go_of_have_changed(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    load_focus_file(warehouse, "a.csv", make_csv(make_charge(**on(1))))
    before = changed_by(warehouse)
    maintain_partitions(warehouse, date(2027, 3, 1), 12)
    assert changed_by(warehouse) == before
    maintain_partitions(warehouse, date(2027, 3, 1), 2)
    assert changed_by(warehouse).keys() == before.keys()
    assert changed_by(warehouse) != before


def tag_sets(warehouse: Warehouse) -> dict[str, date]:
    rows = warehouse.query("SELECT tags ->> 'team' AS team, last_month FROM oco.cloud_tag_sets")
    return {row["team"]: row["last_month"] for row in rows}


def test_sets_of_tags_are_known_with_the_newest_month_that_has_them(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    october = make_csv(make_charge(**on(1)), make_charge(**on(2), Tags=None))
    load_focus_file(warehouse, "october.csv", october)
    assert tag_sets(warehouse) == {"search": date(2026, 10, 1)}
    load_focus_file(
        warehouse, "september.csv", make_csv(make_charge(), make_charge(Tags='{"team": "ads"}'))
    )
    assert tag_sets(warehouse) == {"search": date(2026, 10, 1), "ads": date(2026, 9, 1)}
    maintain_partitions(warehouse, date(2026, 12, 1), 2)
    assert tag_sets(warehouse) == {"search": date(2026, 10, 1)}


def test_charges_that_become_final_change_their_days(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    parts = [make_csv(make_charge(**on(1)))]
    first = load_focus_parts(warehouse, "p", parts, "s", estimated=True)
    again = load_focus_parts(warehouse, "p", parts, "s", estimated=True)
    assert changed_by(warehouse) == {date(2026, 10, 1): first.batch_id}
    final = load_focus_parts(warehouse, "p", parts, "s")
    assert (again.status, final.status) == ("unchanged", "unchanged")
    assert changed_by(warehouse) == {date(2026, 10, 1): final.batch_id}
    assert warehouse.query("SELECT 1 FROM oco.cloud_costs WHERE estimated") == []
