"""The options of an account of kind query of Azure. Pure."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from oco_warehouse.cloud_accounts.account import Account, KindRules
from oco_warehouse.cloud_accounts.azure_options import Options
from oco_warehouse.cloud_accounts.azure_scope import Scope, read_scope

PUBLIC: Final = "https://management.azure.com"
_WAIT: Final = 900
_LONGEST_WAIT: Final = 3600


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What an account says.

    Attributes:
        scope: whose costs.
        since: the first month that is read; None is the previous one.
        endpoint: of Azure's Resource Manager.
        max_wait_seconds: so long one run waits at most because Azure says so.
        identity: client ID of a managed identity, where the machine has several.
    """

    scope: Scope
    since: date | None
    endpoint: str
    max_wait_seconds: int
    identity: str | None


def parse_query(account: Account) -> QueryOptions:
    """The options of an account of kind query.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    known = ("scope", "since", "endpoint", "max_wait_seconds", "identity")
    options = Options(account, *known)
    options.needed("scope")
    return QueryOptions(
        options.scope("scope") or read_scope(""),
        options.month("since"),
        options.address("endpoint") or PUBLIC,
        options.seconds("max_wait_seconds", _WAIT, _LONGEST_WAIT),
        options.text("identity"),
    )


def _money(account: Account) -> list[tuple[str, ...]]:
    """The words of the scope: a resource group is part of its subscription."""
    return [("azure", *parse_query(account).scope.words)]


RULES: Final = KindRules("azure", "query", parse_query, _money)
