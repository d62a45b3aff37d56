"""The newest run of each period of an account's exports, from the container into the warehouse."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oco_pipelines.ingestion.azure_blob_layout import Run, newest_runs, parts_of
from oco_pipelines.ingestion.azure_credentials import STORAGE, credential_of
from oco_pipelines.ingestion.object_store import StoredFile, list_files, local_file
from oco_warehouse.cloud_accounts.azure_blob_options import ExportOptions
from oco_warehouse.errors import InvalidInputError, UpstreamUnavailable
from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from oco_pipelines.ingestion.azure_charges import Dataset
    from oco_pipelines.ingestion.cost_batch import LoadResult
    from oco_warehouse.cloud_accounts.account import Account
    from oco_warehouse.database import Warehouse

SOURCE: Final = "azure_blob_export"

Access = Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What there is of one period: what was billed, and maybe the same money spread."""

    main: Run
    amortized: Run | None

    @property
    def mark(self) -> str:
        """Changes with anything of it."""
        return f"{self.main.mark}+{self.amortized.mark if self.amortized else ''}"


def access_of(account: "Account", options: ExportOptions) -> Access:
    """How the container is opened: with a token, which lives about an hour; None for a folder.

    Raises:
        ConfigurationError: when there is no token for the credentials.
        UpstreamUnavailable: when Azure's identity service does not answer.
    """
    if options.storage_account is None:
        return None
    from azure.core.exceptions import AzureError

    try:
        token = credential_of(account, options.identity).get_token(STORAGE).token
    except AzureError as error:
        raise UpstreamUnavailable(
            f"account {account.name}: Azure's identity service does not answer "
            f"({type(error).__name__})"
        ) from None
    access = {"account_name": options.storage_account, "token": token}
    return access | ({"endpoint": options.endpoint} if options.endpoint else {})


def stored_files(options: ExportOptions, settings: Settings, access: Access) -> list[StoredFile]:
    """Every file below the account's address; errors of `list_files`."""
    if options.storage_account is None and not Path(options.url).is_dir():
        raise InvalidInputError(f"{options.url} is not a folder")
    return list_files(options.url, settings, access)


def deliveries(files: Sequence[StoredFile], options: ExportOptions) -> dict[str, Delivery]:
    """{period: its newest runs}. A period that was only spread waits for what was billed."""
    main = newest_runs(files, options.main)
    amortized = newest_runs(files, options.amortized) if options.amortized else {}
    since = options.since or date.min
    return {
        period: Delivery(run, amortized.get(period))
        for period, run in main.items()
        if run.period[0] >= since
    }


def load_delivery(
    warehouse: "Warehouse",
    key: str,
    delivery: Delivery,
    options: ExportOptions,
    settings: Settings,
    access: Access,
    *,
    today: date,
    run_id: str | None = None,
) -> "LoadResult | None":
    """Make the warehouse believe the newest runs of a period; None when there is nothing yet.

    All parts are on this machine before the first is read; nothing is kept of them afterwards.

    Raises:
        InvalidInputError: when a run has no charges though some of the period are loaded.
        InvalidFileError: when a manifest or a part cannot be read, or rows are missing.
        ConflictError: when costs of its accounts are believed from another source.
        UpstreamUnavailable: when the exports changed meanwhile.
        OpenCloudOpsError: as `object_store` and `cost_load.load` raise.
    """
    from oco_pipelines.ingestion.azure_file import AzureMonth, load_azure
    from oco_pipelines.ingestion.azure_query_load import PROVIDER, is_estimated, refuse_empty
    from oco_pipelines.ingestion.focus_file import load_focus_parts
    from oco_pipelines.ingestion.source_overlap import refuse_other_sources

    with ExitStack() as stack:

        def fetch(file: StoredFile) -> Path:
            return stack.enter_context(local_file(options.url, file.key, settings, access))

        main, rows = _parts(delivery.main, options.kind, fetch)
        amortized, spread_rows = _parts(delivery.amortized, "AmortizedCost", fetch)
        there = deliveries(stored_files(options, settings, access), options)
        now = there.get(delivery.main.key)
        if now is None or now.mark != delivery.mark:
            # Parts of two runs are no bill.
            raise UpstreamUnavailable(f"{key}: a newer run was written while this one was read")
        if not main:
            refuse_empty(warehouse, SOURCE, key)
            return None
        first, last = delivery.main.period

        def guard(accounts: set[str]) -> None:
            after = last + timedelta(days=1)
            refuse_other_sources(warehouse, key, SOURCE, PROVIDER, accounts, first, after)

        estimated = is_estimated(last, today)
        if options.kind == "FocusCost":
            return load_focus_parts(
                warehouse,
                key,
                main,
                SOURCE,
                rows,
                run_id=run_id,
                estimated=estimated,
                guard=guard,
            )
        counts: dict[Dataset, int | None] = {"actual": rows, "amortized": spread_rows}
        known: dict[Dataset, int] = {of: n for of, n in counts.items() if n is not None}
        return load_azure(
            warehouse,
            key,
            AzureMonth(main, amortized, options.currency, options.billing_account, known),
            source=SOURCE,
            run_id=run_id,
            estimated=estimated,
            guard=guard,
        )


def _parts(
    run: Run | None, kind: str, fetch: Callable[[StoredFile], Path]
) -> tuple[list[Path], int | None]:
    """The parts of a run on this machine, and how many rows they have, where a manifest says it."""
    if run is None:
        return [], None
    if run.manifest is None:
        return [fetch(part) for part in run.files], None
    parts, rows = parts_of(run, fetch(run.manifest).read_bytes(), kind)
    return [fetch(part) for part in parts], rows
