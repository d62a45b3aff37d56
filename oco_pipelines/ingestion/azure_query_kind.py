"""The kind `query`: costs of a scope of Azure from its Cost Management Query API, by the month."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from oco_pipelines.ingestion.source_kinds import Finding
from oco_warehouse.cloud_accounts.azure_query_options import QueryOptions, parse_query
from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from dagster import Definitions

    from oco_pipelines.ingestion.azure_query_client import CostQuery
    from oco_warehouse.cloud_accounts.account import Account


class Query:
    """Registers the kind."""

    provider = "azure"
    kind = "query"

    def check(self, account: "Account") -> list[Finding]:
        """A token, and the costs of this month's days."""
        from oco_pipelines.ingestion.azure_query_check import check_query

        return check_query(account, parse_query(account), datetime.now(UTC).date())

    def definitions(self, accounts: "Sequence[Account]", settings: Settings) -> "Definitions":
        """One asset for each account, and what starts it."""
        from oco_pipelines.ingestion.azure_query_assets import build

        return build([(account, parse_query(account)) for account in accounts], settings)


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
