"""`oco allocations`: the rules by which cost is shared out to teams."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import ZERO, exact_sum, plain

_REBUILD = (
    "a running platform rebuilds fct_showback_month within minutes; by hand: "
    "oco dbt build --select fct_showback_month"
)


def list_rules() -> None:
    """List the rules in the order in which they are tried."""
    from oco_pipelines.showback.rule_store import read_stored_rules

    _, warehouse = connect()
    rows = read_stored_rules(warehouse)
    if not rows:
        typer.echo("no allocation rule yet: `oco allocations import FILE.yaml`")
        return
    table = Table("priority", "rule", "method", "match", "target", "holds", "enabled")
    for row in rows:
        until = f"until {row['valid_to']}" if row["valid_to"] else ""
        table.add_row(
            str(row["priority"]),
            row["name"],
            row["method"],
            _words(row["match"]) or "everything",
            _words(row["target"]),
            f"from {row['valid_from']} {until}".strip(),
            "yes" if row["enabled"] else "no",
        )
    Console(highlight=False).print(table)


def import_rules(
    path: Path = typer.Argument(help="A YAML file with a list under `rules`"),
    prune: bool = typer.Option(False, "--prune", help="Remove rules that are not in the file"),
) -> None:
    """Write the rules of a file: all of it or nothing. A rule of the same name is replaced."""
    from oco_pipelines.showback.rule_file import read_rule_file
    from oco_pipelines.showback.rule_store import import_rules as write

    rules = read_rule_file(path)
    _, warehouse = connect()
    done = write(warehouse, rules, prune=prune)
    typer.echo(
        f"{len(rules)} rules read from {path}: {done.added} added, {done.changed} changed, "
        f"{done.removed} removed"
    )
    typer.echo(_REBUILD, err=True)


def check(
    path: Path | None = typer.Argument(None, help="Rules to try; default those of the warehouse"),
    month: str = typer.Option("", "--month", help="As in 2026-10; default the last whole month"),
    rule: list[str] = typer.Option([], "--rule", help="Enable only this rule; repeatable"),
) -> None:
    """Show what each rule would move in a month if it were enabled. Nothing is changed."""
    from oco_pipelines.showback.preview import preview
    from oco_pipelines.showback.rule_file import read_rule_file
    from oco_pipelines.showback.rule_store import read_stored_rules

    rules = read_rule_file(path) if path else []
    first = _month(month)
    _, warehouse = connect()
    moves = preview(warehouse, first, rules, rule)
    stored = {row["name"] for row in read_stored_rules(warehouse)}
    tried = set(rule) or stored | {entry.name for entry in rules}
    if not moves:
        raise InvalidInputError(f"the marts hold no cost of {first:%Y-%m}; give another --month")
    console = Console(highlight=False)
    by_rule = Table("rule", "kind", "team", title=f"By rule, {first:%Y-%m}, effective cost in USD")
    by_team = Table("team", title="By team")
    for table in (by_rule, by_team):
        table.title_justify = "left"
        for heading in ("now", "then", "moved"):
            table.add_column(heading, justify="right")
    teams: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for move in moves:
        by_rule.add_row(move.rule, move.allocation, move.team, *_amounts(move.now, move.then))
        teams[move.team][0] += move.now
        teams[move.team][1] += move.then
    for team, (now, then) in sorted(teams.items()):
        by_team.add_row(team, *_amounts(now, then))
    by_team.add_section()
    totals = [exact_sum(pair[i] for pair in teams.values()) for i in (0, 1)]
    by_team.add_row("total", *_amounts(totals[0], totals[1]))
    console.print(by_rule)
    console.print(by_team)
    for name in sorted(tried - {move.rule for move in moves if move.then}):
        console.print(f"{name}: fits nothing in {first:%Y-%m} that a rule before it does not take")


def _amounts(now: Decimal, then: Decimal) -> tuple[str, str, str]:
    moved = then - now
    return f"{now:,.2f}", f"{then:,.2f}", f"{moved:+,.2f}" if moved else "–"


def _month(text: str) -> date:
    if not text:
        return (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise InvalidInputError(f"--month: {text!r} is no month as in 2026-10") from None


def _words(stated: dict[str, Any]) -> str:
    return "; ".join(f"{name} {_value(value)}" for name, value in stated.items())


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_value(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "|".join(map(str, value))
    return plain(value) if isinstance(value, Decimal) else str(value)
