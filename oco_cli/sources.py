"""`oco sources`: the accounts of OCO_SOURCES and of the API, and whether they can be read."""

import typer
from rich.console import Console
from rich.markup import escape

from oco_cli.connect import connect
from oco_pipelines.ingestion.accounts import stored_accounts
from oco_pipelines.ingestion.source_kinds import Finding, kind_of
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.account_file import load_file
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.settings import Settings, load_settings


def check(
    names: list[str] = typer.Argument(None, help="Names of accounts; default all of them"),
) -> None:
    """Try everything that each account needs; say what works, what is missing and what to do.

    Nothing is loaded. Accounts of the API are looked up in the warehouse, where there is one. The
    exit code is 1 when something is missing.
    """
    accounts, refused = _accounts(load_settings())
    if not accounts and not refused:
        raise InvalidInputError(
            "no accounts are configured: set OCO_SOURCES to a YAML file or add them through the "
            "API, see docs/sources.md"
        )
    known = {account.name: account for account in accounts}
    for name in names or ():
        if name not in known and name not in refused:
            every = ", ".join([*known, *refused])
            raise InvalidInputError(f"no account is called {name!r}; known are {every}")
    console = Console(highlight=False, soft_wrap=True)
    missing = 0
    for name in names or refused:
        if name in refused:
            console.print(
                f"[bold]{name}[/] (of the API)\n  [red]refused[/] {escape(refused[name])}"
            )
            missing += 1
    for account in [known[name] for name in names or known if name in known]:
        findings = kind_of(account).check(account)
        _tell(console, account, findings)
        missing += sum(not finding.ok for finding in findings)
    if missing:
        console.print(f"{missing} missing")
        raise typer.Exit(1)
    console.print("everything works")


def _accounts(settings: Settings) -> tuple[tuple[Account, ...], dict[str, str]]:
    """The accounts as they are now, and why some of the API are refused."""
    # Where nothing was ever started there is no warehouse, and so nothing of the API.
    if settings.uses_embedded_postgres and not settings.home.expanduser().joinpath("run").is_dir():
        return load_file(settings), {}
    _, warehouse = connect()
    return stored_accounts(settings, warehouse)


def _tell(console: Console, account: Account, findings: list[Finding]) -> None:
    console.print(f"[bold]{account.name}[/] ({account.provider} {account.kind})")
    for finding in findings:
        mark = "[green]ok     [/]" if finding.ok else "[red]missing[/]"
        console.print(f"  {mark} {escape(finding.what)}: {escape(finding.detail)}")
        if finding.remedy:
            for line in finding.remedy.splitlines():
                console.print(f"          {escape(line)}")
