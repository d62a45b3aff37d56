"""Options and credentials of an account of the kind bigquery; no secret is ever repeated."""

import json
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth import compute_engine
from google.auth.credentials import AnonymousCredentials

from oco_pipelines.ingestion.accounts import load_accounts
from oco_pipelines.ingestion.bigquery_credentials import google_credentials, member_of
from oco_pipelines.ingestion.source_kinds import kind_of
from oco_warehouse.cloud_accounts.account import Account, Credentials
from oco_warehouse.cloud_accounts.bigquery_options import parse_options
from oco_warehouse.errors import ConfigurationError, InvalidInputError
from oco_warehouse.settings import load_settings

TABLE = "gcp_billing_export_v1_01AB23_CD45EF_678901"
FULL = {"project": "billing-admin", "dataset": "billing", "table": TABLE}
NONE: dict[str, str] = {}


def account(options: dict[str, Any], credentials: Credentials | None = None) -> Account:
    return Account(
        "gcp-main",
        "gcp",
        "bigquery",
        MappingProxyType(options),
        credentials or Credentials("environment", MappingProxyType({})),
    )


def test_three_options_are_enough() -> None:
    options = parse_options(account(FULL))
    assert str(options.table) == f"billing-admin.billing.{TABLE}"
    assert (options.location, options.lookback_days, options.since) == (None, 90, None)
    assert options.maximum_bytes_billed == 100 * 1024**3


def test_a_since_may_be_quoted_or_not() -> None:
    for value in (date(2026, 9, 1), "2026-09-01"):
        assert parse_options(account({**FULL, "since": value})).since == date(2026, 9, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"table": "focus_v1_01AB23_CD45EF_678901"}, "is a FOCUS view of the export"),
        ({"table": "cloud_pricing_export"}, "holds prices, not costs"),
        ({"table": "costs"}, "is no billing export: its name is gcp_billing_export_v1_"),
        ({"table": f"{TABLE}` WHERE true --"}, "is no billing export"),
        ({"project": "a`b"}, "is no id of a Google Cloud project"),
        ({"dataset": "a.b"}, "is no name of a BigQuery dataset"),
        ({"dataset": None}, "options.dataset must be a text"),
        ({"maximum_bytes_billed": "1 GB"}, "options.maximum_bytes_billed must be a whole number"),
        ({"maximum_bytes_billed": 0}, "options.maximum_bytes_billed must be a whole number"),
        ({"lookback_days": True}, "options.lookback_days must be a whole number"),
        ({"since": "soon"}, "options.since must be a day like 2026-09-01"),
        ({"since": 20260901}, "options.since must be a day like 2026-09-01"),
        ({"lookback": 3}, "options.lookback is unknown; known are project, dataset, table"),
        ({"api_endpoint": "http://bigquery.example"}, "must be an https:// address"),
        ({"api_endpoint": "https://"}, "must be an https:// address"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_options(account({**FULL, **change}))
    assert str(raised.value).startswith("account gcp-main: options.")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_standard_and_detailed_export_of_a_billing_account_are_the_same_money(
    tmp_path: Path,
) -> None:
    entries = [
        {
            "name": name,
            "provider": "gcp",
            "kind": "bigquery",
            "options": {**FULL, "table": table},
            "credentials": {"from": "instance_role"},
        }
        for name, table in (("one", TABLE), ("two", TABLE.replace("export_", "export_resource_")))
    ]
    path = tmp_path / "sources.yaml"
    path.write_text(json.dumps({"accounts": entries}))
    settings = load_settings({"OCO_HOME": str(tmp_path), "OCO_SOURCES": str(path)})
    with pytest.raises(InvalidInputError, match="01AB23-CD45EF-678901 that account one reads"):
        load_accounts(settings)
    path.write_text(json.dumps({"accounts": entries[:1]}))
    (found,) = load_accounts(settings)
    assert kind_of(found).kind == "bigquery"


@pytest.fixture(scope="module")
def key() -> dict[str, str]:
    """A key of a service account, made for this test."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "client_email": "reader@billing-admin.iam.gserviceaccount.com",
        "private_key": pem,
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def test_credentials_come_from_a_file_a_variable_or_the_machine(
    tmp_path: Path, key: dict[str, str]
) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    file = google_credentials(account(FULL, Credentials("file", MappingProxyType({}), path)), NONE)
    named = Credentials("environment", MappingProxyType({"credentials_json": "READER"}))
    variable = google_credentials(account(FULL, named), {"READER": json.dumps(key)})
    for found in (file, variable):
        assert member_of(found) == f"serviceAccount:{key['client_email']}"
    machine = Credentials("instance_role", MappingProxyType({}))
    found = google_credentials(account(FULL, machine), NONE)
    assert isinstance(found, compute_engine.Credentials)
    assert member_of(found) == "serviceAccount:EMAIL"


def test_a_stand_in_on_this_machine_gets_no_credentials() -> None:
    here = account({**FULL, "api_endpoint": "http://127.0.0.1:9050"})
    assert isinstance(google_credentials(here, NONE), AnonymousCredentials)


def test_credentials_that_are_none_are_one_line_without_what_they_hold(
    tmp_path: Path, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {**key, "private_key": "-----BEGIN SECRET-CANARY-----"}
    path = tmp_path / "key.json"
    for text in (json.dumps(broken), "SECRET-CANARY", '["SECRET-CANARY"]', "{}"):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=r"key\.json: is no key of a service") as found:
            google_credentials(account(FULL, Credentials("file", NONE, path)), NONE)
        assert "CANARY" not in str(found.value)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        google_credentials(account(FULL, Credentials("file", NONE, tmp_path / "none")), NONE)
    named = Credentials("environment", MappingProxyType({"credentials_json": "READER"}))
    with pytest.raises(ConfigurationError, match="READER, which is not set"):
        google_credentials(account(FULL, named), NONE)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing.json"))
    with pytest.raises(ConfigurationError, match="no application default credentials"):
        google_credentials(account(FULL), NONE)


def test_credentials_of_another_shape_are_refused() -> None:
    wrong = Credentials("environment", MappingProxyType({"secret_key": "X"}))
    with pytest.raises(InvalidInputError, match="takes credentials_json"):
        parse_options(account(FULL, wrong))
    profiled = Credentials("file", NONE, Path("key.json"), "main")
    with pytest.raises(InvalidInputError, match="no profiles"):
        parse_options(account(FULL, profiled))
