"""`oco sources check` as a person runs it."""

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer
from psycopg.types.json import Jsonb

from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion.aws_bucket import Bucket

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_without_accounts_it_says_what_to_set(oco: Run) -> None:
    done = oco("sources", "check")
    assert done.returncode == 1
    assert "OCO_SOURCES" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_file_is_one_line_with_exit_code_1(oco: Run, tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text("accounts:\n  - name: main\n    provider: oracle\n")
    done = oco("sources", "check", OCO_SOURCES=str(path))
    assert done.returncode == 1
    assert "sources.yaml: account main: provider must be one of" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Bucket(f"http://{host}:{port}")
    server.stop()


def test_each_account_says_what_works_and_what_is_missing(
    oco: Run, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.deliver("2026-09", [b"a file"])

    def account(name: str, number: str, secret: str) -> dict[str, object]:
        return {
            "name": name,
            "provider": "aws",
            "kind": "data_export",
            "options": bucket.options(account_id=number),
            "credentials": {
                "from": "environment",
                "access_key_id": "OUR_KEY",
                "secret_access_key": secret,
            },
        }

    path = tmp_path / "sources.yaml"
    accounts = [
        account("works", "000000000012", "OUR_SECRET"),
        account("lacks", "000000000013", "NO_SECRET"),
    ]
    path.write_text(yaml.safe_dump({"accounts": accounts}))
    given = {"OCO_SOURCES": str(path), "OUR_KEY": "test", "OUR_SECRET": "hidden"}
    done = oco("sources", "check", **given)
    assert done.returncode == 1
    assert "1 billing periods, 2026-09 to 2026-09" in done.stdout
    assert "missing credentials: account lacks: secret_access_key" in done.stdout
    assert "NO_SECRET, which is not set" in done.stdout
    assert "1 missing" in done.stdout
    assert "hidden" not in done.stdout + done.stderr
    fine = oco("sources", "check", "works", **given)
    assert (fine.returncode, fine.stdout.splitlines()[-1]) == (0, "everything works")
    assert "no account is called 'other'" in oco("sources", "check", "other", **given).stderr


@contextmanager
def permissions_checked(endpoint: str) -> Iterator[None]:
    """The server asks for policies, as AWS does, until the block ends."""

    def allow_without(requests: str) -> None:
        request = urllib.request.Request(
            f"{endpoint}/moto-api/reset-auth",
            requests.encode(),
            {"Content-Type": "text/plain"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    allow_without("0")
    try:
        yield
    finally:
        allow_without("inf")


def test_the_policy_that_is_missing_can_be_pasted_and_is_enough(
    oco: Run, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.deliver("2026-09", [b"a file"])
    iam = boto3.client(
        "iam", endpoint_url=bucket.endpoint, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    # AWS lets everybody ask who they are; this server wants to be told.
    who = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}

    def grant(name: str, *statements: object) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="reader", PolicyName=name, PolicyDocument=document)

    grant("who", who)
    path = tmp_path / "sources.yaml"
    account = {
        "name": "main",
        "provider": "aws",
        "kind": "data_export",
        "options": bucket.options(),
        "credentials": {
            "from": "environment",
            "access_key_id": "OUR_KEY",
            "secret_access_key": "OUR_SECRET",
        },
    }
    path.write_text(yaml.safe_dump({"accounts": [account]}))
    given = {
        "OCO_SOURCES": str(path),
        "OUR_KEY": key["AccessKeyId"],
        "OUR_SECRET": key["SecretAccessKey"],
    }
    with permissions_checked(bucket.endpoint):
        refused = oco("sources", "check", **given)
    assert refused.returncode == 1, refused.stdout
    assert "access is denied" in refused.stdout
    policy = refused.stdout[refused.stdout.index("{") : refused.stdout.rindex("}") + 1]
    grant("told", *json.loads(policy)["Statement"])
    with permissions_checked(bucket.endpoint):
        allowed = oco("sources", "check", **given)
    assert allowed.returncode == 0, allowed.stdout


def test_accounts_of_the_api_are_checked_and_refused_ones_say_why(
    oco: Run, warehouse: Warehouse
) -> None:
    options = Jsonb({"account_id": "123456789012", "bucket": "billing", "export": "cur2"})
    origin = {"from": "environment", "access_key_id": "OCO_SOURCE_KEY"}
    for name in ("main", "again"):
        warehouse.execute(
            "INSERT INTO oco.source_accounts (name, provider, kind, options, credentials) "
            "VALUES (%s, 'aws', 'data_export', %s, %s)",
            [name, options, Jsonb(origin)],
        )
    done = oco("sources", "check")
    assert done.returncode == 1
    assert "main (aws data_export)" in done.stdout
    assert "OCO_SOURCE_KEY" in done.stdout
    assert "again (of the API)\n  refused account again" in done.stdout
