"""The kind `blob_export`: Azure's cost exports where they lie in a storage container."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oco_pipelines.ingestion.source_kinds import Finding
from oco_warehouse.cloud_accounts.azure_blob_options import parse_blob_export
from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from dagster import Definitions

    from oco_warehouse.cloud_accounts.account import Account


class BlobExport:
    """Registers the kind."""

    provider = "azure"
    kind = "blob_export"

    def check(self, account: "Account") -> list[Finding]:
        """A token, the list of the container, and what the exports have written."""
        from oco_pipelines.ingestion.azure_blob_check import check_exports

        return check_exports(account, parse_blob_export(account))

    def definitions(self, accounts: "Sequence[Account]", settings: Settings) -> "Definitions":
        """One asset for each account, and what starts it."""
        from oco_pipelines.ingestion.azure_blob_assets import build

        return build([(account, parse_blob_export(account)) for account in accounts], settings)
