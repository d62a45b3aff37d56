"""What a DR policy may be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_warehouse.dr_rules import labels_for, read_rule, read_rules, selects
from oco_warehouse.durations import read_duration, write_duration
from oco_warehouse.errors import InvalidInputError

GOOD: dict[str, Any] = {
    "name": "shop",
    "cluster": "production",
    "namespaces": ["shop"],
    "schedule_cron": "0 3 * * *",
    "rpo_target": "26h",
    "rto_target": "30m",
}
SELECTOR = {"matchLabels": {"tier": "gold"}}


def refusal(**changes: object) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read_rule({**GOOD, **changes})
    line = str(caught.value)
    assert "\n" not in line
    return line


@given(st.integers(0, 10**8).map(lambda n: __import__("datetime").timedelta(seconds=n)))
def test_a_length_of_time_is_read_as_it_was_written(length: Any) -> None:
    assert read_duration(write_duration(length)) == length


@pytest.mark.parametrize("text", ["", "5", "h", "1h1d", "1h 1m", "-1h", "1.5h", "1h\n", "٣h"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_duration(text)


def test_a_policy_is_read_as_it_was_written() -> None:
    whole = {
        **GOOD,
        "retention": "90d",
        "keep_at_least": 3,
        "label_selector": SELECTOR,
        "snapshot_options": {"snapshotMoveData": True, "datamover": "velero"},
        "drill_cron": "0 5 * * 0",
        "protected": True,
        "enabled": False,
        "time_zone": "Europe/Berlin",
    }
    rule = read_rule(whole)
    assert read_rule(rule.written()) == rule
    assert {**rule.written(), "rpo_target": "26h"} == whole


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\u200b"}, "name"),
        ({"cluster": ""}, "cluster"),
        ({"namespaces": ["Shop"]}, "namespaces.0"),
        ({"namespaces": ["a" * 64]}, "namespaces.0"),
        ({"namespaces": ["a", "a"]}, "namespaces"),
        ({"namespaces": ["*", "a"]}, "namespaces"),
        ({"namespaces": []}, "namespaces"),
        ({"namespace_selector": SELECTOR}, "namespaces"),
        ({"namespaces": [], "namespace_selector": {}}, "namespace_selector"),
        ({"label_selector": {"matchLabels": {"a b": "c"}}}, "label_selector"),
        (
            {"label_selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
            "label_selector",
        ),
        ({"schedule_cron": "0 3 * *"}, "schedule_cron"),
        ({"schedule_cron": "0 0 31 2 *"}, "schedule_cron"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"retention": "1h"}, "retention"),
        ({"retention": 5}, "retention"),
        ({"keep_at_least": -1}, "keep_at_least"),
        ({"keep_at_least": "2"}, "keep_at_least"),
        ({"storage_location": "A b"}, "storage_location"),
        ({"snapshot_options": {"tll": "1h"}}, "snapshot_options"),
        ({"snapshot_options": {"snapshotVolumes": "yes"}}, "snapshot_options"),
        (
            {"snapshot_options": {"snapshotMoveData": True, "snapshotVolumes": False}},
            "snapshot_options",
        ),
        ({"snapshot_options": {"datamover": "velero"}}, "snapshot_options"),
        ({"rpo_target": "23h"}, "rpo_target"),
        ({"time_zone": "Europe/Berlin", "rpo_target": "24h"}, "rpo_target"),
        ({"rto_target": "0s"}, "rto_target"),
        ({"drill_cron": "never"}, "drill_cron"),
        ({"namespaces": ["*"], "protected": True, "drill_cron": "0 5 * * 0"}, "drill_cron"),
        ({"protected": 1}, "protected"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_each_mistake_is_one_line_that_begins_with_its_field(
    changes: dict[str, object], field: str
) -> None:
    assert refusal(**changes).startswith(f"{field}: ")


def test_a_target_that_the_schedule_cannot_meet_says_both_figures() -> None:
    line = refusal(rpo_target="1h")
    assert "1h is shorter" in line and "longest gap of 1d" in line


def test_a_name_stands_once_in_a_list() -> None:
    with pytest.raises(InvalidInputError, match=r"policies\[1\] \(shop\): name: stands above"):
        read_rules([GOOD, GOOD])


@pytest.mark.parametrize(
    ("term", "labels", "held"),
    [
        ({"key": "a", "operator": "In", "values": ["1"]}, {"a": "1"}, True),
        ({"key": "a", "operator": "In", "values": ["1"]}, {}, False),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {}, True),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {"a": "1"}, False),
        ({"key": "a", "operator": "Exists"}, {"a": "1"}, True),
        ({"key": "a", "operator": "DoesNotExist"}, {"a": "1"}, False),
    ],
)
def test_selectors_select_as_kubernetes_does(
    term: dict[str, Any], labels: dict[str, str], held: bool
) -> None:
    assert selects({"matchExpressions": [term]}, labels) is held


TERMS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        st.lists(st.sampled_from(["x", "y", "oco-0"]), min_size=1, max_size=2),
    ),
    max_size=4,
)


@given(st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")), TERMS)
def test_labels_for_a_selector_meet_it_wherever_any_do(labels: Any, terms: Any) -> None:
    said = [
        {"key": key, "operator": operator, **({"values": values} if "In" in operator else {})}
        for key, operator, values in terms
    ]
    selector = {"matchLabels": labels, "matchExpressions": said}
    values = [None, "x", "y", "oco-0", "other"]
    tries = [
        {key: value for key, value in (("a", a), ("b", b)) if value is not None}
        for a in values
        for b in values
    ]
    if any(selects(selector, one) for one in tries):
        assert selects(selector, labels_for(selector))
    else:
        with pytest.raises(InvalidInputError, match="no labels"):
            labels_for(selector)
