"""`oco dr`: disaster recovery: policies, their backups, and how they stand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect, open_clusters
from oco_warehouse.database import Warehouse
from oco_warehouse.durations import write_duration

_STATUS: Final = """
    SELECT policy.name, policy.cluster, policy.enabled, policy.rpo_target,
           coalesce(status.verdict, 'not judged yet') AS verdict, status.since, status.reasons,
           judged.recovery_point_age, judged.readiness
    FROM oco.dr_policies AS policy
    LEFT JOIN oco.dr_policy_status AS status ON status.policy_id = policy.id
    LEFT JOIN LATERAL (
        SELECT recovery_point_age, readiness FROM oco.dr_compliance
        WHERE policy_id = policy.id ORDER BY judged_at DESC, id DESC LIMIT 1) AS judged ON true
    ORDER BY policy.name
"""
_NAMESPACES: Final = """
    SELECT cluster, namespace, policies, volumes, verdict, reasons FROM oco.dr_namespaces
    ORDER BY cluster, namespace
"""
_LOCATIONS: Final = """
    SELECT cluster, name, phase, phase_since, detail FROM oco.velero_objects
    WHERE kind = 'BackupStorageLocation' AND vanished_at IS NULL ORDER BY cluster, name
"""
_BACKUPS: Final = """
    SELECT record.cluster, record.backup_name, coalesce(policy.name, '') AS policy, record.phase,
           record.started_at, record.expires_at, record.kept_until, record.usable,
           record.usable_reason, record.vanished_at
    FROM oco.backup_records AS record
    LEFT JOIN oco.dr_policies AS policy ON policy.id = record.policy_id
    WHERE %(policy)s = '' OR policy.name = %(policy)s
    ORDER BY coalesce(record.started_at, record.created_at, record.first_seen_at) DESC
    LIMIT %(limit)s
"""
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


def list_backups(
    policy: str = typer.Option("", "--policy", help="Only those of this policy"),
    limit: int = typer.Option(20, "--limit", min=1, max=1000, help="How many, newest first"),
) -> None:
    """List backups as they were last seen, and whether each is a recovery point."""
    _, warehouse = connect()
    rows = warehouse.query(_BACKUPS, {"policy": policy, "limit": limit})
    if not rows:
        typer.echo("no backup was seen yet")
        return
    table = Table("backup", "policy", "phase", "started", "expires", "recovery point")
    for row in rows:
        gone = f"; seen gone {_moment(row['vanished_at'])}" if row["vanished_at"] else ""
        table.add_row(
            f"{row['cluster']}/{row['backup_name']}",
            row["policy"],
            row["phase"] + gone,
            _moment(row["started_at"]),
            _moment(row["expires_at"]) + (" (kept)" if row["kept_until"] else ""),
            "yes" if row["usable"] else f"no: {row['usable_reason']}",
        )
    Console(highlight=False).print(table)


def show_status() -> None:
    """Show how policies, namespaces and storage locations stand, with the reasons."""
    _, warehouse = connect()
    _print_status(warehouse)


def run_now() -> None:
    """Take what is due, look at all clusters and judge, once and in this process.

    What the pipelines do by themselves while `oco up` runs.
    """
    from oco_pipelines.resilience import store, velero_store
    from oco_pipelines.resilience.looking import judge_cluster
    from oco_pipelines.resilience.orchestrator import take_until
    from oco_pipelines.resilience.tracker import follow
    from oco_warehouse.errors import OpenCloudOpsError

    settings, warehouse = connect()
    gateway = open_clusters(settings)
    outcomes, wrong = take_until(warehouse, gateway, gateway.clusters(), timedelta(0))
    for outcome in outcomes:
        name = outcome.wanted.policy.name
        typer.echo(f"{name}: " + (outcome.problem or f"backup {outcome.name} created"))
    for line in wrong:
        typer.echo(line, err=True)
    policies = [one for one in store.read_policies(warehouse) if one.enabled]
    for cluster in sorted({policy.cluster for policy in policies}):
        try:
            follow(warehouse, gateway, cluster, policies, wait_seconds=30)
        except OpenCloudOpsError as error:
            velero_store.cluster_failed(warehouse, cluster, str(error))
            typer.echo(f"{cluster}: {error}", err=True)
        try:
            judge_cluster(warehouse, gateway, cluster, policies)
        except OpenCloudOpsError as error:
            typer.echo(f"{cluster}: its namespaces are not judged: {error}", err=True)
    _print_status(warehouse)


def _print_status(warehouse: Warehouse) -> None:
    console = Console(highlight=False)
    rows = warehouse.query(_STATUS)
    if not rows:
        typer.echo("there is no DR policy: write a file and run `oco dr policies import FILE`")
        return
    table = Table("policy", "cluster", "state", "since", "RPO age", "of", "readiness", "why")
    for row in rows:
        age, ready = row["recovery_point_age"], row["readiness"]
        table.add_row(
            row["name"],
            row["cluster"],
            row["verdict"] if row["enabled"] else "disabled",
            _moment(row["since"]),
            write_duration(age) if age is not None else "none",
            write_duration(row["rpo_target"]),
            str(ready) if ready is not None else "",
            "; ".join(row["reasons"] or []),
        )
    console.print(table)
    spaces = warehouse.query(_NAMESPACES)
    if spaces:
        table = Table("namespace", "volumes", "policies", "state", "why")
        for row in spaces:
            table.add_row(
                f"{row['cluster']}/{row['namespace']}",
                str(row["volumes"]),
                ", ".join(row["policies"]),
                row["verdict"],
                "; ".join(row["reasons"]),
            )
        console.print(table)
    table = Table("storage location", "state", "since", "bucket", "says")
    for row in warehouse.query(_LOCATIONS):
        detail = row["detail"]
        table.add_row(
            f"{row['cluster']}/{row['name']}",
            row["phase"],
            _moment(row["phase_since"]),
            detail.get("bucket", ""),
            detail.get("message", ""),
        )
    if table.row_count:
        console.print(table)


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else ""


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
