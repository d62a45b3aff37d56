"""`oco demo`: everything once, from end to end, on this machine alone."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final, TextIO

import typer
from dagster import AssetKey, DagsterInstance
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from oco_cli.connect import connect
from oco_cli.demo_calls import send_calls
from oco_cli.environment import process_environment
from oco_cli.spend import spend_by_source, spend_table
from oco_cli.up import dagster_home
from oco_pipelines.bootstrap import Outcome, materialise_everything
from oco_pipelines.bootstrap import Progress as Step
from oco_pipelines.definitions import build
from oco_pipelines.resilience.drill import Drill, backup_and_restore_once
from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway
from oco_pipelines.resilience.standin import standin_cluster
from oco_pipelines.resources import use_settings
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, OpenCloudOpsError
from oco_warehouse.money import exact_sum
from oco_warehouse.settings import Settings

CLUSTER: Final = "demo"
NAMESPACE: Final = "demo-shop"
SCRATCH: Final = "demo-shop-drill"
POLICY: Final = "demo-shop-daily"


class DemoFailedError(OpenCloudOpsError):
    """A step of the demo did not do what it must."""


def demo(
    json_file: Path | None = typer.Option(
        None, "--json", help="Write the same figures to this file"
    ),
) -> None:
    """Run everything once from end to end and show the spend by source.

    Migrates, ingests, sends LLM calls through a gateway to a local stand-in provider, materialises
    every asset, and takes and restores a backup on a local Kubernetes stand-in. What it adds to the
    warehouse carries the organization `demo`.
    """
    # Bound now: what Dagster and dbt say is sent elsewhere later.
    console = Console(file=sys.stdout, highlight=False)
    began = time.monotonic()
    if json_file is not None:
        check_writable(json_file)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("Preparing the warehouse", total=None)

        def say(message: str) -> None:
            progress.update(task, description=message)
            if not console.is_terminal:
                console.print(message, markup=False)

        settings, warehouse = connect(say)
        dagster_home(settings)
        # Dagster and dbt find their servers in the environment.
        os.environ.update(process_environment(settings))
        report = _run(settings, warehouse, say)
    report["seconds"] = round(time.monotonic() - began, 1)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    console.print(spend_table(warehouse))
    console.print(
        f"{report['llm']['answered']} model calls answered, {report['llm']['refused']} refused by "
        f"a budget; {len(report['assets'])} assets materialised; {report['checks_passed']} checks "
        f"passed; backed up and restored in {report['resilience']['seconds']} s; "
        f"{report['seconds']} s in all."
    )


def check_writable(file: Path) -> None:
    """Refuse at the start what could not be written at the end.

    Raises:
        InvalidInputError: when a file cannot be made there.
    """
    folder = file.absolute().parent
    if not folder.is_dir():
        raise InvalidInputError(f"--json {file}: the folder does not exist")
    if file.is_dir() or not os.access(file if file.exists() else folder, os.W_OK):
        raise InvalidInputError(f"--json {file}: cannot be written; name a file")


def _run(settings: Settings, warehouse: Warehouse, say: Any) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="oco-demo-") as scratch,
        standin_cluster(Path(scratch) / "kubeconfig", CLUSTER, namespaces=(NAMESPACE,)) as cluster,
        _quiet(settings) as log,
    ):
        settings = settings.model_copy(update={"kubeconfig": cluster.kubeconfig})
        use_settings(settings)
        with (
            redirect_stdout(log),
            redirect_stderr(log),
            DagsterInstance.get() as instance,
            _policy(warehouse) as policy,
        ):
            say("Loading model prices")
            _load_prices(settings, instance)
            say("Sending model calls through the gateway")
            calls = send_calls(settings, warehouse)
            say("Taking and restoring a backup")
            gateway = KubernetesGateway(cluster.kubeconfig)
            drill = backup_and_restore_once(
                warehouse, gateway, policy, SCRATCH, requested_by="oco demo"
            )
            outcome = materialise_everything(settings, instance, lambda step: _tell(step, say))
    if not outcome.ok:
        raise DemoFailedError(f"the demo failed: {'; '.join(outcome.failures)}")
    return _report(warehouse, calls.answered, calls.refused, drill, outcome)


def _load_prices(settings: Settings, instance: DagsterInstance) -> None:
    # Before the first call: a call is priced when it is made.
    job = build(settings).resolve_implicit_global_asset_job_def()
    job.execute_in_process(asset_selection=[AssetKey("model_pricing")], instance=instance)


def _tell(step: Step, say: Any) -> None:
    if step.state == "started":
        say(f"Materialising {step.step}")


def _report(
    warehouse: Warehouse, answered: int, refused: int, drill: Drill, outcome: Outcome
) -> dict[str, Any]:
    spend = spend_by_source(warehouse)
    return {
        "spend": [{**row._asdict(), "spent_usd": f"{row.spent_usd:f}"} for row in spend],
        "total_usd": f"{exact_sum(row.spent_usd for row in spend):f}",
        "llm": {"answered": answered, "refused": refused},
        "resilience": {
            "backup": drill.backup_name,
            "restored_items": drill.items,
            "seconds": round(drill.seconds, 1),
            "verdict": drill.verdict,
        },
        "assets": {
            name: {"materialised": asset.materialised, "rows": asset.rows}
            for name, asset in sorted(outcome.assets.items())
        },
        "checks_passed": outcome.checks_passed,
    }


@contextmanager
def _policy(warehouse: Warehouse) -> Iterator[str]:
    """A DR policy for the stand-in cluster, switched off again when that is gone."""
    rows = warehouse.query(
        "INSERT INTO oco.dr_policies (name, description, cluster, namespaces, schedule_cron, "
        "rpo_target, rto_target) VALUES (%s, 'Made by `oco demo`', %s, %s, '0 3 * * *', "
        "interval '26 hours', interval '15 minutes') "
        "ON CONFLICT (name) DO UPDATE SET enabled = true, last_due_at = now() RETURNING id",
        [POLICY, CLUSTER, [NAMESPACE]],
    )
    try:
        yield str(rows[0]["id"])
    finally:
        warehouse.execute("UPDATE oco.dr_policies SET enabled = false WHERE name = %s", [POLICY])


@contextmanager
def _quiet(settings: Settings) -> Iterator[TextIO]:
    """What Dagster and dbt say goes to a log file, so that people see progress and figures."""
    path = settings.home.expanduser().absolute() / "logs" / "demo.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        yield log
