"""`oco dr plan|plans|execute|cancel|drill|drills`: recoveries and the drills that prove them.

The commands do the cluster's part themselves. A running platform may do it at the same time: there
is one preview, one restore and one end, whoever comes first.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect, open_clusters
from oco_pipelines.resilience import plans
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, NotFoundError
from oco_warehouse.recovery_rules import RecoveryRequest

_ACTOR: Final = "oco dr"
_SHOWN: Final = 10


def plan(
    backup: str = typer.Argument(
        "", help="Name or id of a backup; default the newest usable one of --policy"
    ),
    policy: str = typer.Option("", "--policy", help="Policy whose newest usable backup is meant"),
    cluster: str = typer.Option("", "--to", help="Target cluster; default that of the backup"),
    namespace: list[str] = typer.Option(
        [], "--namespace", help="Namespace to restore; repeatable; default all of the backup"
    ),
    mapping: list[str] = typer.Option(
        [], "--map", help="OLD=NEW restores namespace OLD as NEW; repeatable"
    ),
    update: bool = typer.Option(False, "--update", help="Overwrite what exists"),
    wait: float = typer.Option(300.0, "--wait", help="Seconds to wait for a sync of the backup"),
) -> None:
    """Write a plan, compare its backup with the target and show what it would do."""
    from oco_pipelines.resilience.previewing import preview_plan

    settings, warehouse = connect()
    gateway = open_clusters(settings)
    record = _record(warehouse, backup, policy, cluster)
    request = RecoveryRequest(
        backup_id=record["id"],
        target_cluster=cluster or record["cluster"],
        namespaces=tuple(namespace or record["namespaces"]),
        namespace_mapping=_mapping(mapping),
        existing_resource_policy="update" if update else "none",
    )
    plan_id = plans.make_plan(
        warehouse,
        request,
        purpose="recovery",
        requested_by=_ACTOR,
        clusters=gateway.clusters(),
    )
    typer.echo(f"recovery plan {plan_id}")
    preview_plan(warehouse, gateway, plan_id, wait_seconds=wait)
    _show(plans.read_plan(warehouse, plan_id))
    typer.echo(f"execute it with: oco dr execute {plan_id}")


def list_plans(
    plan_id: UUID | None = typer.Argument(None, help="Show this one with its preview"),
) -> None:
    """List recovery plans, newest first, or show one."""
    _, warehouse = connect()
    if plan_id is not None:
        _show(plans.read_plan(warehouse, str(plan_id)))
        return
    rows = warehouse.query(
        """
        SELECT plan.id::text, plan.purpose, plan.status, plan.target_cluster, plan.namespaces,
               plan.namespace_mapping, record.backup_name, plan.created_at,
               coalesce(plan.failure_reason, plan.waiting_for, '') AS said
        FROM oco.recovery_plans AS plan
        JOIN oco.backup_records AS record ON record.id = plan.backup_id
        ORDER BY plan.created_at DESC LIMIT 50
        """
    )
    if not rows:
        typer.echo("there is no recovery plan: `oco dr plan --policy NAME` makes one")
        return
    table = Table("plan", "purpose", "status", "backup", "into", "made", "what is to say")
    for row in rows:
        table.add_row(
            row["id"],
            row["purpose"],
            row["status"],
            row["backup_name"],
            f"{row['target_cluster']}: {_targets(row)}",
            row["created_at"].isoformat(timespec="seconds"),
            row["said"],
        )
    Console(highlight=False).print(table)


def execute(
    plan_id: UUID = typer.Argument(help="Identifier, as `oco dr plans` shows it"),
    yes: bool = typer.Option(False, "--yes", help="Do not ask"),
    wait: float = typer.Option(600.0, "--wait", help="Seconds to wait for its end"),
) -> None:
    """Approve a plan and execute it: one restore is made, however often this is repeated."""
    from oco_pipelines.resilience.restore import execute_plan

    settings, warehouse = connect()
    gateway, name = open_clusters(settings), str(plan_id)
    found = plans.read_plan(warehouse, name)
    if found["status"] == "completed":
        _show_state(found)
        return
    if found["status"] == "pending":
        _show_plan(found)
        if not yes:
            typer.confirm("Approve this plan and execute it?", abort=True)
        plans.approve(warehouse, name, _ACTOR)
    plans.request_execution(warehouse, name, _ACTOR)
    status = execute_plan(warehouse, gateway, name, wait_seconds=wait)
    _show_state(plans.read_plan(warehouse, name))
    if status == "executing":
        typer.echo("it goes on: repeat the command to follow it")
    elif status != "completed":
        raise typer.Exit(1)


def cancel(
    plan_id: UUID = typer.Argument(help="Identifier, as `oco dr plans` shows it"),
) -> None:
    """Cancel a plan that was not executed."""
    _, warehouse = connect()
    plans.cancel(warehouse, str(plan_id), _ACTOR)
    typer.echo(f"recovery plan {plan_id} is cancelled")


def drill(
    policy: str = typer.Argument(help="Name of the policy"),
    wait: float = typer.Option(300.0, "--wait", help="Seconds to wait for backup and restore each"),
) -> None:
    """Back up a policy, restore it into scratch namespaces, compare, and measure the RTO."""
    from oco_pipelines.resilience.drill import backup_and_restore_once, scratch_name

    settings, warehouse = connect()
    gateway = open_clusters(settings)
    rows = warehouse.query("SELECT id::text FROM oco.dr_policies WHERE name = %s", [policy])
    if not rows:
        raise NotFoundError(f"there is no DR policy {policy!r}")
    done = backup_and_restore_once(
        warehouse,
        gateway,
        rows[0]["id"],
        scratch_name(policy, datetime.now(UTC)),
        requested_by=_ACTOR,
        wait_seconds=wait,
    )
    typer.echo(
        f"drill of {policy} passed: backup {done.backup_name}, {done.items} items came back, "
        f"RTO {_seconds(done.rto)}; the policy is {done.verdict}"
    )


def list_drills() -> None:
    """List restore drills, newest first."""
    _, warehouse = connect()
    rows = warehouse.query(
        """
        SELECT policy.name, drill.status, drill.reason, drill.measured_rto, drill.started_at,
               drill.requested_by, drill.cleaned_at
        FROM oco.dr_drills AS drill JOIN oco.dr_policies AS policy ON policy.id = drill.policy_id
        ORDER BY drill.started_at DESC LIMIT 50
        """
    )
    if not rows:
        typer.echo("there was no drill: `oco dr drill POLICY` does one")
        return
    table = Table("policy", "began", "by", "status", "RTO", "cleaned up", "why it failed")
    for row in rows:
        table.add_row(
            row["name"],
            row["started_at"].isoformat(timespec="seconds"),
            row["requested_by"],
            row["status"],
            _seconds(row["measured_rto"]) if row["measured_rto"] is not None else "",
            "yes" if row["cleaned_at"] else "not yet",
            row["reason"],
        )
    Console(highlight=False).print(table)


def _record(warehouse: Warehouse, backup: str, policy: str, target: str) -> dict[str, Any]:
    if bool(backup) == bool(policy):
        raise InvalidInputError("name a backup, or a policy with --policy; not both")
    rows = warehouse.query(
        """
        SELECT record.id::text, record.cluster, record.namespaces
        FROM oco.backup_records AS record
        LEFT JOIN oco.dr_policies AS policy ON policy.id = record.policy_id
        WHERE record.backup_name = %(backup)s OR record.id::text = %(backup)s
           OR (policy.name = %(policy)s AND record.vanished_at IS NULL
               AND (record.usable OR record.sound AND %(target)s NOT IN ('', record.cluster)))
        ORDER BY record.started_at DESC NULLS LAST, record.policy_id NULLS LAST LIMIT 1
        """,
        {"backup": backup or None, "policy": policy or None, "target": target},
    )
    if not rows:
        wanted = f"no backup {backup!r} is known" if backup else f"{policy!r} has no usable backup"
        raise NotFoundError(f"{wanted}; the table oco.backup_records lists what is known")
    return rows[0]


def _mapping(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        old, _, new = pair.partition("=")
        if not old or not new:
            raise InvalidInputError(f"--map {pair!r} must be OLD=NEW")
        found[old] = new
    return found


def _show(found: dict[str, Any]) -> None:
    _show_plan(found)
    _show_state(found)


def _show_plan(found: dict[str, Any]) -> None:
    typer.echo(f"{found['backup_name']} of {found['source_cluster']}")
    typer.echo(f"  into {found['target_cluster']}: {_targets(found)}")
    typer.echo(f"  existing objects: {found['existing_resource_policy']}")
    preview = found["preview"]
    if found["previewed_at"] is None:
        typer.echo(f"  no preview yet: {found['waiting_for'] or 'it is being made'}")
    else:
        for part in ("create", "skip", "overwrite"):
            _show_part(part, preview[part], preview["counts"][part])
        for clash in preview["clashes"]:
            typer.echo(f"  ! {clash}")


def _show_state(found: dict[str, Any]) -> None:
    line = f"  status: {found['status']}"
    if found["restore_phase"]:
        line += f", restore {found['restore_name']} is {found['restore_phase']}"
    if found["items_total"]:
        line += f", {found['items_restored']} of {found['items_total']} items handled"
    typer.echo(line)
    length = plans.took(found)
    if length is not None:
        checked = found["verification"].get("expected_objects", 0)
        typer.echo(f"  {checked} objects were looked for and found; it took {_seconds(length)}")
    if found["failure_reason"]:
        typer.echo(f"  {found['failure_reason']}")


def _show_part(part: str, shown: dict[str, Any], number: int) -> None:
    typer.echo(f"  would {part} {number}")
    for name in shown["objects"][:_SHOWN]:
        typer.echo(f"    {name}")
    if number > _SHOWN:
        typer.echo(f"    and {number - _SHOWN} more")


def _targets(found: dict[str, Any]) -> str:
    mapping = found["namespace_mapping"]
    return ", ".join(
        f"{name} as {mapping[name]}" if name in mapping else name for name in found["namespaces"]
    )


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():.1f} s"
