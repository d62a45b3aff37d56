"""A provider of one kind of source, as tests of the accounts need one."""

from collections.abc import Collection, Sequence

from dagster import AssetsDefinition, Definitions, asset

from oco_pipelines.ingestion.source_assets import GROUP, asset_key, pool
from oco_pipelines.ingestion.source_kinds import Finding
from oco_warehouse.cloud_accounts.account import Account, KindRules
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.settings import Settings


def parse(account: Account) -> str:
    """The one option `book`."""
    unknown = set(account.options) - {"book", "page"}
    if unknown:
        raise InvalidInputError(f"account {account.name}: unknown option {min(unknown)}")
    return str(account.options["book"])


def money(account: Account) -> Collection[tuple[str, ...]]:
    """The book, or pages of it."""
    pages = account.options.get("page", [])
    return [("example", parse(account), page) for page in pages] or [("example", parse(account))]


RULES = KindRules("example", "ledger", parse, money)


class Ledger:
    """A kind that has the one option `book`."""

    provider = "example"
    kind = "ledger"

    def check(self, account: Account) -> list[Finding]:
        return [Finding(f"open {parse(account)}", ok=True, detail="there")]

    def definitions(self, accounts: Sequence[Account], settings: Settings) -> Definitions:
        assert settings

        def book(account: Account) -> AssetsDefinition:
            @asset(key=asset_key(account), group_name=GROUP, pool=pool(account))
            def read() -> None:
                """A book."""

            return read

        return Definitions(assets=[book(account) for account in accounts])


KINDS = (Ledger(),)
