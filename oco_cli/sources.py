"""`oco sources`: the accounts that OCO_SOURCES names, and whether they can be read."""

import typer
from rich.console import Console
from rich.markup import escape

from oco_pipelines.ingestion.accounts import Account, load_accounts
from oco_pipelines.ingestion.source_kinds import Finding, kind_of
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.settings import load_settings


def check(
    names: list[str] = typer.Argument(None, help="Names of accounts; default all of them"),
) -> None:
    """Try everything that each account needs; say what works, what is missing and what to do.

    Nothing is loaded and no warehouse is needed. The exit code is 1 when something is missing.
    """
    settings = load_settings()
    accounts = load_accounts(settings)
    if not accounts:
        raise InvalidInputError(
            "no accounts are configured: set OCO_SOURCES to a YAML file, see docs/sources.md"
        )
    known = {account.name: account for account in accounts}
    for name in names or ():
        if name not in known:
            raise InvalidInputError(f"no account is called {name!r}; known are {', '.join(known)}")
    console = Console(highlight=False, soft_wrap=True)
    missing = 0
    for account in [known[name] for name in names or known]:
        findings = kind_of(account).check(account)
        _tell(console, account, findings)
        missing += sum(not finding.ok for finding in findings)
    if missing:
        console.print(f"{missing} missing")
        raise typer.Exit(1)
    console.print("everything works")


def _tell(console: Console, account: Account, findings: list[Finding]) -> None:
    console.print(f"[bold]{account.name}[/] ({account.provider} {account.kind})")
    for finding in findings:
        mark = "[green]ok     [/]" if finding.ok else "[red]missing[/]"
        console.print(f"  {mark} {escape(finding.what)}: {escape(finding.detail)}")
        if finding.remedy:
            for line in finding.remedy.splitlines():
                console.print(f"          {escape(line)}")
