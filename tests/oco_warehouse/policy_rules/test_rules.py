"""Rules are refused at entry, with the path of what is wrong."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_warehouse.errors import InvalidRuleError
from oco_warehouse.policy_rules import parse_rules
from oco_warehouse.policy_rules.filters import Measure, MeasureFilter


def rules(*filters: Any, resource: Any = "aws.ec2", **more: Any) -> dict[str, Any]:
    return {"resource": resource, "filters": list(filters), **more}


def value(**members: Any) -> dict[str, Any]:
    return {"type": "value", "key": "a", "value": 1, **members}


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (None, "rules"),
        ({}, "resource"),
        (rules(value(), resource="aws.iam-user"), "resource"),
        (rules(value(), resource=["aws.ec2", 5]), "resource[1]"),
        (rules(value(), resource=["aws.ec2", "oco.cost"]), "resource[1]"),
        (rules(), "filters"),
        ({"resource": "ec2", "filters": {}}, "filters"),
        ({**rules(value()), "actions": ["stop"]}, "actions"),
        ({**rules(value()), "mode": {}}, "rules.mode"),
        ({**rules(value()), "days": 7}, "days"),
        (rules("cost_last_7d > 1", resource="oco.cost", group_by=["agent"]), "group_by[0]"),
        (rules(5), "filters[0]"),
        (rules({}), "filters[0].type"),
        (rules({"type": "value", "key": "a"}), "filters[0].value"),
        (rules(value(key="")), "filters[0].key"),
        (rules(value(key="a b")), "filters[0].key"),
        (rules(value(key="[?a")), "filters[0].key"),
        (rules(value(key='c7n.metrics || "c7n:MatchedFilters"')), "filters[0].key"),
        (rules(value(), {"or": [value(), value(op="like")]}), "filters[1].or[1].op"),
        (rules({"not": [{"and": [value(kind=1)]}]}), "filters[0].not[0].and[0].kind"),
        (rules({"or": []}), "filters[0].or"),
        (rules({"or": {"a": 1}}), "filters[0].or"),
        (rules(value(value={"a": 1})), "filters[0].value"),
        (rules(value(value=["a", {"b": 1}])), "filters[0].value[1]"),
        (rules(value(value="a\0b")), "filters[0].value"),
        # Half of a surrogate pair, which nothing can keep or send on.
        (rules(value(value="a\ud800")), "filters[0].value"),
        (rules({"tag:a\ud800": "x"}), "filters[0].key"),
        (rules({"\ud800": "x"}), "filters[0].key"),
        (rules(value(value_regex="(\ud800)")), "filters[0].value_regex"),
        (
            rules({"type": "model-allow-list", "models": ["\ud800"]}, resource="oco.llm-usage"),
            "filters[0].models[0]",
        ),
        (rules("cost > 1", resource="oco.cost", group_by=["tag:\ud800"]), "group_by[0]"),
        (rules({"or": [value(value="logs-{account_id}")]}), "filters[0].or[0].value"),
        (rules("cost_last_30d > -5"), "filters[0].value"),
        (rules({"Logging": "absent"}, resource="s3"), "filters[0].Logging"),
        (
            rules({"or": [value(key="length(Acl.Grants || `[]`)")]}, resource="aws.s3"),
            "filters[0].or[0].key",
        ),
        (
            rules({"type": "list-item", "key": "Policy.Statement", "count": 1}, resource="s3"),
            "filters[0].key",
        ),
        (rules({"type": "cost", "value": "1e400"}), "filters[0].value"),
        (rules("spend_change_pct < -101"), "filters[0].value"),
        (rules("untagged_spend_share > 20", resource="oco.cost"), "filters[0].value"),
        (rules("unpriced_share > -1 %", resource="oco.llm-usage"), "filters[0].value"),
        (rules(value(value=float("inf"))), "filters[0].value"),
        (rules(value(value_type="age", value="soon")), "filters[0].value"),
        (rules(value(value_type="age", value=float("nan"))), "filters[0].value"),
        (rules(value(value_type="date", value="some day")), "filters[0].value"),
        (rules(value(value_type="money")), "filters[0].value_type"),
        (rules(value(op="regex", value="(")), "filters[0].value"),
        (rules(value(op="regex", value="(a+)+$")), "filters[0].value"),
        (rules(value(op="regex", value="x" * 501)), "filters[0].value"),
        (rules(value(value_regex="no group")), "filters[0].value_regex"),
        (rules(value(tag_key_transforms=["reverse"])), "filters[0].tag_key_transforms[0]"),
        (rules(value(value_from={"url": "s3://b/k"})), "filters[0].value_from"),
        (rules({"type": "flow-logs"}), "filters[0].type"),
        (rules("marked-for-op"), "filters[0]"),
        (rules({"type": "check-permissions", "match": "denied"}), "filters[0].type"),
        (rules({"type": "image-age", "days": 3}), "filters[0].type"),
        (rules({"type": "age", "days": -1}), "filters[0].days"),
        (rules({"type": "metrics", "name": "CPUUtilization"}), "filters[0].value"),
        (rules({"type": "metrics", "name": "DiskReadOps", "value": 1}), "filters[0].name"),
        (
            rules({"type": "metrics", "name": "cpu_percent", "value": 1, "statistics": "Sum"}),
            "filters[0].statistics",
        ),
        (
            rules({"type": "list-item", "key": "a", "attrs": [{"type": "age"}]}),
            "filters[0].attrs[0].type",
        ),
        (rules({"type": "list-item", "key": "a"}), "filters[0].attrs"),
        (rules({"type": "reduce", "order": "randomize"}), "filters[0].order"),
        (rules({"type": "cost", "value": 0.1}), "filters[0].value"),
        (rules({"type": "cost", "value": "lots"}), "filters[0].value"),
        (rules({"type": "cost", "value": "1", "days": 0}), "filters[0].days"),
        (rules({"type": "cost", "value": "1"}, resource="oco.budget"), "filters[0].type"),
        (rules("cost_last_30d > much"), "filters[0]"),
        (rules("cost > 5 %"), "filters[0]"),
        (rules("dr_covered"), "filters[0].type"),
        (
            rules({"type": "model-allow-list", "models": ["a", 1]}, resource="oco.llm-usage"),
            "filters[0].models[1]",
        ),
    ],
)
def test_what_is_outside_the_grammar_is_refused_with_its_path(wrong: Any, where: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        parse_rules(wrong)
    assert refused.value.where == where
    assert str(refused.value).startswith(f"{where}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (rules({"type": "flow-logs"}), "flow-logs cannot run here: it asks the cloud"),
        (rules("marked-for-op"), "marks that Cloud Custodian's own actions write"),
        (rules({"type": "made-up"}), "'made-up' is no filter"),
        (rules(value(), resource="iam-user"), "'iam-user' is not in the inventory"),
    ],
)
def test_a_refusal_names_what_cannot_run_and_why(wrong: Any, said: str) -> None:
    with pytest.raises(InvalidRuleError, match=said):
        parse_rules(wrong)


def test_endless_nesting_and_endless_lists_are_refused() -> None:
    nested: Any = value()
    for _ in range(12):
        nested = {"not": [nested]}
    with pytest.raises(InvalidRuleError, match="nest at most"):
        parse_rules(rules(nested))
    with pytest.raises(InvalidRuleError, match="at most 300 filters"):
        parse_rules(rules(*[value()] * 301))
    with pytest.raises(InvalidRuleError, match="at most 5000 entries"):
        parse_rules(rules(value(op="in", value=[1] * 5001)))


@pytest.mark.parametrize(
    ("text", "name", "days", "op", "limit"),
    [
        ("cost_last_30d > 500", "cost", 30, "gt", "500"),
        ("cost >= 1.50", "cost", 30, "ge", "1.50"),
        ("spend_change_pct > 20", "spend_change_pct", 7, "gt", "20"),
        ("spend_change_pct_last_14d <= -5 %", "spend_change_pct", 14, "le", "-5"),
        ("unpriced_share_last_7d > 5 %", "unpriced_share", 7, "gt", "0.05"),
    ],
)
def test_a_short_text_is_its_long_form(
    text: str, name: str, days: int, op: str, limit: str
) -> None:
    read = parse_rules(rules(text, resource="oco.llm-usage"))
    assert read.filters == (MeasureFilter(Measure(name, days), op, Decimal(limit)),)  # type: ignore[arg-type]


def test_cloud_custodians_short_names_of_resources_are_those_of_aws() -> None:
    assert parse_rules(rules(value(), resource="ec2")).resources == ("aws.ec2",)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["type", "key", "op", "value", "or", "not", "attrs", "days", "x"]),
            inner,
        ),
    ),
    max_leaves=10,
)


@given(filters=JSON, resource=st.sampled_from(["ec2", "oco.cost", "oco.llm-usage"]))
def test_any_json_is_read_or_refused_and_never_anything_else(filters: Any, resource: str) -> None:
    for entry in ({"resource": resource, "filters": filters}, rules(filters, resource=resource)):
        with suppress(InvalidRuleError):
            parse_rules(entry)


@pytest.mark.parametrize("key", ["Encryption.Policy", "Rules[?Logging]", "tag:Policy", "Lifecycle"])
def test_what_is_only_called_like_what_inventory_lacks_is_judged(key: str) -> None:
    assert parse_rules(rules({key: "present"}, resource="aws.s3"))
