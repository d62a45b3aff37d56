"""The commands of `oco` and what becomes of an error: one line on stderr and an exit code.

Exit codes: 0 done, 1 an error that the line explains, 2 wrong usage, 130 interrupted.
"""

import importlib
import os
import sys
from typing import Any, ClassVar, Final

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from oco_warehouse.errors import OpenCloudOpsError

# name → (module, function, one line of help). The module is imported when the command runs.
_COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "up": ("oco_cli.up", "up", "Start the whole platform; Ctrl-C stops it"),
    "demo": ("oco_cli.demo", "demo", "Run everything once from end to end and show the spend"),
    "migrate": ("oco_cli.migrate", "migrate", "Bring the warehouse to this version's schema"),
    "sql": ("oco_cli.sql", "sql", "Run one SQL statement on the warehouse"),
    "url": ("oco_cli.addresses", "url", "Print the warehouse's address"),
    "env": ("oco_cli.addresses", "env", "Print the addresses as shell variables"),
    "proxy": ("oco_cli.gateway", "proxy", "Run the gateway alone; --workers N for more cores"),
    "dbt": ("oco_cli.tools", "dbt", "Run dbt on the project, as in `oco dbt build`"),
    "dagster": ("oco_cli.tools", "dagster", "Run the dagster command with our DAGSTER_HOME"),
    "reference": ("oco_cli.reference", "reference", "Write the generated pages of docs/"),
}
_GROUPS: Final[dict[str, tuple[str, dict[str, tuple[str, str, str]]]]] = {
    "import": (
        "Load billing files and prices by hand",
        {
            "aws": ("oco_cli.import_aws", "import_aws", "Load AWS Cost and Usage Reports"),
            "azure": ("oco_cli.import_azure", "import_azure", "Load Azure's cost exports"),
            "gcp": ("oco_cli.import_gcp", "import_gcp", "Load exports of GCP's billing tables"),
            "focus": ("oco_cli.import_focus", "import_focus", "Load FOCUS 1.0 to 1.3 files"),
            "prices": ("oco_cli.import_prices", "import_prices", "Load prices of models"),
            "list": ("oco_cli.hand_loads", "list_imports", "List the billing files that hold"),
            "withdraw": ("oco_cli.hand_loads", "withdraw", "Take back files loaded by mistake"),
        },
    ),
    "sources": (
        "Cloud accounts whose costs are read by themselves",
        {"check": ("oco_cli.sources", "check", "Say what works, what is missing and what to do")},
    ),
    "allocations": (
        "Rules that share cost out to teams",
        {
            "list": ("oco_cli.allocations", "list_rules", "List rules as they are tried"),
            "import": ("oco_cli.allocations", "import_rules", "Write the rules of a YAML file"),
            "check": ("oco_cli.allocations", "check", "Show what rules would move in a month"),
        },
    ),
    "policies": (
        "Rules that spend, resources and models are held to",
        {
            "list": ("oco_cli.policies", "list_policies", "List policies and what breaks them"),
            "import": ("oco_cli.policies", "import_policies", "Write Cloud Custodian's policies"),
            "check": ("oco_cli.policies", "check", "Show what policies would hit; writes nothing"),
            "export": ("oco_cli.policies", "export", "Print a policy for Cloud Custodian"),
        },
    ),
    "invoices": (
        "Invoices to hold the bills against",
        {
            "import": ("oco_cli.invoices", "import_invoices", "Write the invoices of a CSV file"),
        },
    ),
    "cloud-budgets": (
        "Budgets for cloud cost",
        {
            "list": ("oco_cli.cloud_budgets", "list_budgets", "List budgets and how they stand"),
            "import": ("oco_cli.cloud_budgets", "import_budgets", "Write budgets from a file"),
        },
    ),
    "dr": (
        "Disaster recovery: policies, recovery points, plans and drills",
        {
            "status": ("oco_cli.dr", "show_status", "Show how policies stand, and why"),
            "backups": ("oco_cli.dr", "list_backups", "List backups and what they are worth"),
            "run": ("oco_cli.dr", "run_now", "Take what is due, look and judge, once and now"),
            "plan": ("oco_cli.recovery", "plan", "Plan a recovery and show what it would do"),
            "plans": ("oco_cli.recovery", "list_plans", "List recovery plans, or show one"),
            "execute": ("oco_cli.recovery", "execute", "Approve and execute a recovery plan"),
            "cancel": ("oco_cli.recovery", "cancel", "Cancel a recovery plan"),
            "drill": ("oco_cli.recovery", "drill", "Prove that a policy's backups come back"),
            "drills": ("oco_cli.recovery", "list_drills", "List restore drills"),
        },
    ),
    # A name of two words is a group within a group.
    "dr policies": (
        "What is backed up, when, and which targets it must meet",
        {
            "list": ("oco_cli.dr", "list_policies", "List policies and how they stand"),
            "import": ("oco_cli.dr", "import_policies", "Write policies from a file"),
            "export": ("oco_cli.dr", "export_policies", "Write all policies as a file"),
        },
    ),
    "export": (
        "Write charges as files for other tools",
        {"focus": ("oco_cli.export_focus", "export", "Write a billing month as FOCUS")},
    ),
    "rates": (
        "Exchange rates of bills that are not in USD",
        {
            "list": ("oco_cli.rates", "list_rates", "List rates and where they are from"),
            "import": ("oco_cli.rates", "import_rates", "Load rates that you state, from a CSV"),
            "fetch": ("oco_cli.rates", "fetch", "Fetch the ECB's rates from the address you set"),
        },
    ),
    "tags": (
        "Which tags of different providers mean the same",
        {
            "list": ("oco_cli.tags", "list_rules", "Print the rules as a file to edit"),
            "import": ("oco_cli.tags", "import_rules", "Replace the rules by a file's"),
        },
    ),
    "token": (
        "Access tokens of the REST API",
        {
            "create": ("oco_cli.token", "create", "Make a token and show it once"),
            "list": ("oco_cli.token", "list_tokens", "List tokens"),
            "revoke": ("oco_cli.token", "revoke", "Revoke a token"),
        },
    ),
}
# These hand everything behind their name to another program.
_PASS_THROUGH: Final = {"dbt", "dagster"}


