"""`oco tags`: which tags mean the same."""

from pathlib import Path

import typer

from oco_cli.connect import connect


def list_rules() -> None:
    """Print the rules that hold, as a TOML file to edit and import again."""
    from oco_pipelines.marts.tag_rules import tag_rules_toml

    _, warehouse = connect()
    typer.echo(tag_rules_toml(warehouse), nl=False)


def import_rules(
    path: Path = typer.Argument(help="A TOML file, as `oco tags list` prints one"),
) -> None:
    """Put a file's rules in the place of those that hold. Bills need not be loaded again."""
    from oco_pipelines.marts.tag_rules import import_tag_rules

    _, warehouse = connect()
    rules = import_tag_rules(warehouse, path)
    typer.echo(
        f"{len(rules.keys)} keys and {len(rules.values)} values now hold; the marts follow by "
        "themselves while `oco up` runs, or with `oco dbt build`"
    )
