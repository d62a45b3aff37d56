"""How AWS is reached: credentials, clients, and errors as ours.

The only place that knows boto3's exceptions. No text of AWS' own is repeated: it may name what is
secret, and says nothing that the code does not.
"""

import configparser
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_options import CREDENTIAL_PARTS, AwsAccess
from oco_warehouse.errors import (
    ConfigurationError,
    InvalidInputError,
    UpstreamThrottled,
    UpstreamUnavailable,
)

# botocore's standard mode: so many attempts in all, with backoff and jitter between them.
MAX_ATTEMPTS: Final = 5
_CONNECT_SECONDS: Final = 10
_READ_SECONDS: Final = 60
_SDK_VARIABLES: Final = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
}
# What is left of the SDK's own chain is what AWS gives a machine, a container or a pod.
_NOT_OF_THE_MACHINE: Final = (
    *("env", "shared-credentials-file", "config-file", "custom-process", "sso", "login"),
    *("assume-role", "ec2-credentials-file", "boto-config"),
)
_MISSING: Final = frozenset({"NoSuchBucket", "NoSuchKey", "404", "NotFound"})
_DENIED: Final = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "403", "Forbidden", "AllAccessDisabled"),
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId"),
        *("UnrecognizedClientException", "ExpiredToken", "ExpiredTokenException"),
        *("InvalidSignatureException", "AuthFailure", "OptInRequired"),
    }
)
_THROTTLED: Final = frozenset(
    {
        *("LimitExceededException", "Throttling", "ThrottlingException", "SlowDown"),
        *("TooManyRequestsException", "RequestLimitExceeded", "503 Slow Down"),
    }
)


@dataclass(slots=True)
class Requests:
    """How many requests a client sent, tries again included."""

    sent: int = 0
    bytes: int = field(default=0)


def make_client(
    account: Account,
    access: AwsAccess,
    service: str,
    requests: Requests | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Any:
    """A boto3 client of a service, whose credentials are renewed while it is used.

    Args:
        account: whose credentials.
        access: where.
        service: s3, ce or sts.
        requests: counts what is sent.
        environment: where secrets of `from: environment` are.

    Raises:
        ConfigurationError: when there are no credentials.
    """
    return client_of(open_session(account, access, environment), access, service, requests)


def open_session(
    account: Account, access: AwsAccess, environment: Mapping[str, str] = os.environ
) -> Any:
    """A botocore session that many clients share: making one reads what AWS' services look like.

    Raises:
        ConfigurationError: when there are no credentials.
    """
    session = _session(account, access, environment)
    return session if access.role_arn is None else _assumed(session, access)


def client_of(
    session: Any, access: AwsAccess, service: str, requests: Requests | None = None
) -> Any:
    """A client of a service in the region of `access`; `requests` counts what it sends."""
    client = session.create_client(service, **_client_options(access, service))
    if requests is not None:

        def count(**_: object) -> None:
            requests.sent += 1

        # Of this client alone; some services have other names in the names of events.
        client.meta.events.register("before-send", count)
    return client


@contextmanager
def aws_failures(where: str) -> Iterator[None]:
    """Our errors for boto3's.

    Raises:
        ConfigurationError: when access is denied or there are no credentials.
        InvalidInputError: when a bucket or a file does not exist, or AWS refuses what was asked.
        UpstreamThrottled: when AWS asks to slow down.
        UpstreamUnavailable: when it does not answer.
    """
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        yield
    except exceptions.ClientError as error:
        raise _mapped(where, error.response) from None
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
    ) as error:
        raise ConfigurationError(
            f"{where}: no credentials ({type(error).__name__}); see credentials of the account"
        ) from None
    except exceptions.ParamValidationError:
        raise InvalidInputError(f"{where}: the options of the account cannot be sent") from None
    except (
        *(exceptions.BotoCoreError, exceptions.HTTPClientError, OSError),
        # What stands between AWS and us answered, as a proxy does: this is no BotoCoreError.
        ResponseParserError,
    ) as error:
        raise UpstreamUnavailable(
            f"{where}: AWS does not answer ({type(error).__name__})"
        ) from None


