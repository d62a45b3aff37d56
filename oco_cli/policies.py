"""`oco policies`: rules that spend, resources, models and recovery points are held to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect


def list_policies() -> None:
    """List policies, how many resources break each, and how their last evaluation ended."""
    from oco_pipelines.policy.policy_store import list_policies as read

    _, warehouse = connect()
    rows = read(warehouse)
    if not rows:
        typer.echo("there is no policy yet: write a file and run `oco policies import FILE`")
        return
    table = Table("policy", "about", "type", "severity", "open", "judged", "state")
    for row in rows:
        about = row["rules"].get("resource", "")
        judged = row["last_evaluated_at"]
        table.add_row(
            row["name"],
            about if isinstance(about, str) else ", ".join(map(str, about)),
            row["policy_type"],
            row["severity"],
            str(row["open"]),
            "never" if judged is None else f"{judged:%Y-%m-%d %H:%M}",
            _state(row),
        )
    Console(highlight=False).print(table)


def import_policies(
    path: Path = typer.Argument(help="A YAML file of Cloud Custodian: a list under `policies`"),
    partial: bool = typer.Option(
        False, "--partial", help="Write the policies that can run here when others cannot"
    ),
) -> None:
    """Write the policies of a file; one of the same name is replaced. Actions are never run."""
    from oco_pipelines.policy.policy_file import read_policy_file
    from oco_pipelines.policy.policy_store import write_policies

    read = read_policy_file(path)
    for line in read.refused:
        typer.echo(line, err=True)
    if read.refused and not partial:
        typer.echo("nothing was written; --partial writes the policies that can run here", err=True)
        raise typer.Exit(1)
    _, warehouse = connect()
    added, changed = write_policies(warehouse, read.policies)
    for policy in read.policies:
        for note in policy.notes:
            typer.echo(f"{policy.name}: {note}")
    typer.echo(f"{len(read.policies)} policies in {path}: {added} new, {changed} changed")


def check(
    what: str = typer.Argument(help="A YAML file of policies, or the name of a policy"),
    shown: int = typer.Option(20, "--show", min=0, max=1000, help="How many hits to show of each"),
) -> None:
    """Show what policies would hit now, enabled or not. Nothing is written."""
    from oco_pipelines.policy.policy_file import read_policy_file
    from oco_pipelines.policy.policy_store import find_policy

    _, warehouse = connect()
    path = Path(what)
    if path.suffix in {".yaml", ".yml"}:
        read = read_policy_file(path)
        for line in read.refused:
            typer.echo(line, err=True)
        failed = bool(read.refused)
        named: Sequence[tuple[str, Any]] = [(one.name, one.rules) for one in read.policies]
    else:
        failed = False
        named = [(what, find_policy(warehouse, what)["rules"])]
    for name, rules in named:
        failed |= not _check_one(warehouse, name, rules, shown)
    if failed:
        raise typer.Exit(1)


def export(
    name: str = typer.Argument(help="The name of a policy"),
) -> None:
    """Print a policy as Cloud Custodian runs it, with its actions, or one that only marks."""
    import yaml

    from oco_pipelines.policy.custodian_export import to_custodian
    from oco_pipelines.policy.policy_store import find_policy

    _, warehouse = connect()
    policy = to_custodian(find_policy(warehouse, name))
    typer.echo(
        yaml.safe_dump({"policies": [policy]}, sort_keys=False, allow_unicode=True), nl=False
    )


def _check_one(warehouse: Any, name: str, rules: Any, shown: int) -> bool:
    """Show what one policy would hit; False when it cannot be judged."""
    from oco_warehouse.errors import InvalidInputError, PolicyRunError
    from oco_warehouse.policy_engine.dry_run import dry_run
    from oco_warehouse.policy_rules import parse_rules

    try:
        done = dry_run(warehouse, parse_rules(rules), shown)
    except (InvalidInputError, PolicyRunError) as error:
        typer.echo(f"{name}: fails: {error}", err=True)
        return False
    typer.echo(f"{name}: would hit {done.found}")
    if not done.hits:
        return True
    table = Table("provider", "account", "resource", "owner", "evidence")
    for hit in done.hits:
        evidence = ", ".join(
            f"{key} {value}" for key, value in hit["evidence"].items() if key != "tags"
        )
        table.add_row(
            hit["provider"], hit["account_id"], hit["resource_id"], hit["owner"] or "", evidence
        )
    Console(highlight=False).print(table)
    if done.found > len(done.hits):
        typer.echo(f"… and {done.found - len(done.hits)} more; --show shows up to 1000")
    return True


def _state(row: dict[str, Any]) -> str:
    if not row["enabled"]:
        return "disabled"
    if row["last_error"] is not None:
        return f"fails: {row['last_error']}"
    return "judged" if row["last_evaluated_at"] is not None else "waits for its first evaluation"
