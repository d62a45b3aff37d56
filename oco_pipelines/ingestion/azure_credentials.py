"""Who asks Azure: the identity that an account's credentials point to, never a secret of ours.

Does not belong here: what the identity may see.
"""

import base64
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oco_warehouse.cloud_accounts.azure_options import CREDENTIAL_VARIABLES
from oco_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

    from oco_warehouse.cloud_accounts.account import Account

# Azure's own tools spell them in several ways: `az ad sp create-for-rbac` says appId and password.
_SPELLINGS: Final = {
    "tenant_id": ("tenant_id", "tenantId", "tenant"),
    "client_id": ("client_id", "clientId", "appId"),
    "client_secret": ("client_secret", "clientSecret", "password"),
}
MANAGEMENT: Final = "https://management.azure.com/.default"
STORAGE: Final = "https://storage.azure.com/.default"


class NoToken(ConfigurationError):
    """Azure gave no token for an identity."""


class TokenFile:
    """The token that stands in a file, read again for every use: somebody else renews it.

    A file may hold the token itself, or what `az account get-access-token` prints.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_token(self, *_scopes: str, **_options: Any) -> "AccessToken":
        """The token; raises NoToken when there is none."""
        from azure.core.credentials import AccessToken

        text = _read(self._path)
        if text.startswith("{"):
            text = str(_json(self._path, text).get("accessToken") or "")
        if not text or any(letter.isspace() for letter in text):
            raise NoToken(f"{self._path}: there is no token in the file")
        # Shortly used, so that a renewed one is seen.
        return AccessToken(text, int(time.time()) + 60)


class _Plain:
    """A credential whose refusals are one line of ours: Azure's may quote what it was given."""

    def __init__(self, whose: str, inner: "TokenCredential") -> None:
        self._whose = whose
        self._inner = inner

    def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        """The token; raises NoToken when Azure refuses."""
        from azure.core.exceptions import ClientAuthenticationError

        try:
            return self._inner.get_token(*scopes, **options)
        except (ClientAuthenticationError, ValueError) as error:
            raise NoToken(
                f"Azure gives no token for {self._whose} ({type(error).__name__})"
            ) from None


def credential_of(
    account: "Account",
    identity: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> "TokenCredential":
    """The credential of an account; Azure is not asked before a token is needed.

    Args:
        account: says where the secret is.
        identity: client ID of a managed identity, where the machine has several.
        environment: holds the secrets of `from: environment`.

    Raises:
        ConfigurationError: when a variable is not set, or a file cannot be read.
    """
    credentials = account.credentials
    if credentials.origin == "instance_role":
        from azure.identity import ManagedIdentityCredential

        return _Plain(
            "the managed identity of this machine", ManagedIdentityCredential(client_id=identity)
        )
    if credentials.origin == "file":
        if credentials.path is None:
            raise ConfigurationError(f"account {account.name}: credentials.path names no file")
        return _of_file(credentials.path)
    named = credentials.variables
    missing = {part: name for part, name in CREDENTIAL_VARIABLES.items() if part not in named}
    secret = credentials.read_variables(account.name, environment)
    for part, variable in missing.items():
        if not environment.get(variable):
            raise ConfigurationError(
                f"account {account.name}: {part} is to come from the environment variable "
                f"{variable}, which is not set"
            )
        secret[part] = environment[variable]
    return _with_secret(secret)


def principal_of(token: str) -> str | None:
    """Object ID of the identity that a token is of, as role assignments name it; unverified."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    found = claims.get("oid") if isinstance(claims, dict) else None
    return found if isinstance(found, str) else None


def _of_file(path: Path) -> "TokenCredential":
    text = _read(path)
    if not text.startswith("{"):
        return TokenFile(path)
    values = _json(path, text)
    if "accessToken" in values:
        return TokenFile(path)
    secret = {}
    for part, spelt in _SPELLINGS.items():
        value = next((values[word] for word in spelt if word in values), None)
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{path}: the credentials have no {part}")
        secret[part] = value
    return _with_secret(secret)


def _with_secret(secret: Mapping[str, str]) -> "TokenCredential":
    from azure.identity import ClientSecretCredential

    whose = f"the client {secret['client_id']}"
    try:
        inner = ClientSecretCredential(
            secret["tenant_id"], secret["client_id"], secret["client_secret"]
        )
    except ValueError:
        raise NoToken(f"{whose}: the tenant ID is none of Azure's") from None
    return _Plain(whose, inner)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NoToken(f"{path}: credentials cannot be read ({type(error).__name__})") from None


def _json(path: Path, text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        raise NoToken(f"{path}: the credentials are no JSON") from None
    if not isinstance(values, dict):
        raise NoToken(f"{path}: the credentials are no JSON object")
    return values
