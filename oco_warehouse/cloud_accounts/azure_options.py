"""Reads the options of an Azure account: unknown ones and wrong ones are one line each. Pure."""

import re
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from oco_warehouse.cloud_accounts.azure_scope import Scope, read_scope
from oco_warehouse.errors import InvalidInputError

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.account import Account

# What a credential of the environment consists of, and the variables that Azure's SDK reads.
CREDENTIAL_VARIABLES: Final[Mapping[str, str]] = {
    "tenant_id": "AZURE_TENANT_ID",
    "client_id": "AZURE_CLIENT_ID",
    "client_secret": "AZURE_CLIENT_SECRET",
}
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Options:
    """The options of one account, taken one by one; errors name the account and the option."""

    def __init__(self, account: "Account", *known: str) -> None:
        self._account = account
        for name in account.options:
            if name not in known:
                raise self._wrong(name, f"is unknown; known are {', '.join(known)}")
        if account.credentials.origin == "environment":
            for part in account.credentials.variables:
                if part not in CREDENTIAL_VARIABLES:
                    raise InvalidInputError(
                        f"account {account.name}: credentials.{part} is unknown; known are "
                        f"{', '.join(CREDENTIAL_VARIABLES)}"
                    )

    def text(self, name: str) -> str | None:
        """A text, or None when it is not given."""
        value = self._account.options.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(name, "must be a text")
        return value.strip()

    def needed(self, name: str) -> str:
        """A text that must be given."""
        value = self.text(name)
        if value is None:
            raise self._wrong(name, "is missing")
        return value

    def scope(self, name: str) -> Scope | None:
        """A scope of Azure, or None when it is not given."""
        value = self.text(name)
        try:
            return None if value is None else read_scope(value)
        except InvalidInputError as error:
            raise self._wrong(name, f"is wrong: {error}") from None

    def month(self, name: str) -> date | None:
        """The first day of a month as 2026-01, or None when it is not given."""
        value = self.text(name)
        if value is None:
            return None
        try:
            if re.fullmatch(r"\d{4}-\d{2}", value):
                return date.fromisoformat(f"{value}-01")
        except ValueError:
            pass
        raise self._wrong(name, "must be a month as 2026-01, in quotes")

    def seconds(self, name: str, default: int, most: int) -> int:
        """A whole number of seconds."""
        value: object = self._account.options.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self._wrong(name, f"must be a whole number of seconds from 0 to {most}")
        return value

    def address(self, name: str) -> str | None:
        """An https:// address; one of this machine may be http://."""
        value = self.text(name)
        if value is None:
            return None
        parts = urlsplit(value)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not safe or not parts.hostname or parts.query or parts.username:
            raise self._wrong(name, "must be an https:// address; a token is sent there")
        return value.rstrip("/")

    def _wrong(self, name: str, what: str) -> InvalidInputError:
        return InvalidInputError(f"account {self._account.name}: options.{name} {what}")
