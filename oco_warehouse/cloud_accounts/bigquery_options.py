"""What an account of the kind `bigquery` says, typed and checked. Pure; no SDK, no I/O."""

import ipaddress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from oco_warehouse.cloud_accounts.account import Account, KindRules
from oco_warehouse.cloud_accounts.bigquery_address import ExportTable
from oco_warehouse.errors import InvalidInputError

PROVIDER: Final = "gcp"
KIND: Final = "bigquery"
# Google restates the previous month until its invoice is written; three months are plenty.
LOOKBACK_DAYS: Final = 90
MAXIMUM_BYTES_BILLED: Final = 100 * 1024**3
# Of the environment; without one Google's own rules find the application default credentials.
CREDENTIALS_JSON: Final = "credentials_json"
_MOST_DAYS: Final = 3_660
_MOST_BYTES: Final = 2**60
_TEXTS: Final = ("project", "dataset", "table")
_KNOWN: Final = (
    *(*_TEXTS, "location", "maximum_bytes_billed", "lookback_days", "since", "api_endpoint"),
)


@dataclass(frozen=True, slots=True)
class BigQueryOptions:
    """Options of an account.

    Attributes:
        table: the export.
        location: where queries run; the dataset's own when None.
        maximum_bytes_billed: of one query.
        lookback_days: how far back changes of partitions are looked for.
        since: no day of export before it is read; None for no such day.
        api_endpoint: address of the API where it is not Google's usual one.
    """

    table: ExportTable
    location: str | None
    maximum_bytes_billed: int
    lookback_days: int
    since: date | None
    api_endpoint: str | None

    @property
    def is_stand_in(self) -> bool:
        """Whether the API is served by this machine itself, which needs no credentials."""
        host = urlsplit(self.api_endpoint or "").hostname
        return host is not None and _is_loopback(host)


def parse_options(account: Account) -> BigQueryOptions:
    """The account's options.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    where = f"account {account.name}"
    options = account.options
    for name in options:
        if name not in _KNOWN:
            raise InvalidInputError(
                f"{where}: options.{name} is unknown; known are {', '.join(_KNOWN)}"
            )
    texts = {name: _text(where, name, options.get(name)) for name in _TEXTS}
    try:
        table = ExportTable(**texts)
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: options.{error}") from None
    location, endpoint = options.get("location"), options.get("api_endpoint")
    _check_credentials(where, account)
    return BigQueryOptions(
        table,
        None if location is None else _text(where, "location", location),
        _count(where, "maximum_bytes_billed", options, MAXIMUM_BYTES_BILLED, _MOST_BYTES),
        _count(where, "lookback_days", options, LOOKBACK_DAYS, _MOST_DAYS),
        _day(where, "since", options.get("since")),
        None if endpoint is None else _endpoint(where, endpoint),
    )


def _text(where: str, name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{where}: options.{name} must be a text")
    return value.strip()


def _count(where: str, name: str, options: Any, default: int, most: int) -> int:
    value = options.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidInputError(
            f"{where}: options.{name} must be a whole number from 1 to {most}, like {default}"
        )
    return value


def _day(where: str, name: str, value: object) -> date | None:
    """YAML makes a date of an unquoted one."""
    try:
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        pass  # told below
    raise InvalidInputError(f"{where}: options.{name} must be a day like 2026-09-01")


def _endpoint(where: str, value: object) -> str:
    """Credentials are sent there: to another machine only where nobody can read them on the way."""
    text = _text(where, "api_endpoint", value)
    parts = urlsplit(text)
    secure = parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname is not None and _is_loopback(parts.hostname)
    )
    if not parts.hostname or not secure:
        raise InvalidInputError(f"{where}: options.api_endpoint must be an https:// address")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_credentials(where: str, account: Account) -> None:
    credentials = account.credentials
    for part in credentials.variables:
        if part != CREDENTIALS_JSON:
            raise InvalidInputError(
                f"{where}: credentials.{part} is unknown; Google Cloud takes {CREDENTIALS_JSON}, "
                "or none for the application default credentials"
            )
    if credentials.profile is not None:
        raise InvalidInputError(f"{where}: credentials.profile: Google's files have no profiles")


def _money(account: Account) -> list[tuple[str, ...]]:
    """The billing account: its standard and its detailed export are the same money."""
    return [(PROVIDER, parse_options(account).table.billing_account)]


RULES: Final = KindRules(PROVIDER, KIND, parse_options, _money)