class _LazyGroup(TyperGroup):
    """A group that imports a command's module only when the command is named."""

    table: ClassVar[dict[str, tuple[str, str, str]]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.table, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.table:
            return super().get_command(ctx, cmd_name)
        module, function, _ = self.table[cmd_name]
        context: dict[str, Any] = {}
        if cmd_name in _PASS_THROUGH:
            context = {
                "allow_extra_args": True,
                "ignore_unknown_options": True,
                "help_option_names": [],
            }
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(cmd_name, context_settings=context)(
            getattr(importlib.import_module(module), function)
        )
        return typer.main.get_command(app)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        # From the table: help must not import every command.
        rows = [(name, entry[2]) for name, entry in self.table.items()]
        above = ctx.command_path.split()[1:]
        rows += [
            (name, _GROUPS[" ".join([*above, name])][0]) for name in super().list_commands(ctx)
        ]
        width = max(len(name) for name, _ in rows)
        console = Console(highlight=False)
        console.print(f"Usage: {ctx.command_path} [bold]COMMAND[/] …\n\n{self.help}\n")
        for name, summary in sorted(rows):
            console.print(f"  [bold]{name:<{width}}[/]  {summary}")
        console.print(f"\n`{ctx.command_path} COMMAND --help` says more.")


def build() -> typer.Typer:
    """The whole command line."""
    root = _group("Open Cloud Ops: LLM, cloud and resilience spend in one warehouse.", _COMMANDS)
    groups = {"": root}
    for path, (summary, table) in _GROUPS.items():
        above, _, name = path.rpartition(" ")
        groups[path] = _group(summary, table)
        groups[above].add_typer(groups[path], name=name)
    return root


def main() -> None:
    """Entry point of `oco`."""
    try:
        build()(prog_name="oco")
    except OpenCloudOpsError as error:
        if os.environ.get("OCO_DEBUG") == "1":
            raise
        message = " ".join(str(error).split())
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            Text.assemble(("oco: ", "bold red"), message)
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _group(summary: str, table: dict[str, tuple[str, str, str]]) -> typer.Typer:
    group = type("_Group", (_LazyGroup,), {"table": table})
    app = typer.Typer(cls=group, help=summary, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    return app
