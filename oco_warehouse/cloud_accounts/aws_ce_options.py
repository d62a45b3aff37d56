"""The options of an account of kind cost_explorer. Pure."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from oco_warehouse.cloud_accounts.account import Account, KindRules
from oco_warehouse.cloud_accounts.aws_options import (
    ACCESS_OPTIONS,
    AwsAccess,
    parse_access,
    refuse_unknown_options,
)
from oco_warehouse.errors import InvalidInputError

OPTIONS: Final = (*ACCESS_OPTIONS, "linked_accounts", "net", "resources", "since")
# Of each request that is answered.
PRICE_USD: Final = Decimal("0.01")
RESOURCES_REMEDY: Final = (
    "enable resource-level data at daily granularity for these services in the settings of Cost "
    "Explorer of the payer, a day or two before they are asked for; or take the option resources "
    "out of the account"
)


@dataclass(frozen=True, slots=True)
class CostExplorerOptions:
    """What is asked.

    Attributes:
        access: how AWS is reached.
        linked_accounts: each is asked about by itself; none means the payer as a whole.
        net: whether costs after private discounts are asked for.
        since: first day that is wanted; None for the first day of the month before.
        resources: services whose usage is asked for by resource, as Cost Explorer names them.
    """

    access: AwsAccess
    linked_accounts: tuple[str, ...]
    net: bool
    since: date | None
    resources: tuple[str, ...] = ()


def parse_cost_explorer(account: Account) -> CostExplorerOptions:
    """The options of an account of kind cost_explorer.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    refuse_unknown_options(account, OPTIONS)
    access = parse_access(account)
    where = f"account {account.name}: options"
    linked = account.options.get("linked_accounts", [])
    if not isinstance(linked, list) or not all(
        isinstance(one, str) and len(one) == 12 and one.isdecimal() for one in linked
    ):
        raise InvalidInputError(f"{where}.linked_accounts must be a list of 12 digits in quotes")
    if len(set(linked)) != len(linked):
        raise InvalidInputError(f"{where}.linked_accounts names an account twice")
    net = account.options.get("net", True)
    if not isinstance(net, bool):
        raise InvalidInputError(f"{where}.net must be true or false")
    given = account.options.get("since")
    since = None
    if given is not None:
        try:
            # YAML reads a day without quotes as a date.
            since = date.fromisoformat(str(given))
        except ValueError:
            raise InvalidInputError(f"{where}.since must be a day, as in 2026-01-01") from None
    resources = account.options.get("resources", [])
    if not isinstance(resources, list) or not all(
        isinstance(one, str) and one.strip() for one in resources
    ):
        raise InvalidInputError(
            f"{where}.resources must be a list of services as Cost Explorer names them, as in "
            '["Amazon Elastic Compute Cloud - Compute"]'
        )
    if len(set(resources)) != len(resources):
        raise InvalidInputError(f"{where}.resources names a service twice")
    return CostExplorerOptions(access, tuple(linked), net, since, tuple(resources))


def _money(account: Account) -> list[tuple[str, ...]]:
    """The bill of the payer, or what its linked accounts have of it."""
    options = parse_cost_explorer(account)
    payer = options.access.account_id
    if not options.linked_accounts:
        return [("aws", payer)]
    # Under both names: an export of its own that a linked account has is the same money.
    of_payer = [("aws", payer, linked) for linked in options.linked_accounts]
    return [*of_payer, *(("aws", linked) for linked in options.linked_accounts)]


RULES: Final = KindRules("aws", "cost_explorer", parse_cost_explorer, _money)
