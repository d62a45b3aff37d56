"""The options of an account of kind blob_export of Azure. Pure."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal

from oco_warehouse.cloud_accounts.account import Account, KindRules
from oco_warehouse.cloud_accounts.azure_options import Options
from oco_warehouse.cloud_accounts.azure_scope import Scope
from oco_warehouse.errors import InvalidInputError

_REMOTE: Final = "az://"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What an account says.

    Attributes:
        url: az://CONTAINER/FOLDER or a folder of this machine, in which the exports have folders.
        storage_account: of the container; None for a folder.
        main: name of the export that says what was billed.
        kind: type of that export, ActualCost or FocusCost.
        amortized: name of the AmortizedCost export of the same costs, if there is one.
        endpoint: of the storage account, where it is not Azure's public one.
        currency: of older files that do not say it.
        billing_account: of files that do not say it.
        since: the first month; earlier periods are left alone.
        scope: whose costs are exported, so that they are not read by another account too.
        identity: client ID of a managed identity, where the machine has several.
    """

    url: str
    storage_account: str | None
    main: str
    kind: Literal["ActualCost", "FocusCost"]
    amortized: str | None
    endpoint: str | None
    currency: str | None
    billing_account: str | None
    since: date | None
    scope: Scope | None
    identity: str | None

    @property
    def container(self) -> str:
        """Name of the container."""
        return self.url.removeprefix(_REMOTE).partition("/")[0]


def parse_blob_export(account: Account) -> ExportOptions:
    """The options of an account of kind blob_export.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    options = Options(
        account,
        *("url", "storage_account", "actual", "amortized", "focus", "endpoint", "currency"),
        *("billing_account", "since", "scope", "identity"),
    )
    url, storage = options.needed("url").rstrip("/"), options.text("storage_account")
    where = f"account {account.name}: options"
    if url.startswith(_REMOTE):
        if storage is None:
            raise InvalidInputError(
                f"{where}.storage_account is missing: the name of the storage account that "
                f"{url} is in"
            )
    elif not Path(url).is_absolute():
        raise InvalidInputError(
            f"{where}.url must be az://CONTAINER/FOLDER, or the whole path of a folder"
        )
    focus, amortized = options.text("focus"), options.text("amortized")
    main = focus or options.needed("actual")
    if focus and (amortized or options.text("actual")):
        raise InvalidInputError(
            f"{where}.focus has the same money as options.actual and options.amortized: name "
            "the FOCUS export alone, or the other two"
        )
    if amortized is not None and amortized.lower() == main.lower():
        raise InvalidInputError(
            f"{where}.amortized names the same export as options.actual: they are two exports, "
            "one of the type ActualCost and one of the type AmortizedCost"
        )
    return ExportOptions(
        url,
        storage,
        main,
        "FocusCost" if focus else "ActualCost",
        amortized,
        options.address("endpoint"),
        options.text("currency"),
        options.text("billing_account"),
        options.month("since"),
        options.scope("scope"),
        options.text("identity"),
    )


def _money(account: Account) -> list[tuple[str, ...]]:
    """The scope, where it is given; else the export itself."""
    options = parse_blob_export(account)
    if options.scope is not None:
        return [("azure", *options.scope.words)]
    place = f"{options.storage_account or ''}:{options.url}".lower()
    return [("azure export", place, options.main.lower())]


RULES: Final = KindRules("azure", "blob_export", parse_blob_export, _money)
