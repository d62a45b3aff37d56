"""A moto server, and accounts that are listed from it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.pace import Pace
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_inventory import parse_inventory
from oco_warehouse.cloud_accounts.reading import parse_accounts
from tests.oco_pipelines.inventory.cloudwatch import CloudWatch, indexed_cloudwatch

ACCOUNT_ID = "123456789012"
REGION = "eu-west-1"
KEYS = {"from": "environment", "access_key_id": "TEST_KEY", "secret_access_key": "TEST_SECRET"}
SECRETS = {"TEST_KEY": "test", "TEST_SECRET": "test"}


@pytest.fixture(scope="module")
def moto_server() -> Iterator[str]:
    # Some hundred images of Amazon's would come with snapshots that seem to be ours.
    before = os.environ.get("MOTO_EC2_LOAD_DEFAULT_AMIS")
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
    os.environ.pop("MOTO_EC2_LOAD_DEFAULT_AMIS")
    if before is not None:
        os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = before


@pytest.fixture
def aws_endpoint(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An AWS in which nothing exists yet."""
    requests.post(f"{moto_server}/moto-api/reset", timeout=30).raise_for_status()
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return moto_server


@pytest.fixture
def cloudwatch() -> Iterator[CloudWatch]:
    with indexed_cloudwatch() as cloud:
        yield cloud


@pytest.fixture
def client(aws_endpoint: str) -> Callable[..., Any]:
    """Clients of the account's owner, who makes what is then listed."""

    def make(service: str, region: str = REGION) -> Any:
        return boto3.client(
            service, endpoint_url=aws_endpoint, region_name=region,
            aws_access_key_id="owner", aws_secret_access_key="owner",
        )  # fmt: skip

    return make


@pytest.fixture
def account(aws_endpoint: str, tmp_path: Path) -> Callable[..., Account]:
    """An account of kind inventory; keywords are its options."""

    def make(**options: Any) -> Account:
        chosen = {
            "account_id": ACCOUNT_ID, "region": REGION, "endpoint_url": aws_endpoint, **options,
        }  # fmt: skip
        entry = {
            "name": "main", "provider": "aws", "kind": "inventory", "options": chosen,
            "credentials": KEYS,
        }  # fmt: skip
        (found,) = parse_accounts({"accounts": [entry]}, tmp_path)
        return found

    return make


@pytest.fixture
def connect(account: Callable[..., Account]) -> Callable[..., Aws]:
    """A connection that does not wait between requests."""

    def make(one: Account | None = None, **more: Any) -> Aws:
        chosen = one or account()
        return Aws(
            chosen, parse_inventory(chosen).access, pace=Pace(1e9), environment=SECRETS, **more
        )

    return make
