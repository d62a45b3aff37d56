"""The grammar of policy rules."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.policy.rules import BilledResource, compile_rule
from oco_pipelines.policy.shipped import SHIPPED
from oco_warehouse.errors import InvalidInputError


def resource(cost: str = "10", **facts: Any) -> BilledResource:
    known = {"provider": "aws", "region": "eu-west-1", "tags": {"team": "search"}}
    return BilledResource(known | facts, Decimal(cost))


def holds(*filters: Any, of: BilledResource) -> bool:
    return compile_rule({"filters": list(filters)}).holds(of)


def test_the_shipped_policy_finds_untagged_spend_over_a_dollar() -> None:
    rule = compile_rule(SHIPPED[0].rules)
    assert rule.days == 30
    assert rule.holds(resource("1.01", tags={}))
    assert rule.holds(resource("1.01", tags={"team": ""}))
    assert rule.holds(resource("1.01", tags=None))
    assert not rule.holds(resource("1.00", tags={}))
    assert not rule.holds(resource("1.01"))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "value", "key": "region", "value": "eu-west-1"}, True),
        ({"type": "value", "key": "region", "op": "ne", "value": "eu-west-1"}, False),
        ({"type": "value", "key": "region", "op": "in", "value": ["us-east-1"]}, False),
        ({"type": "value", "key": "region", "op": "not-in", "value": ["us-east-1"]}, True),
        ({"type": "value", "key": "region", "op": "regex", "value": "eu-.*"}, True),
        ({"type": "value", "key": "tags.team", "value": "present"}, True),
        ({"type": "value", "key": "tags.team", "op": "contains", "value": "ear"}, True),
        ({"type": "value", "key": "tags.cost.centre", "value": "absent"}, True),
        ({"type": "value", "key": "nothing.at.all", "value": "absent"}, True),
        ({"type": "cost", "op": "ge", "value": "10"}, True),
        ({"type": "cost", "op": "lt", "value": 10}, False),
    ],
)
def test_filters_mean_what_cloud_custodian_means(part: dict[str, Any], expected: bool) -> None:
    assert holds(part, of=resource()) is expected


def test_a_tag_key_may_hold_dots() -> None:
    tagged = resource(tags={"k8s.io/name": "web"})
    assert holds({"type": "value", "key": "tags.k8s.io/name", "value": "web"}, of=tagged)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([], "list"),
        ({"filters": []}, "empty"),
        ({"filters": ["tags"]}, "object"),
        ({"filters": [{"type": "metrics"}]}, "metrics"),
        ({"filters": [{"type": "value", "value": 1}]}, "key"),
        ({"filters": [{"type": "value", "key": "a", "op": "regex", "value": "("}]}, "regular"),
        ({"filters": [{"type": "value", "key": "a", "op": "like", "value": "x"}]}, "like"),
        ({"filters": [{"type": "cost", "value": 0.1}]}, "text"),
        ({"filters": [{"type": "cost", "value": "lots"}]}, "decimal"),
        ({"filters": [{"type": "cost", "days": 0, "value": "1"}]}, "days"),
        ({"filters": [{"or": []}]}, "list"),
        (
            {
                "filters": [
                    {"type": "cost", "days": 7, "value": "1"},
                    {"type": "cost", "days": 30, "value": "1"},
                ]
            },
            "same days",
        ),
    ],
)
def test_a_rule_outside_the_grammar_is_refused_with_its_reason(rules: Any, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        compile_rule(rules)


def test_endless_nesting_is_refused() -> None:
    part: Any = {"type": "value", "key": "a", "value": "absent"}
    for _ in range(50):
        part = {"not": [part]}
    with pytest.raises(InvalidInputError, match="deeper"):
        compile_rule({"filters": [part]})


LEAVES = st.sampled_from(
    [
        {"type": "value", "key": "region", "value": "eu-west-1"},
        {"type": "value", "key": "tags.team", "value": "absent"},
        {"type": "cost", "op": "gt", "value": "5"},
    ]
)


@given(left=LEAVES, right=LEAVES, cost=st.sampled_from(["1", "10"]))
def test_not_and_or_follow_de_morgan(left: Any, right: Any, cost: str) -> None:
    of = resource(cost)
    neither = {"not": [{"or": [left, right]}]}
    both_not = {"and": [{"not": [left]}, {"not": [right]}]}
    assert holds(neither, of=of) is holds(both_not, of=of)
