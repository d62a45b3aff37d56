"""The ways in which a cloud is read by itself, each under its provider and name.

Most read costs. The kind `inventory` reads what exists and how busy it is (`inventory`).

A provider's module is imported when an account, or the list of kinds, needs it. It must not import
a cloud's SDK or a data frame before they are used: definitions load without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from dagster import Definitions

    from oco_warehouse.cloud_accounts.account import Account

# Provider → the module whose KINDS are its kinds. A provider adds one line.
_PROVIDERS: Final = {
    "aws": "oco_pipelines.ingestion.aws_kinds",
    "azure": "oco_pipelines.ingestion.azure_kinds",
    "gcp": "oco_pipelines.ingestion.gcp_kinds",
}
_INVENTORIES: Final = {
    "aws": "oco_pipelines.inventory.aws_kinds",
    "azure": "oco_pipelines.inventory.azure_kinds",
    "gcp": "oco_pipelines.inventory.gcp_kinds",
    "kubernetes": "oco_pipelines.inventory.k8s_kinds",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: what was looked at, as in "list s3://bucket/prefix".
        ok: whether it works.
        detail: what was found, or why it does not work.
        remedy: what to do, exactly: the policy or role to grant; empty when nothing is to be done.
    """

    what: str
    ok: bool
    detail: str
    remedy: str = ""


class SourceKind(Protocol):
    """One way of reading costs."""

    @property
    def provider(self) -> str:
        """As accounts name it."""

    @property
    def kind(self) -> str:
        """As accounts name it."""

    def check(self, account: "Account") -> list[Finding]:
        """Try everything that a run needs, and say what is missing. Never raises for a denial."""

    def definitions(self, accounts: "Sequence[Account]", settings: Settings) -> "Definitions":
        """Assets, sensors and schedules of the accounts of this kind; no I/O."""


def kind_of(account: "Account") -> SourceKind:
    """The kind of an account whose provider and kind are known."""
    kinds = {kind.kind: kind for kind in _kinds(account.provider)}
    return kinds[account.kind]


def definitions(accounts: "Sequence[Account]", settings: Settings) -> "list[Definitions]":
    """Definitions of every kind that has accounts."""
    by_kind: dict[tuple[str, str], list[Account]] = {}
    for account in accounts:
        by_kind.setdefault((account.provider, account.kind), []).append(account)
    return [kind_of(group[0]).definitions(group, settings) for group in by_kind.values()]


def _kinds(provider: str) -> tuple[SourceKind, ...]:
    found: tuple[SourceKind, ...] = ()
    for modules in (_PROVIDERS, _INVENTORIES):
        if provider in modules:
            found += import_module(modules[provider]).KINDS
    return found
