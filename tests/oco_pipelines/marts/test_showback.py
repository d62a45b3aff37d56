"""Showback on a warehouse of a few charges, its figures computed by hand."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from oco_pipelines.showback.preview import preview
from oco_pipelines.showback.rule_store import import_rules, write_rules
from oco_warehouse.allocation_rules import AllocationRule, read_rules
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, NotFoundError, WarehouseError
from oco_warehouse.money import exact_sum
from tests.oco_pipelines.marts.conftest import Build, Charge

Spent = dict[tuple[str, str, str], Decimal]

RULES = read_rules(
    [
        {"name": "tags", "priority": 10, "method": "tag", "target": {"tag": "team"}},
        {
            "name": "data's account",
            "priority": 20,
            "method": "account",
            "match": {"account": ["222"]},
            "target": {"team": "data"},
            "valid_to": date(2026, 10, 10),
        },
        {
            "name": "support",
            "priority": 30,
            "method": "proportional",
            "match": {"service": ["Support"]},
            "target": {"proportional_to": "direct_cost", "remainder": "data"},
        },
        {
            "name": "tax",
            "priority": 40,
            "method": "proportional",
            "match": {"provider": ["aws"], "charge_category": ["Tax"]},
            "target": {"weights": {"search": "1", "ads": "2"}},
        },
    ]
)
ONLY = ("--indirect-selection", "cautious", "--exclude-resource-type", "unit_test", "--select")
ALL = (*ONLY, "+fct_showback_month")


@pytest.fixture
def spent(warehouse: Warehouse, charge: Charge) -> Warehouse:
    charge("60", effective_cost=Decimal(50), tags={"team": "search"})
    charge("10", usd_rate="1.5", billing_currency="EUR", tags={"team": "ads"})
    charge("35", account_id="222")
    charge("7", account_id="222", date=date(2026, 10, 10))  # the account had no owner by then
    charge("10.01", service="Support")
    charge("5", charge_category="Tax")
    charge("3", provider="gcp", charge_category="Tax")
    charge("9", service="Support", date=date(2026, 9, 30))  # a month of which nobody used anything
    warehouse.execute(
        "INSERT INTO oco.api_requests (id, provider, model, team_id, agent_id, input_tokens, "
        "output_tokens, total_tokens, cost_usd, input_cost_usd, output_cost_usd, cost_status, "
        'status_code, tags, "timestamp") '
        "VALUES ('a', 'openai', 'm', 'search', 'bot', 10, 10, 20, 0.5, 0.2, 0.3, 'exact', "
        """200, '{"team": "ads"}', '2026-10-05 10:30Z')"""
    )
    return warehouse


def shown(warehouse: Warehouse, month: str = "2026-10-01") -> Spent:
    rows = warehouse.query(
        "SELECT rule_name, allocation, team, sum(effective_cost_usd) AS usd "
        "FROM marts.fct_showback_month WHERE usage_month = %s GROUP BY 1, 2, 3",
        [month],
    )
    return {(row["rule_name"], row["allocation"], row["team"]): row["usd"] for row in rows}


def test_every_dollar_goes_to_the_team_that_the_first_fitting_rule_names(
    spent: Warehouse, dbt_build: Build
) -> None:
    import_rules(spent, RULES)
    result = dbt_build(*ALL)
    assert result.returncode == 0, result.stdout
    third = Decimal("1.666666666667")
    # Direct cost: search 50 + 0.5 of model calls, ads 10 EUR, data 35; together 100.5.
    support = {"search": "50.5", "ads": "15"}
    shares = {
        team: (Decimal("10.01") * Decimal(cost) / Decimal("100.5")).quantize(Decimal("1e-12"))
        for team, cost in support.items()
    }
    assert shown(spent) == {
        ("tags", "direct", "search"): Decimal("50.5"),
        ("tags", "direct", "ads"): Decimal(15),
        ("data's account", "direct", "data"): Decimal(35),
        ("support", "shared", "search"): shares["search"],
        ("support", "shared", "ads"): shares["ads"],
        ("support", "shared", "data"): Decimal("10.01") - exact_sum(shares.values()),
        ("tax", "shared", "search"): third,
        ("tax", "shared", "ads"): 5 - third,
        ("no rule", "unallocated", "unallocated"): Decimal(10),
    }
    assert shown(spent, "2026-09-01") == {("support", "unallocated", "unallocated"): Decimal(9)}
    (llm,) = spent.query("SELECT * FROM marts.fct_showback_month WHERE source = 'llm'")
    assert (llm["team"], llm["effective_cost_usd"]) == ("search", Decimal("0.5"))


def test_without_rules_a_charge_is_its_own_teams(spent: Warehouse, dbt_build: Build) -> None:
    assert dbt_build(*ALL).returncode == 0
    assert shown(spent) == {
        ("team of the charge", "direct", "search"): Decimal("50.5"),
        ("team of the charge", "direct", "ads"): Decimal(15),
        ("no rule", "unallocated", "unallocated"): Decimal("60.01"),
    }


def test_a_dollar_that_sharing_loses_fails_the_build(spent: Warehouse, dbt_build: Build) -> None:
    assert dbt_build(*ALL, "+fct_cost_daily").returncode == 0
    spent.execute("UPDATE marts.fct_showback_month SET effective_cost_usd = effective_cost_usd + 1")
    result = dbt_build("--select", "showback_conserves_totals")
    assert result.returncode == 1
    assert "FAIL 7 showback_conserves_totals" in result.stdout


def test_what_a_rule_would_move_is_shown_and_nothing_is_changed(
    spent: Warehouse, dbt_build: Build
) -> None:
    off = [rule.model_copy(update={"enabled": rule.name != "data's account"}) for rule in RULES]
    with pytest.raises(WarehouseError, match="oco dbt build"):
        preview(spent, date(2026, 10, 1))
    import_rules(spent, off)
    assert dbt_build(*ALL).returncode == 0
    before = spent.query("SELECT * FROM oco.cost_allocations ORDER BY name")
    moves = {
        (move.rule, move.team): (move.now, move.then) for move in preview(spent, date(2026, 10, 1))
    }
    assert moves["data's account", "data"] == (0, 35)
    assert moves["no rule", "unallocated"] == (45, 10)
    assert moves["tax", "search"][0] == moves["tax", "search"][1]
    # Data's direct cost takes part of what the others shared before.
    assert moves["support", "data"][0] == 0 < moves["support", "data"][1]
    assert exact_sum(now for now, _ in moves.values()) == Decimal("125.51")
    assert exact_sum(then for _, then in moves.values()) == Decimal("125.51")
    assert preview(spent, date(2026, 10, 1), only=["tax"]) == preview(
        spent, date(2026, 10, 1), only=["tags"]
    )
    with pytest.raises(NotFoundError, match="nope"):
        preview(spent, date(2026, 10, 1), only=["nope"])
    renamed = [RULES[0].model_copy(update={"name": "from a file", "priority": 1})]
    tried = {move.rule for move in preview(spent, date(2026, 10, 1), renamed) if move.then}
    assert "from a file" in tried
    assert spent.query("SELECT * FROM oco.cost_allocations ORDER BY name") == before


TEAMS = st.sampled_from(["a", "b", "c", "d"])
AMOUNTS = st.decimals(-(10**12), 10**12, places=15) | st.decimals(-1, 1, places=30)
WEIGHTS = st.dictionaries(
    TEAMS, st.decimals("0.000001", 1000, places=6).map(str), min_size=1, max_size=4
)
FIXED = WEIGHTS.flatmap(
    lambda weights: st.fixed_dictionaries(
        {"weights": st.just(weights)}, optional={"remainder": st.sampled_from(sorted(weights))}
    )
)
BY_COST = st.fixed_dictionaries(
    {"proportional_to": st.just("direct_cost")}, optional={"remainder": TEAMS}
)


@st.composite
def allocation(draw: st.DrawFn) -> tuple[list[tuple[Any, ...]], list[AllocationRule]]:
    """Cells (day, service, team, amount) and rules over them."""
    services = st.sampled_from(["s1", "s2", "s3"])
    days = st.dates(date(2026, 9, 20), date(2026, 10, 20))
    cells = draw(
        st.lists(st.tuples(days, services, st.none() | TEAMS, AMOUNTS), min_size=1, max_size=12)
    )
    targets = draw(st.lists(FIXED | BY_COST, min_size=1, max_size=3))
    entries: list[dict[str, Any]] = [
        {
            "name": f"share {number}",
            "priority": draw(st.integers(0, 5)),
            "method": "proportional",
            "match": {"service": [draw(services)]},
            "target": target,
        }
        for number, target in enumerate(targets)
    ]
    entries.append({"name": "t", "priority": 3, "method": "tag", "target": {"tag": "team"}})
    return cells, read_rules(entries)


def test_whatever_the_rules_no_digit_is_lost(warehouse: Warehouse, dbt_build: Build) -> None:
    assert dbt_build(*ONLY, "+int_showback_shares").returncode == 0

    @given(allocation())
    @settings(max_examples=150)
    def holds(given_: tuple[list[tuple[Any, ...]], list[AllocationRule]]) -> None:
        cells, rules = given_
        with warehouse.transaction() as connection:
            for day, service, team, amount in cells:
                connection.execute(
                    "INSERT INTO intermediate.int_showback_cells VALUES "
                    "(%s, 'cloud', 'aws', %s, '1', 'Usage', %s, %s, %s, false)",
                    [day, service, Jsonb({"team": team} if team else {}), team, amount],
                )
            write_rules(connection, rules)
            rows = connection.execute("SELECT * FROM intermediate.int_showback_shares").fetchall()
            owned = connection.execute(
                "SELECT usage_month, service, rule_name, effective_cost_usd AS whole "
                "FROM intermediate.int_showback_owned WHERE allocation = 'shared'"
            ).fetchall()
            connection.rollback()
        for month in (9, 10):
            for service in ("s1", "s2", "s3"):
                assert exact_sum(
                    row["effective_cost_usd"]
                    for row in rows
                    if row["usage_month"].month == month and row["service"] == service
                ) == exact_sum(a for d, s, _, a in cells if d.month == month and s == service)
        for whole in owned:
            shares = [
                row
                for row in rows
                if row["allocation"] == "shared"
                and all(
                    row[name] == whole[name] for name in ("usage_month", "service", "rule_name")
                )
            ]
            assert sum(row["takes_remainder"] for row in shares) == (1 if shares else 0)
            # Nobody gets more than the whole, or the other way round; the remainder is tiny.
            for row in shares:
                assert row["effective_cost_usd"] * whole["whole"] >= -Decimal("1e-9")
                assert abs(row["effective_cost_usd"]) <= abs(whole["whole"]) + Decimal("1e-11")

    holds()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("text", "rule 1: must be a mapping"),
        ({"priority": 1}, r"rule 1 \(without a name\): name: Field required"),
        ({"name": "no rule"}, "name: 'no rule' is what the marts call"),
        ({"priority": "1"}, "priority: Input should be a valid integer"),
        ({"method": "guess"}, "method: Input should be 'tag', 'account' or 'proportional'"),
        ({"match": {"cloud": "aws"}}, r"rule 1 \(r\): match.cloud: Extra inputs"),
        ({"match": {"charge_category": ["Usages"]}}, "match.charge_category.0: Input should be"),
        ({"match": {"tags": {}}}, "match.tags: Dictionary should have at least 1"),
        ({"target": {}}, "target: needs exactly one of team, tag, weights"),
        ({"target": {"tag": "a", "team": "b"}}, "target: needs exactly one of"),
        ({"target": {"tag": "a", "remainder": "b"}}, "remainder belongs to weights"),
        ({"target": {"team": "unallocated"}}, "target.team: 'unallocated' is what nobody gets"),
        ({"target": {"weights": {"a": 1}}}, "belong to the method proportional"),
        ({"method": "proportional", "target": {"weights": {"a": 0}}}, "weights.a: must be above 0"),
        ({"method": "proportional", "target": {"weights": {"a": 0.5}}}, "must be a decimal number"),
        (
            {"method": "proportional", "target": {"weights": {"a": 1}, "remainder": "b"}},
            "remainder 'b' is none of the teams",
        ),
        ({"method": "tag", "target": {"team": "a"}}, "method tag needs target.tag or match.tags"),
        ({"method": "account", "target": {"team": "a"}}, "would take every charge"),
        ({"valid_from": "2026-10-01", "valid_to": "2026-10-01"}, "valid_to: must be after"),
        ({"valid_from": 20261001}, "valid_from: must be a day as"),
        ({"valid_from": "soon"}, "valid_from: Input should be a valid date"),
        ({"enabled": "yes"}, "enabled: Input should be a valid boolean"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_by_name_and_field(entry: Any, said: str) -> None:
    whole = {"name": "r", "priority": 1, "method": "tag", "target": {"tag": "team"}}
    if isinstance(entry, dict):
        entry = ({} if entry == {"priority": 1} else whole) | entry
    with pytest.raises(InvalidInputError, match=said):
        read_rules([entry])


def test_an_import_replaces_rules_of_the_same_name_and_prunes_on_request(
    warehouse: Warehouse,
) -> None:
    first = import_rules(warehouse, RULES)
    assert (first.added, first.changed, first.removed) == (4, 0, 0)
    again = import_rules(warehouse, RULES)
    assert (again.added, again.changed, again.removed) == (0, 0, 0)
    pruned = import_rules(warehouse, [RULES[0].model_copy(update={"priority": 11})], prune=True)
    assert (pruned.added, pruned.changed, pruned.removed) == (0, 1, 3)
