"""Whether the subscriptions of an account can be listed; if not, what to grant, word for word."""

from typing import TYPE_CHECKING, Final

from oco_pipelines.ingestion.azure_credentials import MANAGEMENT
from oco_pipelines.ingestion.azure_query_check import assignment, check_token
from oco_pipelines.ingestion.source_kinds import Finding
from oco_pipelines.inventory.azure_access import Azure
from oco_pipelines.inventory.azure_resources import TYPES
from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_warehouse.cloud_accounts.azure_inventory import AzureInventoryOptions
from oco_warehouse.errors import OpenCloudOpsError

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.account import Account

# Each sees no data, and can change nothing.
ROLES: Final = ("Reader", "Monitoring Reader")


def check_inventory(account: "Account", options: AzureInventoryOptions) -> list[Finding]:
    """A token, then resources and advice of every subscription."""
    token, principal = check_token(account, options.identity, MANAGEMENT)
    if not token.ok:
        return [token]
    azure = Azure(account, options)
    try:
        visible = azure.visible(options.subscriptions)
    except MissingPermission:
        visible = frozenset()
    except OpenCloudOpsError as error:
        return [token, Finding("ask Azure Resource Graph", ok=False, detail=str(error))]
    found = [token]
    for subscription in options.subscriptions:
        remedy = "\n".join(
            assignment(role, principal, f"/subscriptions/{subscription}") for role in ROLES
        )
        what = f"list subscription {subscription}"
        if subscription not in visible:
            detail = "the identity may not see it: it needs the role Reader"
            found.append(Finding(what, ok=False, detail=detail, remedy=remedy))
            continue
        found.append(_counted(azure, subscription, what, remedy))
        found.append(_advised(azure, subscription, remedy))
    return found


def _counted(azure: Azure, subscription: str, what: str, remedy: str) -> Finding:
    names = ", ".join(f"'{name}'" for name in TYPES.values())
    query = f"Resources | where type in~ ({names}) | summarize resources = count()"
    try:
        rows = list(azure.rows(query, [subscription]))
    except MissingPermission as denied:
        return Finding(what, ok=False, detail=f"{denied.permission} is missing", remedy=remedy)
    except OpenCloudOpsError as error:
        return Finding(what, ok=False, detail=str(error))
    count = rows[0]["resources"] if rows else 0
    return Finding(what, ok=True, detail=f"{count} resources of the kinds that are listed")


def _advised(azure: Azure, subscription: str, remedy: str) -> Finding:
    what = f"read what Advisor recommends for {subscription}"
    try:
        advice = azure.advice(subscription)
    except MissingPermission as denied:
        return Finding(what, ok=False, detail=f"{denied.permission} is missing", remedy=remedy)
    except OpenCloudOpsError as error:
        return Finding(what, ok=False, detail=str(error))
    return Finding(what, ok=True, detail=f"{len(advice)} recommendations on cost")
