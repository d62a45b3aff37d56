"""How costs are read from Google Cloud by themselves."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from oco_pipelines.ingestion.source_kinds import Finding, SourceKind
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.bigquery_options import (
    KIND,
    PROVIDER,
    parse_options,
)
from oco_warehouse.errors import ConfigurationError
from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from dagster import Definitions


class BigQuery:
    """The billing export in BigQuery, standard or detailed."""

    provider = PROVIDER
    kind = KIND

    def check(self, account: Account) -> list[Finding]:
        """Credentials, table, roles, query and age of the rows; nothing is billed."""
        from oco_pipelines.ingestion.bigquery_check import findings
        from oco_pipelines.ingestion.bigquery_credentials import connect, google_credentials
        from oco_pipelines.ingestion.bigquery_retry import SHORT

        try:
            credentials = google_credentials(account, os.environ)
        except ConfigurationError as error:
            return [Finding("read the credentials", False, str(error))]
        client = connect(account, os.environ, SHORT, credentials)
        today = datetime.now(UTC).date()
        return findings(client, parse_options(account), credentials, today)

    def definitions(self, accounts: Sequence[Account], settings: Settings) -> "Definitions":
        """An asset by day, a sensor and a schedule of each account."""
        from oco_pipelines.ingestion.bigquery_definitions import build

        return build(accounts, settings)


KINDS: Final[tuple[SourceKind, ...]] = (BigQuery(),)
