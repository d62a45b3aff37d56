"""The options of an account of kind inventory of Google Cloud. Pure."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from oco_warehouse.cloud_accounts.account import INVENTORY, Account, KindRules, no_money
from oco_warehouse.cloud_accounts.bigquery_options import CREDENTIALS_JSON
from oco_warehouse.cloud_accounts.counts import count_option
from oco_warehouse.errors import InvalidInputError

KNOWN: Final = ("projects", "api_endpoint", "metrics", "metric_days", "metric_requests")
_PROJECT: Final = re.compile(r"[a-z][a-z0-9.:-]{4,62}[a-z0-9]")
METRIC_DAYS: Final = 14
# Cloud Monitoring keeps its own metrics for six weeks.
_MOST_DAYS: Final = 42
METRIC_REQUESTS: Final = 1_000
_MOST_REQUESTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class GcpInventoryOptions:
    """What is listed.

    Attributes:
        projects: that are listed, by their IDs.
        api_endpoint: of all APIs, where it is not Google's; this machine only.
        metrics: whether utilisation is read.
        metric_days: how far back the first time.
        metric_requests: so many requests to Cloud Monitoring a run at most.
    """

    projects: tuple[str, ...]
    api_endpoint: str | None
    metrics: bool
    metric_days: int
    metric_requests: int


def parse_inventory(account: Account) -> GcpInventoryOptions:
    """The options of an account of kind inventory.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    where, given = f"account {account.name}: options", account.options
    for name in given:
        if name not in KNOWN:
            raise InvalidInputError(f"{where}.{name} is unknown; known are {', '.join(KNOWN)}")
    for part in account.credentials.variables:
        if part != CREDENTIALS_JSON:
            raise InvalidInputError(
                f"account {account.name}: credentials.{part} is unknown; Google Cloud takes "
                f"{CREDENTIALS_JSON}, or none for the application default credentials"
            )
    metrics = given.get("metrics", True)
    if not isinstance(metrics, bool):
        raise InvalidInputError(f"{where}.metrics must be true or false")
    return GcpInventoryOptions(
        _projects(where, given),
        _endpoint(where, given),
        metrics,
        count_option(where, given, "metric_days", METRIC_DAYS, _MOST_DAYS),
        count_option(where, given, "metric_requests", METRIC_REQUESTS, _MOST_REQUESTS),
    )


def _projects(where: str, given: Mapping[str, object]) -> tuple[str, ...]:
    value = given.get("projects")
    if not isinstance(value, list) or not value:
        raise InvalidInputError(f"{where}.projects must be a list of project IDs")
    for one in value:
        if not isinstance(one, str) or _PROJECT.fullmatch(one) is None:
            raise InvalidInputError(f"{where}.projects: {one!r} is no project ID")
    return tuple(dict.fromkeys(value))


def _endpoint(where: str, given: Mapping[str, object]) -> str | None:
    value = given.get("api_endpoint")
    if value is None:
        return None
    parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
    try:
        is_here = ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_here = parts.hostname == "localhost"
    if parts.scheme != "http" or not is_here:
        raise InvalidInputError(f"{where}.api_endpoint is of use for a stand-in on this machine")
    return str(value).rstrip("/")


RULES: Final = KindRules("gcp", INVENTORY, parse_inventory, no_money)
