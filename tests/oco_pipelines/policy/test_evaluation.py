"""Policies are judged on a real warehouse: violations open, stay, resolve and come back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oco_pipelines.policy.definitions import failing_policies
from oco_pipelines.policy.evaluation import evaluate_policies
from oco_warehouse.database import Warehouse
from oco_warehouse.policy_engine.dry_run import dry_run
from oco_warehouse.policy_rules import parse_rules
from oco_warehouse.policy_rules.filters import looks_at_tags
from tests.oco_pipelines.policy import planted

STOPPED = {"State": {"Name": "stopped"}, "Tags": [{"Key": "owner", "Value": "kim"}]}
RULES = {"resource": "ec2", "filters": [{"State.Name": "stopped"}]}


@pytest.fixture
def house(warehouse: Warehouse) -> Warehouse:
    """One policy and one resource that breaks it."""
    planted.policy(warehouse, "stopped", RULES, description="Nothing is left stopped.")
    planted.resource(warehouse, "i-1", attributes=STOPPED, tags={"owner": "kim"})
    planted.resource(warehouse, "i-2", attributes={"State": {"Name": "running"}})
    return warehouse


def mend(warehouse: Warehouse) -> None:
    warehouse.execute("UPDATE oco.resources SET attributes = '{}' WHERE resource_id = 'i-1'")


def break_again(warehouse: Warehouse) -> None:
    warehouse.execute(
        """UPDATE oco.resources SET attributes = '{"State": {"Name": "stopped"}}'
        WHERE resource_id = 'i-1'"""
    )


def test_what_breaks_a_policy_is_one_violation_from_the_first_run_to_its_end(
    house: Warehouse,
) -> None:
    first = evaluate_policies(house)
    assert (first.judged, first.found, first.opened, first.resolved) == (1, 1, 1, 0)
    again = evaluate_policies(house)
    assert (again.found, again.opened, again.resolved) == (1, 0, 0)
    (violation,) = planted.open_violations(house)
    assert (violation["provider"], violation["account_id"]) == ("aws", "111")
    assert violation["resource_id"] == "i-1"
    assert violation["owner"] == "kim"
    assert violation["description"] == "i-1 breaks stopped: Nothing is left stopped."
    assert violation["evidence"]["region"] == "eu-west-1"
    mend(house)
    assert evaluate_policies(house).resolved == 1
    assert planted.open_violations(house) == []


def test_what_breaks_again_is_a_new_row(house: Warehouse) -> None:
    evaluate_policies(house)
    mend(house)
    evaluate_policies(house)
    break_again(house)
    assert evaluate_policies(house).opened == 1
    rows = house.query("SELECT resolved_at IS NULL AS open FROM oco.policy_violations")
    assert sorted(row["open"] for row in rows) == [False, True]


def test_an_exemption_outlives_the_violation_and_ends_by_itself(house: Warehouse) -> None:
    evaluate_policies(house)
    house.execute(
        "UPDATE oco.policy_violations "
        "SET exempt_until = now() + interval '1 day', exempt_reason = 'a migration'"
    )
    mend(house)
    evaluate_policies(house)
    break_again(house)
    evaluate_policies(house)
    (back,) = planted.open_violations(house)
    assert back["exempt_reason"] == "a migration"
    assert back["exempt_until"] > datetime.now(UTC)


def test_an_exemption_that_a_person_ended_does_not_come_back(house: Warehouse) -> None:
    for until, reason in ((datetime.now(UTC) + timedelta(days=90), "migration"), (None, None)):
        evaluate_policies(house)
        house.execute(
            "UPDATE oco.policy_violations SET exempt_until = %s, exempt_reason = %s "
            "WHERE resolved_at IS NULL",
            [until, reason],
        )
        mend(house)
        evaluate_policies(house)
        break_again(house)
    evaluate_policies(house)
    (violation,) = planted.open_violations(house)
    assert violation["exempt_until"] is None


def test_two_evaluations_at_once_leave_one_row(house: Warehouse) -> None:
    for number in range(50):
        planted.resource(house, f"i-more-{number}", attributes=STOPPED)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: evaluate_policies(house), range(4)))
    assert len(planted.open_violations(house)) == 51
    assert house.query("SELECT count(*) AS n FROM oco.policy_violations")[0]["n"] == 51


def test_an_evaluation_that_began_earlier_does_not_overrule_a_later_one(house: Warehouse) -> None:
    evaluate_policies(house)
    mend(house)
    late = evaluate_policies(house, datetime.now(UTC) - timedelta(hours=1))
    assert late.overtaken == ["stopped"]
    assert len(planted.open_violations(house)) == 1


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"resource": "ec2", "filters": [{"type": "flow-logs"}]}, "filters[0].type"),
        (
            {"resource": "ec2", "filters": [{"type": "value", "key": "length(a)", "value": 1}]},
            "aws 111 i-1: JMESPathTypeError",
        ),
        ({"resource": "oco.cost", "filters": ["cost_last_7d > 1"]}, ""),
        (
            {
                "resource": "ec2",
                "filters": [{"type": "list-item", "key": "State", "attrs": [{"a": 1}]}],
            },
            "State is no list",
        ),
    ],
)
def test_a_policy_that_fails_fails_alone_and_visibly(
    house: Warehouse, rules: dict[str, object], said: str
) -> None:
    planted.charge(house, "5", resource_id="i-1")
    planted.policy(house, "broken", rules)
    done = evaluate_policies(house)
    assert [*done.failed] == ["broken"]
    assert [row["policy"] for row in planted.open_violations(house)] == ["stopped"]
    (row,) = house.query(
        "SELECT last_error, last_evaluated_at FROM oco.governance_policies WHERE name = 'broken'"
    )
    assert said in row["last_error"]
    assert row["last_evaluated_at"] is not None
    assert failing_policies(house) == [f"broken: {row['last_error']}"]


def test_a_failing_policy_keeps_its_violations(house: Warehouse) -> None:
    evaluate_policies(house)
    house.execute("""UPDATE oco.governance_policies SET rules = '{"resource": "ec2"}'""")
    evaluate_policies(house)
    assert len(planted.open_violations(house)) == 1


def test_violations_of_a_disabled_policy_end(house: Warehouse) -> None:
    evaluate_policies(house)
    house.execute("UPDATE oco.governance_policies SET enabled = false")
    assert evaluate_policies(house).resolved == 1


def test_the_evaluation_of_a_policy_is_no_change_of_it(house: Warehouse) -> None:
    before = house.query("SELECT updated_at, version FROM oco.governance_policies")
    evaluate_policies(house)
    assert house.query("SELECT updated_at, version FROM oco.governance_policies") == before


def test_cost_of_a_resource_is_what_was_billed_in_the_window(house: Warehouse) -> None:
    for days_ago, usd in ((0, "1.50"), (29, "2.25"), (30, "100")):
        planted.charge(house, usd, days_ago=days_ago, resource_id="i-1")
    rules = {"resource": "ec2", "filters": ["cost_last_30d >= 3.75", "cost_last_30d <= 3.75"]}
    planted.policy(house, "costs", rules)
    evaluate_policies(house)
    costs, _ = planted.open_violations(house)
    assert (costs["policy"], costs["resource_id"]) == ("costs", "i-1")
    assert costs["evidence"]["cost_last_30d"] == "3.75"


def test_windows_of_a_cloud_end_with_its_own_bill(warehouse: Warehouse) -> None:
    """One tells of a day two days later than the other, and a third has a charge of next year."""
    for provider, late in (("aws", 0), ("azure", 2)):
        for day in range(14):
            charge = {"resource_id": provider, "provider": provider, "days_ago": late + day}
            planted.charge(warehouse, "10" if day < 7 else "5", **charge)
    planted.charge(warehouse, "1", resource_id="reserved", provider="gcp", days_ago=-365)
    rules = {"resource": "oco.billed-resource", "filters": ["spend_change_pct_last_7d == 100"]}
    found = dry_run(warehouse, parse_rules(rules), 10)
    assert sorted(hit["resource_id"] for hit in found.hits) == ["aws", "azure"]


def test_without_any_bill_no_cost_is_below_a_limit(house: Warehouse) -> None:
    planted.policy(house, "cheap", {"resource": "ec2", "filters": ["cost_last_30d < 1"]})
    evaluate_policies(house)
    assert [row["policy"] for row in planted.open_violations(house)] == ["stopped"]


def test_resources_are_counted_by_account_and_region(house: Warehouse) -> None:
    planted.resource(house, "i-3", region="us-east-1")
    rules = {
        "resource": "ec2",
        "filters": [{"type": "value", "value_type": "resource_count", "op": "ge", "value": 2}],
    }
    planted.policy(house, "crowd", rules)
    evaluate_policies(house)
    crowd = [
        row["resource_id"] for row in planted.open_violations(house) if row["policy"] == "crowd"
    ]
    assert crowd == ["i-1", "i-2"]


UNTAGGED = {"resource": "oco.resource", "filters": [{"tag:owner": "absent"}]}


def unseen(warehouse: Warehouse, resource_id: str, days: int) -> None:
    """Its account is listed, and no listing has had it for so long."""
    warehouse.execute(
        "INSERT INTO oco.inventory_listings (source, provider, account_id, region, resource_type, "
        "status, permission, problem, resources) VALUES ('main', 'aws', '111', 'eu-west-1', "
        "'aws.ec2', 'denied', 'ec2:DescribeInstances', 'it is denied', 0) ON CONFLICT DO NOTHING"
    )
    warehouse.execute(
        "UPDATE oco.resources SET last_seen_at = now() - make_interval(days => %s) "
        "WHERE resource_id = %s",
        [days, resource_id],
    )


def test_what_no_listing_has_seen_for_days_is_not_judged_anew_and_stays_as_it_is(
    house: Warehouse,
) -> None:
    evaluate_policies(house)
    planted.resource(house, "i-new", attributes=STOPPED)
    for one in ("i-1", "i-2", "i-new"):
        unseen(house, one, days=4)
    mend(house)  # by the last state that is known, which may be old as well
    done = evaluate_policies(house)
    assert (done.found, done.opened, done.resolved) == (0, 0, 0)
    assert [row["resource_id"] for row in planted.open_violations(house)] == ["i-1"]
    assert dry_run(house, parse_rules(RULES), 10).found == 0
    unseen(house, "i-1", days=0)
    assert evaluate_policies(house).resolved == 1


def test_what_an_account_that_is_not_listed_has_is_judged_whenever_it_was_seen(
    house: Warehouse,
) -> None:
    house.execute("UPDATE oco.resources SET last_seen_at = now() - interval '90 days'")
    assert evaluate_policies(house).found == 1


def test_unknown_tags_are_not_taken_for_none(house: Warehouse) -> None:
    planted.policy(house, "untagged", UNTAGGED)
    planted.resource(house, "i-unknown", attributes=STOPPED, facts={"tags_known": False})
    evaluate_policies(house)
    found = [(row["policy"], row["resource_id"]) for row in planted.open_violations(house)]
    assert found == [("stopped", "i-1"), ("stopped", "i-unknown"), ("untagged", "i-2")]


def test_a_violation_about_tags_that_became_unknown_stays(house: Warehouse) -> None:
    planted.policy(house, "untagged", UNTAGGED)
    evaluate_policies(house)
    house.execute("""UPDATE oco.resources SET facts = '{"tags_known": false}'""")
    done = evaluate_policies(house)
    assert (done.found, done.resolved) == (1, 0)
    assert [row["policy"] for row in planted.open_violations(house)] == ["stopped", "untagged"]


@pytest.mark.parametrize(
    "entry",
    [
        {"tag:owner": "absent"},
        {"not": [{"or": [{"type": "value", "key": "oco.tags.owner", "value": "x"}]}]},
        {"type": "value", "key": "a", "value_type": "expr", "value": "Tags[0].Key"},
        {"type": "value", "key": "a", "op": "in", "value_path": "labels.b"},
    ],
)
def test_policies_that_look_at_tags_are_known_by_their_keys(entry: dict[str, Any]) -> None:
    assert looks_at_tags(parse_rules({"resource": "oco.resource", "filters": [entry]}).filters)
    assert not looks_at_tags(parse_rules(RULES).filters)


def test_a_cloud_budget_is_breached_only_while_its_period_lasts(warehouse: Warehouse) -> None:
    """Until its new period is judged nothing of that is known to be spent."""
    for name, ended in (("lasting", 1), ("over", 0)):
        warehouse.execute(
            "WITH made AS (INSERT INTO oco.cloud_budgets (name, amount_usd, period, thresholds) "
            "VALUES (%s, 10, 'month', '[]') RETURNING id) "
            "INSERT INTO oco.cloud_budget_status (budget_id, period_start, period_end, amount_usd, "
            "spent_usd, forecast_usd, judged_at) "
            "SELECT id, today - 30, today + %s, 10, 11, 12, now() "
            "FROM made, (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS day",
            [name, ended],
        )
    found = dry_run(
        warehouse, parse_rules({"resource": "oco.budget", "filters": ["budget_breached"]}), 10
    )
    assert [hit["name"] for hit in found.hits] == ["cloud budget lasting"]
