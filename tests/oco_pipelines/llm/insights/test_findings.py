"""Movers, unregistered agents, unpriced models, and the life of every finding."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.llm.insights.finding import Entity, Finding
from oco_pipelines.llm.insights.run import find_all
from oco_pipelines.llm.insights.store import Kept, forget_old, keep_findings
from oco_pipelines.llm.insights.top_mover import (
    MOST_A_SCOPE,
    TwoWeeks,
    last_complete_week,
    top_movers,
)
from oco_warehouse.database import Warehouse

NOW = datetime(2026, 11, 18, 12, 30, tzinfo=UTC)
WEEK = datetime(2026, 11, 9, tzinfo=UTC)


def mover(name: str, before: str, after: str, scope: str = "team") -> TwoWeeks:
    return TwoWeeks(Entity(scope, name), Decimal(before), Decimal(after))


def test_the_last_complete_week_begins_on_the_monday_before_the_last() -> None:
    assert last_complete_week(NOW) == WEEK
    assert last_complete_week(datetime(2026, 11, 16, tzinfo=UTC)) == WEEK
    assert last_complete_week(WEEK) == WEEK - timedelta(weeks=1)


def test_movers_are_ordered_by_how_far_they_moved_up_or_down() -> None:
    rows = [
        mover("up", "10", "15"),
        mover("down", "30", "10"),
        mover("new", "0", "7"),
        mover("steady", "100", "110"),
        mover("small", "0.10", "0.90"),
        mover("bot", "1", "3", scope="agent"),
    ]
    found = top_movers(rows, WEEK)
    assert [item.entity_id for item in found] == ["bot", "down", "new", "up"]
    assert [item.figures["change_usd"] for item in found] == ["2", "-20", "7", "5"]
    assert "(-67 %)" in found[1].title
    assert "(nothing before)" in found[2].title
    assert "$5.00 more" in found[3].title


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["team", "agent"]),
            st.decimals(0, 1000, places=4),
            st.decimals(0, 1000, places=4),
        ),
        max_size=30,
    )
)
def test_no_scope_has_more_than_its_share_and_no_larger_move_is_left_out(
    rows: list[tuple[str, Decimal, Decimal]],
) -> None:
    weeks = [TwoWeeks(Entity(scope, str(n)), b, a) for n, (scope, b, a) in enumerate(rows)]
    found = {(item.scope, item.entity_id): item for item in top_movers(weeks, WEEK)}
    for scope in ("team", "agent"):
        told = [abs(w.change_usd) for w in weeks if (scope, w.entity.entity_id) in found]
        left = [
            abs(w.change_usd)
            for w in weeks
            if w.entity.scope == scope and (scope, w.entity.entity_id) not in found
        ]
        assert len(told) <= MOST_A_SCOPE
        if len(told) == MOST_A_SCOPE:
            large = [change for change in left if change > min(told)]
            assert all(
                w.before_usd * Decimal("0.2") > abs(w.change_usd)
                for w in weeks
                if w.entity.scope == scope
                and abs(w.change_usd) in large
                and (scope, w.entity.entity_id) not in found
            )


def call(warehouse: Warehouse, name: str, at: datetime, **more: Any) -> None:
    row = {
        "id": name,
        "provider": "openai",
        "model": "m",
        "agent_id": "bot",
        "team_id": "search",
        "cost_usd": Decimal(1),
        "input_cost_usd": Decimal(1),
        "output_cost_usd": Decimal(0),
        "cost_status": "exact",
        "status_code": 200,
        "total_tokens": 10,
        "timestamp": at,
        **more,
    }
    names = ", ".join(f'"{column}"' for column in row)
    statement: Any = (
        f"INSERT INTO oco.api_requests ({names}) VALUES ({', '.join(['%s'] * len(row))})"
    )
    warehouse.execute(statement, list(row.values()))


def unpriced(warehouse: Warehouse, name: str, at: datetime, model: str) -> None:
    nothing = dict.fromkeys(("cost_usd", "input_cost_usd", "output_cost_usd"))
    call(warehouse, name, at, model=model, cost_status="unpriced", **nothing)


def test_every_insight_is_found_in_the_ledger(warehouse: Warehouse) -> None:
    hour = timedelta(hours=1)
    warehouse.execute(
        "INSERT INTO oco.api_requests (id, provider, model, agent_id, team_id, cost_usd, "
        "input_cost_usd, output_cost_usd, cost_status, status_code, timestamp) "
        "SELECT 'h' || n, 'openai', 'm', 'bot', 'search', 0.2, 0.2, 0, 'exact', 200, "
        "%s - n * interval '1 hour' FROM generate_series(1, 215) AS n",
        [NOW],
    )
    call(
        warehouse,
        "spike",
        NOW - hour,
        agent_id="rogue",
        cost_usd=Decimal(40),
        input_cost_usd=Decimal(40),
    )
    unpriced(warehouse, "u", NOW - hour, "mystery")
    warehouse.execute("INSERT INTO oco.organizations VALUES ('o', 'O')")
    warehouse.execute("INSERT INTO oco.teams VALUES ('search', 'Search', 'o')")
    warehouse.execute("INSERT INTO oco.agents (id, name, team_id) VALUES ('bot', 'B', 'search')")
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd, spent_usd, period_start, period_end)"
        " VALUES ('team', 'search', 100, 80, '2026-11-01Z', '2026-12-01Z')"
    )
    found = dict(find_all(warehouse, NOW))
    spikes = {(item.scope, item.entity_id) for item in found["spend_spike"]}
    assert spikes == {("all", "all"), ("team", "search"), ("model", "openai/m")}
    (forecast,) = found["budget_forecast"]
    # Nine days at 4.8 USD: 20 are left for four and a sixth days.
    assert forecast.figures["day_usd"].startswith("4.")
    assert forecast.figures["runs_out_at"].startswith("2026-11-2")
    assert [item.entity_id for item in found["unregistered_agent"]] == ["rogue"]
    assert found["unregistered_agent"][0].figures["cost_usd"] == "40"
    assert [item.entity_id for item in found["unpriced_model"]] == ["openai/mystery"]
    movers = {(item.scope, item.entity_id) for item in found["top_mover"]}
    assert ("team", "search") in movers


def test_an_empty_ledger_has_nothing_to_say(warehouse: Warehouse) -> None:
    assert all(found == [] for _, found in find_all(warehouse, NOW))


def finding(name: str = "a", kind: str = "spend_spike", **more: Any) -> Finding:
    return Finding(kind, "team", name, f"title {name}", {"usd": "1"}, **more)


def rows(warehouse: Warehouse) -> list[tuple[str, bool]]:
    found = warehouse.query("SELECT entity_id, resolved_at FROM oco.llm_insights ORDER BY 1")
    return [(row["entity_id"], row["resolved_at"] is None) for row in found]


def test_a_finding_keeps_its_row_over_runs_resolves_and_opens_again(warehouse: Warehouse) -> None:
    both = [finding("a"), finding("b")]
    assert keep_findings(warehouse, "spend_spike", both) == Kept(2, 2, 0)
    assert keep_findings(warehouse, "spend_spike", both) == Kept(2, 0, 0)
    assert keep_findings(warehouse, "spend_spike", both[:1]) == Kept(1, 0, 1)
    assert rows(warehouse) == [("a", True), ("b", False)]
    assert keep_findings(warehouse, "spend_spike", both) == Kept(2, 1, 0)
    assert rows(warehouse) == [("a", True), ("b", True)]


def test_kinds_do_not_resolve_each_other_and_windows_are_rows_of_their_own(
    warehouse: Warehouse,
) -> None:
    early = finding(window_start=WEEK, window_end=NOW)
    late = finding(window_start=WEEK + timedelta(days=1), window_end=NOW)
    keep_findings(warehouse, "spend_spike", [early, late, early])
    keep_findings(warehouse, "top_mover", [finding("x", "top_mover")])
    assert rows(warehouse) == [("a", True), ("a", True), ("x", True)]
    assert keep_findings(warehouse, "top_mover", []) == Kept(0, 0, 1)


@pytest.mark.parametrize(("kind", "told"), [("spend_spike", 1), ("unregistered_agent", 0)])
def test_people_are_told_once_each_time_something_opens(
    warehouse: Warehouse, kind: str, told: int
) -> None:
    for found in ([finding("a", kind)], [finding("a", kind)], [], [finding("a", kind)]):
        keep_findings(warehouse, kind, found)
    alerts = warehouse.query("SELECT resolved_at FROM oco.alerts ORDER BY created_at")
    assert [row["resolved_at"] is None for row in alerts] == [False, True][: 2 * told]


def test_what_is_long_over_is_forgotten_and_what_holds_is_not(warehouse: Warehouse) -> None:
    keep_findings(warehouse, "spend_spike", [finding(name) for name in "abc"])
    keep_findings(warehouse, "spend_spike", [finding("c")])
    warehouse.execute(
        "UPDATE oco.llm_insights SET resolved_at = now() - interval '91 days' WHERE entity_id = 'a'"
    )
    warehouse.execute(
        "UPDATE oco.alerts SET created_at = now() - interval '401 days' WHERE entity_id = 'c'"
    )
    assert forget_old(warehouse) == 2
    assert rows(warehouse) == [("b", False), ("c", True)]
    alerts = warehouse.query("SELECT entity_id FROM oco.alerts ORDER BY 1")
    assert [row["entity_id"] for row in alerts] == ["a", "b"]


def test_the_asset_writes_them_and_says_how_many(warehouse: Warehouse) -> None:
    from dagster import materialize

    from oco_pipelines.llm.insights.definitions import llm_insights
    from oco_pipelines.resources import WarehouseResource

    unpriced(warehouse, "u", datetime.now(UTC), "mystery")
    resources = {"warehouse": WarehouseResource(database_url=warehouse.url)}
    result = materialize([llm_insights], resources=resources)
    assert result.success
    (event,) = result.asset_materializations_for_node("llm_insights")
    assert event.metadata["rows_unpriced_model"].value == 1
    assert ("openai/mystery", True) in rows(warehouse)
