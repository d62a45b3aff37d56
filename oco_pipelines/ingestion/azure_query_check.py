"""Whether an account of the kind `query` can be read; if not, what to grant, word for word."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from oco_pipelines.ingestion.azure_credentials import MANAGEMENT, credential_of, principal_of
from oco_pipelines.ingestion.azure_query_answer import question
from oco_pipelines.ingestion.azure_query_client import AccessDenied
from oco_pipelines.ingestion.azure_query_kind import open_query
from oco_pipelines.ingestion.source_kinds import Finding
from oco_warehouse.cloud_accounts.azure_query_options import QueryOptions
from oco_warehouse.cloud_accounts.azure_scope import Scope
from oco_warehouse.errors import OpenCloudOpsError, UpstreamThrottled
from oco_warehouse.money import exact_sum

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.account import Account

# Somebody waits for the answer.
_PATIENCE: Final = 60
CREDENTIAL_REMEDY: Final = (
    "see that the tenant, the client ID and the secret are of one app registration and that the "
    "secret has not expired; a managed identity must be assigned to this machine"
)


def check_query(account: "Account", options: QueryOptions, today: date) -> list[Finding]:
    """A token, then the costs of this month; never more than two requests that count."""
    token = check_token(account, options.identity, MANAGEMENT)
    if not token[0].ok:
        return [token[0]]
    what = f"query costs of {options.scope.path}"
    query = open_query(account, replace(options, max_wait_seconds=_PATIENCE))
    try:
        rows = query.ask(question("ActualCost", today.replace(day=1), today, ()), ())
    except AccessDenied as error:
        return [token[0], Finding(what, False, str(error), role_remedy(options.scope, token[1]))]
    except UpstreamThrottled as error:
        return [token[0], Finding(what, False, str(error), "try again in an hour")]
    except OpenCloudOpsError as error:
        return [token[0], Finding(what, False, str(error), "correct options.scope, or try again")]
    finally:
        query.close()
    sums: dict[str, list[Decimal]] = {}
    for row in rows:
        sums.setdefault(row.currency, []).append(row.amount)
    total = ", ".join(f"{exact_sum(values):.2f} {name}" for name, values in sorted(sums.items()))
    return [token[0], Finding(what, True, f"this month so far: {total or 'no costs'}")]


def check_token(account: "Account", identity: str | None, audience: str) -> tuple[Finding, str]:
    """Whether the credentials give a token; and the object ID of their identity, or a stand-in."""
    from azure.core.exceptions import AzureError

    what = f"credentials from {account.credentials.origin}"
    unknown = "OBJECT_ID_OF_THE_IDENTITY"
    try:
        token = credential_of(account, identity).get_token(audience).token
    except OpenCloudOpsError as error:
        return Finding(what, False, str(error), CREDENTIAL_REMEDY), unknown
    except AzureError as error:
        detail = f"Azure's identity service does not answer ({type(error).__name__})"
        return Finding(what, False, detail, "try again; see that this machine reaches it"), unknown
    principal = principal_of(token)
    of = f" of the identity {principal}" if principal else ""
    return Finding(what, True, f"there is a token{of}"), principal or unknown


def role_remedy(scope: Scope, principal: str) -> str:
    """What lets the identity see the costs of a scope."""
    if not scope.is_billing:
        return assignment("Cost Management Reader", principal, scope.path)
    parts = scope.words
    if "billingprofiles" in parts:
        role = "Billing profile reader"
    elif "departments" in parts:
        role = "Department reader"
    else:
        role = "Enrollment reader (Enterprise Agreement) or Billing account reader"
    return (
        f"az role has no say in billing scopes: in the portal under Cost Management + Billing, "
        f"Access control (IAM) of {scope.path}, give the identity {principal} the role {role}"
    )


def assignment(role: str, principal: str, scope: str) -> str:
    """The command that assigns a role."""
    return (
        f"az role assignment create --assignee-object-id {principal} "
        f'--assignee-principal-type ServicePrincipal --role "{role}" --scope "{scope}"'
    )
