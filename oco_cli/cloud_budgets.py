"""`oco cloud-budgets`: budgets for cloud cost; they tell people and refuse nothing."""

from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect
from oco_warehouse.money import format_usd

_LIST: Final = """
    SELECT budget.name, budget.period, budget.cost_basis, budget.amount_usd, budget.enabled,
           status.period_start, status.newest_day, status.spent_usd, status.forecast_usd,
           coalesce(status.reason, '') AS reason
    FROM oco.cloud_budgets AS budget
    LEFT JOIN oco.cloud_budget_status AS status ON status.budget_id = budget.id
    ORDER BY budget.name, status.period_start
"""


def list_budgets() -> None:
    """List budgets with how their periods stood when they were last judged."""
    _, warehouse = connect()
    rows = warehouse.query(_LIST)
    if not rows:
        typer.echo("there is no cloud budget: write a file and run `oco cloud-budgets import FILE`")
        return
    table = Table("budget", "period", "amount", "spent", "share", "forecast", "state")
    for row in rows:
        if row["period_start"] is None:
            state = "not judged yet" if row["enabled"] else "disabled"
            amount = format_usd(row["amount_usd"])
            table.add_row(row["name"], row["period"], amount, "", "", "", state)
            continue
        table.add_row(
            row["name"],
            f"{row['period']} from {row['period_start']}",
            format_usd(row["amount_usd"]),
            format_usd(row["spent_usd"]),
            f"{row['spent_usd'] / row['amount_usd'] * 100:.1f} %",
            format_usd(row["forecast_usd"]) if row["forecast_usd"] is not None else "none",
            _state(row) if row["enabled"] else "disabled",
        )
    Console(highlight=False).print(table)
    known = [row["newest_day"] for row in rows if row["newest_day"] is not None]
    if known:
        typer.echo(f"cloud bills are known until {max(known)}")
    for reason in sorted({row["reason"] for row in rows if row["reason"]}):
        typer.echo(f"no forecast: {reason}")


def import_budgets(
    path: Path = typer.Argument(help="A .yaml file with a list under `budgets`"),
) -> None:
    """Write budgets from a file, all of it or nothing; those that it does not name stay."""
    from oco_pipelines.trends.budget_file import import_budgets as load

    _, warehouse = connect()
    count, changed = load(warehouse, path)
    typer.echo(f"{count} cloud budgets in {path}: {changed} new or changed")


def _state(row: dict[str, object]) -> str:
    amount, spent, forecast = row["amount_usd"], row["spent_usd"], row["forecast_usd"]
    if spent > amount:  # type: ignore[operator]
        return "exceeded"
    return "at risk" if forecast is not None and forecast > amount else "on track"  # type: ignore[operator]
