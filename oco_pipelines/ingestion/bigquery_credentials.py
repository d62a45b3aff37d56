"""Google's credentials of an account, from where the account says they are. Shows none of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import google.auth
from google.auth import compute_engine
from google.auth.credentials import AnonymousCredentials
from google.auth.credentials import Credentials as GoogleCredentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.oauth2 import service_account

from oco_pipelines.ingestion.bigquery_client import ExportClient, open_client
from oco_pipelines.ingestion.bigquery_retry import Patience
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.bigquery_options import CREDENTIALS_JSON, parse_options
from oco_warehouse.errors import ConfigurationError

_SCOPES: Final = ("https://www.googleapis.com/auth/bigquery",)


def google_credentials(account: Account, environment: Mapping[str, str]) -> GoogleCredentials:
    """What requests are signed with; nothing is sent yet.

    Args:
        account: of the kind bigquery.
        environment: variables of the process.

    Raises:
        ConfigurationError: one line naming the account and where its credentials were looked for.
    """
    if parse_options(account).is_stand_in:
        return AnonymousCredentials()
    return credentials_with(account, environment, _SCOPES)


def credentials_with(
    account: Account, environment: Mapping[str, str], scopes: Sequence[str]
) -> GoogleCredentials:
    """What requests of an account of any kind are signed with, for some scopes of Google's.

    Raises:
        ConfigurationError: as `google_credentials`.
    """
    where, credentials = f"account {account.name}", account.credentials
    if credentials.origin == "instance_role":
        return compute_engine.Credentials(scopes=scopes)
    if credentials.path is not None:
        try:
            text = credentials.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is no text"
            raise ConfigurationError(
                f"{where}: credentials.path {credentials.path}: cannot be read ({reason})"
            ) from None
        return _service_account(f"{where}: credentials.path {credentials.path}", text, scopes)
    if credentials.variables:
        texts = credentials.read_variables(account.name, environment)
        name = credentials.variables[CREDENTIALS_JSON]
        return _service_account(f"{where}: variable {name}", texts[CREDENTIALS_JSON], scopes)
    try:
        found, _ = google.auth.default(scopes=scopes)
    except DefaultCredentialsError:
        raise ConfigurationError(
            f"{where}: there are no application default credentials: set "
            "GOOGLE_APPLICATION_CREDENTIALS to a service account's file, or run gcloud auth "
            "application-default login"
        ) from None
    return found


def connect(
    account: Account,
    environment: Mapping[str, str],
    patience: Patience | None = None,
    credentials: GoogleCredentials | None = None,
) -> ExportClient:
    """The export of an account; no request is made until it is used.

    Args:
        account: of the kind bigquery.
        environment: variables of the process.
        patience: for what is transient.
        credentials: where they were looked up already.

    Raises:
        InvalidInputError: when an option is wrong.
        ConfigurationError: as `google_credentials`.
    """
    options = parse_options(account)
    return open_client(
        options.table,
        credentials or google_credentials(account, environment),
        location=options.location,
        maximum_bytes_billed=options.maximum_bytes_billed,
        api_endpoint=options.api_endpoint,
        patience=patience,
    )


def member_of(credentials: GoogleCredentials) -> str:
    """Who they are, as a policy binding writes it; a placeholder where they do not say."""
    email = getattr(credentials, "service_account_email", None)
    return f"serviceAccount:{email}" if email and email != "default" else "serviceAccount:EMAIL"


def _service_account(where: str, text: str, scopes: Sequence[str]) -> GoogleCredentials:
    """Nothing of the text may reach a message."""
    try:
        found: Any = json.loads(text)
        made: GoogleCredentials = service_account.Credentials.from_service_account_info(
            found, scopes=scopes
        )
    except (ValueError, TypeError, AttributeError, KeyError, GoogleAuthError):
        raise ConfigurationError(
            f"{where}: is no key of a service account: make one with gcloud iam "
            "service-accounts keys create FILE --iam-account=EMAIL"
        ) from None
    return made
