"""Cloud accounts over the API: whole ones without a secret, none that reads another's money."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from oco_pipelines.ingestion import sources
from oco_pipelines.ingestion.accounts import load_accounts, refresh
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings

KEY = "AKIA" + "ABCDEFGHIJKLMNOP"
FILE = """
accounts:
  - name: aws-file
    provider: aws
    kind: cost_explorer
    options: {account_id: "111111111111"}
    credentials: {from: instance_role}
"""


def body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "aws-main",
        "provider": "aws",
        "kind": "data_export",
        "options": {"account_id": "123456789012", "bucket": "billing", "export": "cur2"},
        "credentials": {"from": "instance_role"},
    } | changes


@pytest.fixture
def client(gateway: Any, admin_headers: dict[str, str]) -> Iterator[httpx.Client]:
    base = f"{gateway.url}/api/v1/sources"
    with httpx.Client(base_url=base, headers=admin_headers, timeout=20) as made:
        yield made


def test_an_account_is_added_listed_replaced_and_removed(client: httpx.Client) -> None:
    made = client.post("", json=body())
    assert made.status_code == 201, made.text
    assert made.json()["options"]["bucket"] == "billing"
    [listed] = client.get("").json()["items"]
    assert listed == made.json() and listed["problem"] is None
    role = body(credentials={"from": "environment", "access_key_id": "OCO_SOURCE_ID"})
    where = f"/{listed['id']}"
    assert client.put(where, json=role).json()["credentials"] == role["credentials"]
    assert client.put(where, json=body(name="other")).status_code == 400
    assert client.delete(where).status_code == 204
    assert client.get("").json()["items"] == []
    assert client.put(where, json=body()).status_code == 404


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "lottery"}, "kind must be one of data_export"),
        ({"options": {"account_id": "1"}}, "options.account_id must be the 12 digits"),
        ({"options": {"account_id": "1", "secret": KEY}}, "looks like a secret"),
        ({"options": {"account_id": KEY}}, "looks like a secret"),
        (
            {"options": body()["options"] | {"endpoint_url": "https://elsewhere.example"}},
            "endpoint_url says where credentials are sent",
        ),
        (
            {"credentials": {"from": "environment", "session_token": "DATABASE_URL"}},
            "must name a variable that begins with OCO_SOURCE_",
        ),
        ({"credentials": {"from": "file", "path": "/etc/shadow"}}, "must be the name of a file"),
        ({"credentials": {"from": "file", "path": "../x"}}, "must be the name of a file"),
        ({"options": {"bucket": "a\x00b"}}, "NUL"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_without_the_secret(
    client: httpx.Client, changes: dict[str, Any], said: str
) -> None:
    refused = client.post("", json=body(**changes))
    assert refused.status_code == 400, refused.text
    assert said in refused.json()["detail"]
    assert KEY not in refused.text and "\n" not in refused.json()["detail"]
    assert client.get("").json()["items"] == []


def test_two_accounts_of_one_name_or_of_one_bill_are_refused(client: httpx.Client) -> None:
    assert client.post("", json=body()).status_code == 201
    same = client.post("", json=body(name="aws_main"))
    assert same.status_code == 409 and "is called aws-main already" in same.json()["detail"]
    bill = client.post(
        "",
        json=body(name="other", kind="cost_explorer", options={"account_id": "123456789012"}),
    )
    assert bill.status_code == 409 and "money would count twice" in bill.json()["detail"]


def test_pipelines_read_accounts_of_the_file_and_of_the_api_and_refuse_a_clash(
    client: httpx.Client, warehouse: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "sources.yaml"
    file.write_text(FILE)
    settings = load_settings(
        {
            "OCO_HOME": str(tmp_path / "home"),
            "OCO_SOURCES": str(file),
            "DATABASE_URL": warehouse.url,
        }
    )
    assert client.post("", json=body()).status_code == 201
    clash = body(name="again", kind="cost_explorer", options={"account_id": "111111111111"})
    assert client.post("", json=clash).status_code == 201
    changed, (line,) = refresh(settings, warehouse)
    assert changed and "account again: reads the costs of aws/111111111111" in line
    assert "aws-file is of the file OCO_SOURCES" in line and "\n" not in line
    assert [one.name for one in load_accounts(settings)] == ["aws-file", "aws-main"]
    told = {one["name"]: one["problem"] for one in client.get("").json()["items"]}
    assert told == {"aws-main": None, "again": line}
    assert refresh(settings, warehouse) == (False, [line])


def test_with_an_account_of_the_api_the_sample_stays_away(
    client: httpx.Client, warehouse: Warehouse, tmp_path: Path
) -> None:
    settings = load_settings({"OCO_HOME": str(tmp_path / "home"), "DATABASE_URL": warehouse.url})
    assert sources.uses_sample(settings)
    client.post("", json=body())
    refresh(settings, warehouse)
    assert not sources.uses_sample(settings)