def _mapped(where: str, response: Mapping[str, Any]) -> Exception:
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _DENIED or status in {401, 403}:
        return ConfigurationError(f"{where}: access is denied ({code})")
    if code in _THROTTLED or status == 429:
        return UpstreamThrottled(f"{where}: AWS asks to slow down ({code})")
    if code in _MISSING or status == 404:
        return InvalidInputError(f"{where}: does not exist")
    if status >= 500:
        return UpstreamUnavailable(f"{where}: AWS failed ({code})")
    return InvalidInputError(f"{where}: AWS refused the request ({code})")


def _session(account: Account, access: AwsAccess, environment: Mapping[str, str]) -> Any:
    session = _new_session(access)
    origin = account.credentials
    if origin.origin == "instance_role":
        resolver = session.get_component("credential_provider")
        for name in _NOT_OF_THE_MACHINE:
            resolver.remove(name)
        return session
    keys = _keys_of_file(account) if origin.origin == "file" else _keys_of(account, environment)
    session.set_credentials(
        keys["access_key_id"], keys["secret_access_key"], keys.get("session_token")
    )
    return session


def _new_session(access: AwsAccess) -> Any:
    from botocore.session import Session

    session = Session()
    session.set_config_variable("region", access.region)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@cache
def _loader(data_path: str | None) -> Any:
    """What AWS' services look like, read once a process: that of EC2 alone takes 0.2 s."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def _keys_of(account: Account, environment: Mapping[str, str]) -> dict[str, str]:
    variables = account.credentials.variables
    if variables:
        keys = account.credentials.read_variables(account.name, environment)
    else:
        keys = {part: environment.get(name, "") for part, name in _SDK_VARIABLES.items()}
        keys["session_token"] = environment.get("AWS_SESSION_TOKEN", "")
    for part in CREDENTIAL_PARTS[:2]:
        if not keys.get(part):
            variable = variables.get(part, _SDK_VARIABLES[part])
            raise ConfigurationError(
                f"account {account.name}: {part} is missing: set the environment variable "
                f"{variable}"
            )
    return {part: key for part, key in keys.items() if key}


def _keys_of_file(account: Account) -> dict[str, str]:
    path, section = account.credentials.path, account.credentials.profile or "default"
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8") if path else "")
    except OSError as error:
        raise ConfigurationError(
            f"account {account.name}: {path} cannot be read ({error.strerror})"
        ) from None
    except (configparser.Error, UnicodeDecodeError):
        # The parser's own message quotes lines of the file.
        raise ConfigurationError(
            f"account {account.name}: {path} is no file of AWS credentials"
        ) from None
    keys = {
        part: parser.get(section, f"aws_{part}", fallback="") if parser.has_section(section) else ""
        for part in CREDENTIAL_PARTS
    }
    if not keys["access_key_id"] or not keys["secret_access_key"]:
        raise ConfigurationError(
            f"account {account.name}: {path} has no aws_access_key_id and aws_secret_access_key in "
            f"its section {section}"
        )
    return {part: key for part, key in keys.items() if key}


def _assumed(session: Any, access: AwsAccess) -> Any:
    """A session that takes on the role, and again before an hour is over."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    def create_client(service: str, **options: Any) -> Any:
        return session.create_client(service, **{**options, **_client_options(access, service)})

    extra = {"RoleSessionName": "open-cloud-ops"}
    if access.external_id is not None:
        extra["ExternalId"] = access.external_id
    fetcher = AssumeRoleCredentialFetcher(
        create_client, session.get_credentials(), access.role_arn, extra_args=extra
    )
    assumed = _new_session(access)
    assumed._credentials = DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
    return assumed


def _client_options(access: AwsAccess, service: str) -> dict[str, Any]:
    from botocore.config import Config

    config = Config(
        # Each request to Cost Explorer is paid: who asks it decides to ask again, and says so.
        retries={
            "mode": "standard",
            "total_max_attempts": 1 if service == "ce" else MAX_ATTEMPTS,
        },
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        # A bucket as part of the host's name is AWS' own; others are reached by their path.
        s3={"addressing_style": "path"} if access.endpoint_url else None,
    )
    options: dict[str, Any] = {"config": config, "region_name": access.region}
    if access.endpoint_url is not None:
        options["endpoint_url"] = access.endpoint_url
    # Cost Explorer has one address, whatever the region of the account.
    elif service == "ce":
        options["region_name"] = "us-east-1"
    return options
