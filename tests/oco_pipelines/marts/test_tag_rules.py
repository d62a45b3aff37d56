"""Rules for tags: a file is read whole or refused, and what is printed can be read again."""

from pathlib import Path

import pytest
from dagster import DagsterInstance, build_sensor_context
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.marts.tag_assets import new_tag_rules
from oco_pipelines.marts.tag_rules import (
    compared,
    import_tag_rules,
    read_tag_rules,
    tag_rules_toml,
)
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidFileError

RULES = """
[keys]
team = ["Owner-Team", "user:team"]
cost_center = ["cost_category:Department"]

[values.environment]
prod = ["Production", " prd "]
"""


@pytest.mark.parametrize(
    ("key", "same"),
    [
        ("Team", "team"),
        ("user:Team", "team"),
        ("project:owner-team", "owner_team"),
        ("tag:123456/Cost Center", "cost_center"),
        ("app.kubernetes.io/name", "app.kubernetes.io/name"),
        ("aws:createdBy", "aws:createdby"),
        ("system:team", "system:team"),
    ],
)
def test_case_prefix_and_separator_of_a_key_are_no_matter(key: str, same: str) -> None:
    assert compared(key) == same


def test_a_file_is_read_in_its_order() -> None:
    rules = read_tag_rules("f", RULES)
    assert rules.keys == (
        ("team", "owner_team", 1),
        ("team", "team", 2),
        ("cost_center", "cost_category:department", 1),
    )
    assert rules.values == (
        ("environment", "prod", "prod"),
        ("environment", "production", "prod"),
        ("environment", "prd", "prod"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("keys", "no TOML"),
        ("", r"must have \[keys\]"),
        ("[keys]\n[other]\n", "'other' is neither"),
        ("keys = 3\n", "keys must be a table of lists"),
        ("[keys]\nowner = ['x']\n", "keys.owner is unknown: use team, environment"),
        ("[keys]\nteam = 'x'\n", "team must be a list of texts"),
        ("[keys]\nteam = [3]\n", "team must be a list of texts"),
        ("[keys]\nteam = ['user:']\n", "'user:' is no key of a tag"),
        ("[keys]\nteam = ['a-b']\napplication = ['A B']\n", "'A B' stands under team already"),
        ("[keys]\n[values]\nteam = 3\n", "values must be a table of lists"),
        ("[keys]\n[values.squad]\na = ['b']\n", "values.squad is unknown"),
        ("[keys]\n[values.team]\na = ['x']\nb = ['X']\n", "'X' is empty or stands under another"),
    ],
)
def test_a_file_that_is_wrong_is_one_clear_line(text: str, told: str) -> None:
    with pytest.raises(InvalidFileError, match=told):
        read_tag_rules("f", text)


def test_a_wrong_file_changes_nothing_and_what_is_printed_is_read_again(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / "tags.toml"
    shipped = tag_rules_toml(warehouse)
    path.write_text("[keys]\nteam = 3\n")
    with pytest.raises(InvalidFileError):
        import_tag_rules(warehouse, path)
    assert tag_rules_toml(warehouse) == shipped
    path.write_text(shipped)
    import_tag_rules(warehouse, path)
    assert tag_rules_toml(warehouse) == shipped
    path.write_text(RULES)
    import_tag_rules(warehouse, path)
    assert 'team = ["owner_team", "team"]' in tag_rules_toml(warehouse)


def test_changed_rules_move_the_marts_once(warehouse: Warehouse, tmp_path: Path) -> None:
    resource = WarehouseResource(database_url=warehouse.url)

    def tick(cursor: str | None) -> tuple[bool, str | None]:
        with DagsterInstance.ephemeral() as instance:
            context = build_sensor_context(
                instance, cursor=cursor, resources={"warehouse": resource}
            )
            done = new_tag_rules.evaluate_tick(context)
            return bool(done.run_requests), done.cursor

    first, shipped = tick(None)
    assert (first, tick(shipped)[0]) == (True, False)
    before = tag_rules_toml(warehouse)
    path = tmp_path / "tags.toml"
    path.write_text(RULES)
    import_tag_rules(warehouse, path)
    changed, state = tick(shipped)
    path.write_text(before)
    import_tag_rules(warehouse, path)
    assert (changed, tick(state)) == (True, (True, shipped))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8))
def test_any_value_can_be_printed_and_read(value: str) -> None:
    from oco_pipelines.marts.tag_rules import _quoted

    text = f"[keys]\n[values.team]\n{_quoted(value)} = []\n"
    if not value.strip():
        with pytest.raises(InvalidFileError):
            read_tag_rules("f", text)
    else:
        assert read_tag_rules("f", text).values == (("team", value.strip().lower(), value),)
