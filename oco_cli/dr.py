"""`oco dr`: disaster recovery: policies, their backups, and how they stand."""

from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect
from oco_warehouse.durations import write_duration

_LIST: Final = """
    SELECT policy.*, coalesce(status.verdict, 'not judged yet') AS verdict
    FROM oco.dr_policies AS policy
    LEFT JOIN oco.dr_policy_status AS status ON status.policy_id = policy.id
    ORDER BY policy.name
"""


def import_policies(
    path: Path = typer.Argument(help="A .yaml file with a list under `policies`"),
) -> None:
    """Write policies from a file, all of it or nothing; those that it does not name stay."""
    from oco_pipelines.resilience.policy_file import import_policies as write

    _, warehouse = connect()
    count, changed = write(warehouse, path)
    typer.echo(f"{count} DR policies in {path}: {changed} new or changed")


def export_policies(
    path: Path = typer.Argument(help="The .yaml file that is written; - for standard output"),
) -> None:
    """Write all policies as a file that `oco dr policies import` reads."""
    from oco_pipelines.resilience.policy_file import stored_rules, write_policies

    _, warehouse = connect()
    rules = stored_rules(warehouse)
    text = write_policies(rules)
    if str(path) == "-":
        typer.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        from oco_warehouse.errors import InvalidFileError

        raise InvalidFileError(f"{path}: cannot be written ({error.strerror})") from None
    typer.echo(f"{len(rules)} DR policies written to {path}")


def list_policies() -> None:
    """List policies with how they stand."""
    _, warehouse = connect()
    rows = warehouse.query(_LIST)
    if not rows:
        typer.echo("there is no DR policy: write a file and run `oco dr policies import FILE`")
        return
    table = Table("policy", "cluster", "what", "schedule", "RPO", "RTO", "kept", "state")
    for row in rows:
        table.add_row(
            row["name"],
            row["cluster"],
            _what(row),
            f"{row['schedule_cron']} {row['time_zone']}",
            write_duration(row["rpo_target"]),
            write_duration(row["rto_target"]),
            f"{write_duration(row['retention'])}, at least {row['keep_at_least']}",
            row["verdict"] if row["enabled"] else "disabled",
        )
    Console(highlight=False).print(table)


def _what(row: dict[str, Any]) -> str:
    if row["namespace_selector"] is None:
        return ", ".join(row["namespaces"])
    return "namespaces with " + _terms(row["namespace_selector"])


def _terms(selector: dict[str, Any]) -> str:
    said = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    for term in selector.get("matchExpressions", []):
        values = f" ({', '.join(term['values'])})" if term.get("values") else ""
        said.append(f"{term['key']} {term['operator']}{values}")
    return ", ".join(said)
