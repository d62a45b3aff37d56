"""The options of an account of kind inventory of Azure. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from oco_warehouse.cloud_accounts.account import INVENTORY, Account, KindRules, no_money
from oco_warehouse.cloud_accounts.azure_options import Options
from oco_warehouse.cloud_accounts.azure_query_options import PUBLIC
from oco_warehouse.cloud_accounts.counts import count_option
from oco_warehouse.errors import InvalidInputError

KNOWN: Final = (
    *("subscriptions", "endpoint", "identity", "metrics", "metric_days", "metric_requests"),
)
_SUBSCRIPTION: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
METRIC_DAYS: Final = 14
# Azure Monitor keeps hours for 93 days.
_MOST_DAYS: Final = 93
METRIC_REQUESTS: Final = 3_000
_MOST_REQUESTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class AzureInventoryOptions:
    """What is listed.

    Attributes:
        subscriptions: that are listed, in small letters.
        endpoint: of Azure's Resource Manager.
        identity: client ID of a managed identity, where the machine has several.
        metrics: whether utilisation is read.
        metric_days: how far back the first time.
        metric_requests: so many requests to Azure Monitor a run at most.
    """

    subscriptions: tuple[str, ...]
    endpoint: str
    identity: str | None
    metrics: bool
    metric_days: int
    metric_requests: int


def parse_inventory(account: Account) -> AzureInventoryOptions:
    """The options of an account of kind inventory.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    options = Options(account, *KNOWN)
    where, given = f"account {account.name}: options", account.options
    return AzureInventoryOptions(
        _subscriptions(where, given),
        options.address("endpoint") or PUBLIC,
        options.text("identity"),
        _flag(where, given),
        count_option(where, given, "metric_days", METRIC_DAYS, _MOST_DAYS),
        count_option(where, given, "metric_requests", METRIC_REQUESTS, _MOST_REQUESTS),
    )


def _subscriptions(where: str, given: Mapping[str, object]) -> tuple[str, ...]:
    value = given.get("subscriptions")
    if not isinstance(value, list) or not value:
        raise InvalidInputError(f"{where}.subscriptions must be a list of subscription IDs")
    found = [str(one).lower() for one in value]
    for one in found:
        if _SUBSCRIPTION.fullmatch(one) is None:
            raise InvalidInputError(f"{where}.subscriptions: {one!r} is no subscription ID")
    return tuple(dict.fromkeys(found))


def _flag(where: str, given: Mapping[str, object]) -> bool:
    value = given.get("metrics", True)
    if not isinstance(value, bool):
        raise InvalidInputError(f"{where}.metrics must be true or false")
    return value


RULES: Final = KindRules("azure", INVENTORY, parse_inventory, no_money)
