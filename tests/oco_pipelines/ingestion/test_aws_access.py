"""How AWS is reached: whose keys are used, and what becomes of its errors."""

from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions

from oco_pipelines.ingestion.aws_access import aws_failures, make_client
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_options import parse_access
from oco_warehouse.cloud_accounts.reading import parse_accounts
from oco_warehouse.errors import (
    ConfigurationError,
    InvalidInputError,
    UpstreamThrottled,
    UpstreamUnavailable,
)


def account_of(credentials: dict[str, str]) -> Account:
    entry = {
        "name": "main",
        "provider": "aws",
        "kind": "data_export",
        "options": {"account_id": "000000000012", "bucket": "b", "export": "e"},
        "credentials": credentials,
    }
    (account,) = parse_accounts({"accounts": [entry]}, Path("/"))
    return account


def keys(credentials: dict[str, str], environment: dict[str, str]) -> Any:
    account = account_of(credentials)
    client = make_client(account, parse_access(account), "s3", environment=environment)
    return client._request_signer._credentials


def test_without_names_the_variables_of_aws_own_tools_are_read() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
    }
    found = keys({"from": "environment"}, environment)
    assert (found.access_key, found.secret_key, found.token) == ("id", "secret", "token")
    with pytest.raises(ConfigurationError, match="set the environment variable AWS_SECRET_ACC"):
        keys({"from": "environment"}, {"AWS_ACCESS_KEY_ID": "id"})


def test_a_machine_s_own_role_is_not_mixed_up_with_keys_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody else's")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert keys({"from": "instance_role"}, {}) is None


def test_a_part_of_a_credential_that_aws_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"unknown field credentials.client_id"):
        account_of({"from": "environment", "client_id": "ID"})


@pytest.mark.parametrize(
    ("code", "status", "becomes"),
    [
        ("AccessDenied", 403, ConfigurationError),
        ("SignatureDoesNotMatch", 403, ConfigurationError),
        ("ExpiredToken", 400, ConfigurationError),
        ("NoSuchBucket", 404, InvalidInputError),
        ("LimitExceededException", 400, UpstreamThrottled),
        ("SlowDown", 503, UpstreamThrottled),
        ("InternalError", 500, UpstreamUnavailable),
        ("ValidationException", 400, InvalidInputError),
    ],
)
def test_an_error_of_aws_is_ours_and_repeats_none_of_its_text(
    code: str, status: int, becomes: type[Exception]
) -> None:
    response: Any = {
        "Error": {"Code": code, "Message": "about secret-key"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    with pytest.raises(becomes) as told, aws_failures("here"):
        raise exceptions.ClientError(response, "GetObject")
    assert str(told.value).startswith("here: ")
    assert "secret-key" not in str(told.value)


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (exceptions.NoCredentialsError(), ConfigurationError),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), UpstreamUnavailable),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), UpstreamUnavailable),
    ],
)
def test_no_answer_is_no_denial(error: Exception, becomes: type[Exception]) -> None:
    with pytest.raises(becomes), aws_failures("here"):
        raise error
