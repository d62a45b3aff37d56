"""The ways in which a cloud is read by itself, each under its provider and name. Pure."""

from typing import Final

from oco_warehouse.cloud_accounts import (
    aws_ce_options,
    aws_export_options,
    aws_inventory,
    azure_blob_options,
    azure_inventory,
    azure_query_options,
    bigquery_options,
    gcp_inventory,
    k8s_inventory,
)
from oco_warehouse.cloud_accounts.account import Account, KindRules

ALL: Final[tuple[KindRules, ...]] = (
    *(aws_export_options.RULES, aws_ce_options.RULES, aws_inventory.RULES),
    *(azure_query_options.RULES, azure_blob_options.RULES, azure_inventory.RULES),
    *(bigquery_options.RULES, gcp_inventory.RULES),
    k8s_inventory.RULES,
)


def kind_names() -> dict[str, list[str]]:
    """{provider: names of its kinds}."""
    names: dict[str, list[str]] = {}
    for rules in ALL:
        names.setdefault(rules.provider, []).append(rules.kind)
    return names


def rules_of(account: Account) -> KindRules:
    """The rules of an account whose provider and kind are known."""
    return next(
        rules for rules in ALL if (rules.provider, rules.kind) == (account.provider, account.kind)
    )
