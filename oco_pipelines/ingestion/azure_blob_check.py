"""Whether an account of the kind `blob_export` can be read; if not, what to grant or to create."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oco_pipelines.ingestion.azure_blob_layout import exports_of, newest_runs
from oco_pipelines.ingestion.azure_blob_load import access_of, stored_files
from oco_pipelines.ingestion.azure_credentials import STORAGE
from oco_pipelines.ingestion.azure_query_check import assignment, check_token
from oco_pipelines.ingestion.object_store import StoredFile
from oco_pipelines.ingestion.source_kinds import Finding
from oco_warehouse.cloud_accounts.azure_blob_options import ExportOptions
from oco_warehouse.errors import ConfigurationError, OpenCloudOpsError
from oco_warehouse.settings import load_settings

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.account import Account


def check_exports(account: "Account", options: ExportOptions) -> list[Finding]:
    """A token, then the list of the container, then the runs of each export."""
    findings: list[Finding] = []
    principal = ""
    if options.storage_account is not None:
        token, principal = check_token(account, options.identity, STORAGE)
        findings.append(token)
        if not token.ok:
            return findings
    what = f"list {options.url}"
    try:
        files = stored_files(options, load_settings(), access_of(account, options))
    except ConfigurationError as error:
        return [*findings, Finding(what, False, str(error), _role(options, principal))]
    except OpenCloudOpsError as error:
        remedy = "see that options.url and options.storage_account name what is there"
        return [*findings, Finding(what, False, str(error), remedy)]
    findings.append(Finding(what, True, f"{len(files)} files"))
    findings.append(_runs(files, options.main, options.kind))
    if options.amortized:
        findings.append(_runs(files, options.amortized, "AmortizedCost"))
    elif options.kind == "ActualCost":
        detail = "none is named: commitments are not spread over what they cover"
        findings.append(Finding("AmortizedCost export", True, detail))
    return findings


def _runs(files: Sequence[StoredFile], export: str, kind: str) -> Finding:
    what = f"{kind} export {export}"
    runs = newest_runs(files, export)
    if runs:
        newest = max(runs.values(), key=lambda run: run.written)
        detail = f"{len(runs)} periods; the newest run is of {newest.written:%Y-%m-%d %H:%M} UTC"
        return Finding(what, True, detail)
    others = ", ".join(exports_of(files)) or "none"
    return Finding(
        what,
        False,
        f"has written nothing there; exports that have: {others}",
        f"correct options.{kind.removesuffix('Cost').lower()}; or in the portal under Cost "
        f"Management, Exports, create a daily month-to-date export of the type {kind} with the "
        f"name {export}, and run it now",
    )


def _role(options: ExportOptions, principal: str) -> str:
    account = f"$(az storage account show --name {options.storage_account} --query id -o tsv)"
    scope = f"{account}/blobServices/default/containers/{options.container}"
    return assignment("Storage Blob Data Reader", principal, scope)
