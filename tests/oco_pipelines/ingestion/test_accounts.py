"""The file of accounts: what it may say, and the one line about what it may not."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import AssetKey, Definitions
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion import source_kinds, sources
from oco_pipelines.ingestion.accounts import load_accounts
from oco_pipelines.ingestion.definitions import build
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts import kinds
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.reading import parse_accounts
from oco_warehouse.errors import ConfigurationError, InvalidInputError
from oco_warehouse.settings import load_settings
from tests.oco_pipelines.ingestion.example_kinds import RULES

KEY = "AKIA" + "ABCDEFGHIJKLMNOP"


@pytest.fixture(autouse=True)
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    providers = {"example": "tests.oco_pipelines.ingestion.example_kinds"}
    monkeypatch.setattr(source_kinds, "_PROVIDERS", source_kinds._PROVIDERS | providers)
    monkeypatch.setattr(kinds, "ALL", (*kinds.ALL, RULES))


def entry(**changes: Any) -> dict[str, Any]:
    whole = {
        "name": "main",
        "provider": "example",
        "kind": "ledger",
        "options": {"book": "one"},
        "credentials": {"from": "instance_role"},
    } | changes
    return {key: value for key, value in whole.items() if value is not None}


def load(tmp_path: Path, *entries: object) -> tuple[Account, ...]:
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"accounts": list(entries)}))
    return load_accounts(load_settings({"OCO_SOURCES": str(path), "OCO_HOME": str(tmp_path)}))


def refusal(tmp_path: Path, *entries: object) -> str:
    with pytest.raises(InvalidInputError) as refused:
        load(tmp_path, *entries)
    message = str(refused.value)
    assert message.startswith(f"{tmp_path / 'sources.yaml'}: ")
    assert "\n" not in message
    return message


def test_without_the_setting_there_are_no_accounts(tmp_path: Path) -> None:
    assert load_accounts(load_settings({"OCO_HOME": str(tmp_path)})) == ()


def test_an_account_is_what_the_file_says(tmp_path: Path) -> None:
    (account,) = load(
        tmp_path,
        entry(name="my-main", credentials={"from": "file", "path": "keys/aws", "profile": "p"}),
    )
    assert (account.name, account.slug) == ("my-main", "my_main")
    assert dict(account.options) == {"book": "one"}
    assert account.credentials.path == tmp_path / "keys" / "aws"
    assert account.credentials.profile == "p"


def test_secrets_are_read_from_the_variables_that_are_named(tmp_path: Path) -> None:
    (account,) = load(
        tmp_path, entry(credentials={"from": "environment", "secret_key": "PROD_SECRET"})
    )
    read = account.credentials.read_variables
    assert read("main", {"PROD_SECRET": "s3cret"}) == {"secret_key": "s3cret"}
    with pytest.raises(ConfigurationError, match=r"account main: secret_key .* PROD_SECRET"):
        read("main", {})
    assert "s3cret" not in repr(account)


def test_credentials_as_a_mapping_can_not_be_changed_later(tmp_path: Path) -> None:
    (account,) = load(tmp_path, entry())
    with pytest.raises(TypeError):
        account.options["book"] = "two"  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "Main"}, "account number 1: name"),
        ({"name": None}, "account number 1: name"),
        ({"name": "x" * 64}, "account number 1: name"),
        ({"provider": "oracle"}, "account main: provider must be one of aws"),
        ({"kind": "diary"}, "account main: kind must be one of ledger for example"),
        ({"colour": "red"}, "account main: unknown field colour"),
        ({"options": ["a"]}, "account main: options must be"),
        ({"options": {"bok": "one"}}, "account main: unknown option bok"),
        ({"credentials": None}, "account main: credentials must say from"),
        ({"credentials": {"from": "paper"}}, "account main: credentials must say from"),
        ({"credentials": {"from": "file"}}, "account main: credentials.path"),
        ({"credentials": {"from": "instance_role", "path": "x"}}, "unknown field credentials.path"),
        ({"credentials": {"from": "environment", "key": 5}}, "credentials.key must be a text"),
    ],
)
def test_a_mistake_is_one_line_with_file_account_and_field(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    assert told in refusal(tmp_path, entry(**changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"options": {"book": "one", "client_secret": "abc"}}, "options.client_secret"),
        ({"options": {"book": "one", "deep": {"password": "abc"}}}, "options.deep.password"),
        ({"options": {"book": KEY}}, "options.book"),
        ({"options": {"book": "https://x.blob/?sv=1&sig=abc%3D"}}, "options.book"),
        ({"options": {"book": "AccountName=a;AccountKey=abc=="}}, "options.book"),
        ({"credentials": {"from": "environment", "key": KEY}}, "credentials.key"),
        ({"credentials": {"from": "environment", "key": "wJalr/XUtn+FEMI"}}, "credentials.key"),
        ({"credentials": {"from": "file", "path": "-----BEGIN KEY-----"}}, "credentials.path"),
    ],
)
def test_a_literal_secret_is_refused_and_not_repeated(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    message = refusal(tmp_path, entry(**changes))
    assert f"account main: {field} looks like a secret" in message
    for part in ("abc", KEY, "wJalr", "BEGIN"):
        assert part not in message


def test_a_name_is_there_once(tmp_path: Path) -> None:
    other = entry(name="a_b", options={"book": "two"})
    assert "account a_b: name is used twice" in refusal(tmp_path, entry(name="a-b"), other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"book": "one"}, {"book": "one"}),
        ({"book": "one"}, {"book": "one", "page": ["p1"]}),
        ({"book": "one", "page": ["p1", "p2"]}, {"book": "one", "page": ["p2"]}),
    ],
)
def test_the_same_money_is_read_once(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any]
) -> None:
    message = refusal(tmp_path, entry(options=one), entry(name="again", options=other))
    assert "account again: reads the costs of example/one" in message
    assert "account main reads already" in message


def test_parts_of_one_payer_may_be_read_by_several(tmp_path: Path) -> None:
    one, other = {"book": "one", "page": ["p1"]}, {"book": "one", "page": ["p2"]}
    assert len(load(tmp_path, entry(options=one), entry(name="more", options=other))) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accounts: [\n  key: AKIA", "is no YAML ("),
        ("accounts:\n- {name: a, name: b}", "is no YAML ('name' is given twice in line 2)"),
        ("- a", "must have the one field accounts"),
        ("accounts: 5", "accounts must be a list"),
        ("accounts: [5]", "account number 1: must have the fields"),
        ("accounts: []\nmore: 1", "must have the one field accounts"),
        ("", "must have the one field accounts"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(text)
    settings = load_settings({"OCO_SOURCES": str(path), "OCO_HOME": str(tmp_path)})
    with pytest.raises(InvalidInputError) as refused:
        load_accounts(settings)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "AKIA" not in str(refused.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    settings = load_settings({"OCO_SOURCES": str(tmp_path / "no.yaml")})
    with pytest.raises(InvalidInputError, match=r"no.yaml: OCO_SOURCES cannot be read"):
        load_accounts(settings)


def test_costs_wait_for_the_assets_of_accounts(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"accounts": [entry(name="my-main")]}))
    settings = load_settings({"OCO_SOURCES": str(path), "OCO_HOME": str(tmp_path)})
    shared = Definitions(resources={"warehouse": WarehouseResource()})
    graph = Definitions.merge(build(settings), shared).resolve_asset_graph()
    key = AssetKey(["example_ledger", "my_main"])
    assert graph.get(key).pools == {"account_my_main"}
    assert key in graph.get(AssetKey("cloud_costs")).parent_keys


def test_an_account_is_a_cloud_so_that_no_sample_mixes_with_it(tmp_path: Path) -> None:
    settings = load_settings({"OCO_SOURCES": "somewhere.yaml", "OCO_HOME": str(tmp_path)})
    assert sources.discover(settings) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
FIELDS = st.sampled_from(["name", "provider", "kind", "options", "credentials", "from", "path"])


@given(
    st.dictionaries(FIELDS, VALUES | st.just("example") | st.just("ledger"))
    | st.fixed_dictionaries({"accounts": st.lists(st.dictionaries(FIELDS, VALUES), max_size=3)})
    | VALUES
)
def test_no_document_ends_in_anything_but_accounts_or_one_line(document: object) -> None:
    with suppress(InvalidInputError):
        assert isinstance(parse_accounts(document, Path("/")), tuple)
