"""The options that every kind of AWS has. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.settings import http_address

ACCESS_OPTIONS: Final = ("account_id", "region", "endpoint_url", "role_arn", "external_id")
CREDENTIAL_PARTS: Final = ("access_key_id", "secret_access_key", "session_token")
_ACCOUNT_ID: Final = re.compile(r"\d{12}")
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Options of an account that say where its AWS is.

    Attributes:
        account_id: the account whose bill is read, as a rule the payer.
        region: of the client; AWS' billing services are in us-east-1.
        endpoint_url: an S3 of one's own or a stand-in; None for AWS.
        role_arn: role to take on, as of another account.
        external_id: what that role's trust asks for.
    """

    account_id: str
    region: str
    endpoint_url: str | None
    role_arn: str | None
    external_id: str | None


def parse_access(account: Account) -> AwsAccess:
    """The options that every kind of AWS has.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    account_id = text_option(account, "account_id")
    if account_id is None or _ACCOUNT_ID.fullmatch(account_id) is None:
        raise InvalidInputError(
            f"account {account.name}: options.account_id must be the 12 digits of the account "
            "whose bill is read, in quotes"
        )
    endpoint = text_option(account, "endpoint_url")
    if endpoint is not None:
        try:
            endpoint = http_address(endpoint)
        except ValueError as error:
            raise InvalidInputError(
                f"account {account.name}: options.endpoint_url {error}"
            ) from None
    role = text_option(account, "role_arn")
    if role is not None and _ROLE.fullmatch(role) is None:
        raise InvalidInputError(
            f"account {account.name}: options.role_arn must be as in "
            "arn:aws:iam::123456789012:role/cost-reader"
        )
    external = text_option(account, "external_id")
    if external is not None and role is None:
        raise InvalidInputError(
            f"account {account.name}: options.external_id is of use with role_arn only"
        )
    region = text_option(account, "region") or "us-east-1"
    if _REGION.fullmatch(region) is None:
        raise InvalidInputError(f"account {account.name}: options.region must be as in us-east-1")
    unknown = set(account.credentials.variables) - set(CREDENTIAL_PARTS)
    if unknown:
        raise InvalidInputError(
            f"account {account.name}: unknown field credentials.{min(unknown)}; known are "
            f"{', '.join(CREDENTIAL_PARTS)}"
        )
    return AwsAccess(account_id, region, endpoint, role, external)


def text_option(account: Account, name: str) -> str | None:
    """An option that is a text, or is not there.

    Raises:
        InvalidInputError: when it is something else.
    """
    value = account.options.get(name)
    if value is not None and (not isinstance(value, str) or not value):
        raise InvalidInputError(f"account {account.name}: options.{name} must be a text")
    return value


def refuse_unknown_options(account: Account, known: tuple[str, ...]) -> None:
    """Refuse an option that is none.

    Raises:
        InvalidInputError: one line naming it and the known ones.
    """
    for name in account.options:
        if name not in known:
            raise InvalidInputError(
                f"account {account.name}: unknown field options.{name}; known are "
                f"{', '.join(known)}"
            )
