"""The kind `query`: costs of a scope of Azure from its Cost Management Query API, by the month."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from oco_pipelines.ingestion.azure_options import Options
from oco_pipelines.ingestion.azure_scope import Scope, read_scope
from oco_pipelines.ingestion.source_kinds import Finding
from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from dagster import Definitions

    from oco_pipelines.ingestion.accounts import Account
    from oco_pipelines.ingestion.azure_query_client import CostQuery

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


class Query:
    """Registers the kind."""

    provider = "azure"
    kind = "query"

    def parse(self, account: "Account") -> QueryOptions:
        """The options; raises InvalidInputError."""
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

    def money(self, account: "Account") -> Collection[tuple[str, ...]]:
        """The words of the scope: a resource group is part of its subscription."""
        return [("azure", *self.parse(account).scope.words)]

    def check(self, account: "Account") -> list[Finding]:
        """A token, and the costs of this month's days."""
        from oco_pipelines.ingestion.azure_query_check import check_query

        return check_query(account, self.parse(account), datetime.now(UTC).date())

    def definitions(self, accounts: "Sequence[Account]", settings: Settings) -> "Definitions":
        """One asset for each account, and what starts it."""
        from oco_pipelines.ingestion.azure_query_assets import build

        return build([(account, self.parse(account)) for account in accounts], settings)


def open_query(account: "Account", options: QueryOptions) -> "CostQuery":
    """A client of the account's scope; Azure is not asked yet.

    Raises:
        ConfigurationError: when the credentials are not where the account says.
    """
    from oco_pipelines.ingestion.azure_credentials import credential_of
    from oco_pipelines.ingestion.azure_query_client import CostQuery

    return CostQuery(
        options.scope.path,
        credential_of(account, options.identity),
        options.endpoint,
        max_wait_seconds=options.max_wait_seconds,
    )
