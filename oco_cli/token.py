"""`oco token`: access tokens of the REST API."""

from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, NotFoundError
from oco_warehouse.tokens import ROLES, hash_token, new_token, shown_prefix


def create(
    name: str = typer.Option(help="What the token is for"),
    role: str = typer.Option("viewer", help=f"One of {', '.join(ROLES)}"),
    agent: str | None = typer.Option(None, help="Agent that the token speaks for"),
    team: str | None = typer.Option(None, help="Team that the token speaks for"),
) -> None:
    """Make a token and print it; it is stored nowhere and cannot be shown again."""
    if role not in ROLES:
        raise InvalidInputError(f"--role {role!r} is unknown: use one of {', '.join(ROLES)}")
    _, warehouse = connect()
    typer.echo(create_token(warehouse, name=name, role=role, agent_id=agent, team_id=team))


def create_token(
    warehouse: Warehouse,
    *,
    name: str,
    role: str,
    agent_id: str | None = None,
    team_id: str | None = None,
) -> str:
    """Store a new token's hash and return the token."""
    token = new_token()
    with warehouse.transaction() as connection:
        row = connection.execute(
            "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role, agent_id, team_id) "
            "VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            [name, hash_token(token), shown_prefix(token), role, agent_id, team_id],
        ).fetchone()
        connection.execute(
            "INSERT INTO oco.audit_log (actor, action, entity_type, entity_id) "
            "VALUES ('oco token', 'token.create', 'api_token', %s)",
            [str(row["id"]) if row else ""],
        )
    return token


def list_tokens() -> None:
    """List tokens by name; the tokens themselves are stored nowhere."""
    _, warehouse = connect()
    table = Table("id", "name", "begins with", "role", "created", "state")
    for row in warehouse.query(
        "SELECT id, name, token_prefix, role, created_at, revoked_at, "
        "coalesce(expires_at < now(), false) AS expired FROM oco.api_tokens ORDER BY created_at"
    ):
        state = "revoked" if row["revoked_at"] else "expired" if row["expired"] else "valid"
        created = row["created_at"].isoformat(timespec="seconds")
        table.add_row(
            str(row["id"]), row["name"], f"{row['token_prefix']}…", row["role"], created, state
        )
    Console(highlight=False).print(table)


def revoke(
    token_id: UUID = typer.Argument(help="Identifier, as `oco token list` shows it"),
) -> None:
    """Revoke a token for good."""
    _, warehouse = connect()
    touched = warehouse.execute(
        "UPDATE oco.api_tokens SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL",
        [token_id],
    )
    if touched == 0:
        raise NotFoundError(f"no valid token has the identifier {token_id}: see `oco token list`")
    typer.echo(f"revoked {token_id}")
