import pytest
import yaml

from oco_warehouse.strict_yaml import read_yaml


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\na: 1", 1), ("- {a: 1, b: 2, 'a': 3}", 0), ("x:\n  a: 1\n  b: 2\n  a: 3", 3)],
)
def test_a_key_that_is_given_twice_is_refused_where_it_stands(text: str, line: int) -> None:
    with pytest.raises(yaml.MarkedYAMLError, match="'a' is given twice") as error:
        read_yaml(text)
    assert error.value.problem_mark is not None
    assert error.value.problem_mark.line == line


def test_the_same_key_of_another_type_or_mapping_is_another() -> None:
    assert read_yaml("1: a\n'1': b\nx: {1: c}") == {1: "a", "1": "b", "x": {1: "c"}}


def test_what_is_merged_may_be_overridden_through_any_number_of_mappings() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, x: 3}\nd: *b"
    assert read_yaml(text) == {
        "a": {"x": 1, "y": 1},
        "b": {"x": 1, "y": 2},
        "c": {"x": 3, "y": 2},
        "d": {"x": 1, "y": 2},
    }
