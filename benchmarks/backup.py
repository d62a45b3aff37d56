"""From a due time to its Velero Backup, with many policies due at the same moment.

A real Dagster daemon and code location, as `oco up` starts them, an embedded PostgreSQL, and the
stand-in cluster in this process, which notes when each Backup object is created. All policies are
due at one minute; what is measured is from that minute to the object, and from there to its start.
"""

import os
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.report import Figures, arguments, tell
from oco_cli.environment import process_environment
from oco_cli.processes import Processes
from oco_cli.up import dagster_home
from oco_pipelines.marts.project import ensure_manifest
from oco_pipelines.resilience.standin import StandinCluster, standin_cluster
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.embedded_guardian import free_port
from oco_warehouse.settings import load_settings

# The daemon must have ticked before; the first tick loads what later ones have.
_LEAD = timedelta(seconds=75)
_PATIENCE_SECONDS = 900.0
_FOLLOW_SECONDS = 300.0


class Watch:
    """When each Backup object was created, by this machine's clock."""

    def __init__(self, cluster: StandinCluster) -> None:
        self._cluster = cluster
        self.created: dict[str, float] = {}
        self.done = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        objects = self._cluster.objects
        version = objects.version
        while not self.done.is_set():
            with objects.changed:
                objects.changed.wait(0.05)
                now, changes = time.time(), objects.since(version)
            for change in changes:
                version = change.version
                if change.resource.kind == "Backup" and change.type == "ADDED":
                    self.created[change.body["metadata"]["name"]] = now


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 3)


def measure(count: int) -> Figures:
    """Take `count` backups that are due at once."""
    with tempfile.TemporaryDirectory(prefix="oco-bench-") as folder:
        home = Path(folder)
        with (
            standin_cluster(
                home / "kubeconfig", "bench", namespaces=["shop"], step_seconds=0.01
            ) as cluster,
            embedded_servers(load_settings({"OCO_HOME": folder})) as attached,
        ):
            settings = attached.model_copy(update={"kubeconfig": cluster.kubeconfig})
            url = settings.warehouse_url()
            migrations.upgrade(url)
            warehouse, watch = Warehouse(url), Watch(cluster)
            due = (datetime.now(UTC) + _LEAD + timedelta(minutes=1)).replace(
                second=0, microsecond=0
            )
            warehouse.execute(
                """
                INSERT INTO oco.dr_policies
                    (name, cluster, namespaces, schedule_cron, rpo_target, rto_target)
                SELECT 'policy-' || n, 'bench', '{shop}', %s, '400 days', '1 hour'
                FROM generate_series(1, %s) AS n
                """,
                [f"{due.minute} {due.hour} {due.day} {due.month} *", count],
            )
            dagster_home(settings)
            environment = {
                **os.environ,
                **process_environment(settings),
                "OCO_KUBECONFIG": str(cluster.kubeconfig),
            }
            ensure_manifest()
            processes = Processes(home, environment)
            try:
                _run_until(processes, watch, count, due)
                _wait_for_starts(warehouse, count)
            finally:
                processes.stop()
                watch.done.set()
            return {
                **_figures(warehouse, watch, due),
                "shown_in_dagster": _materialisations(Warehouse(settings.dagster_url())),
            }


def _run_until(processes: Processes, watch: Watch, count: int, due: datetime) -> None:
    python, port = sys.executable, free_port(0)
    code = ("--grpc-host", "127.0.0.1", "--grpc-port", str(port))
    processes.start(
        "dagster-code",
        [
            *(python, "-m", "dagster", "api", "grpc", "--module-name", "oco_pipelines.definitions"),
            *("--host", "127.0.0.1", "--port", str(port), "--location-name", "open_cloud_ops"),
            "--inject-env-vars-from-instance",
        ],
    )
    processes.start("dagster-daemon", [python, "-m", "dagster._daemon", "run", *code])
    left = (due - datetime.now(UTC)).total_seconds() + _PATIENCE_SECONDS
    processes.wait_for("the backups", lambda: len(watch.created) >= count, left)


def _wait_for_starts(warehouse: Warehouse, count: int) -> None:
    # The daemon follows them, beside the first load of a fresh warehouse; what is not followed in
    # time has no figure.
    end = time.monotonic() + _FOLLOW_SECONDS
    while time.monotonic() < end:
        rows = warehouse.query(
            "SELECT count(*) AS n FROM oco.backup_records WHERE started_at IS NOT NULL"
        )
        if rows[0]["n"] >= count:
            return
        time.sleep(1)


def _materialisations(storage: Warehouse) -> int:
    rows = storage.query(
        "SELECT count(*) AS n FROM event_logs WHERE asset_key = '[\"backups\"]' "
        "AND dagster_event_type = 'ASSET_MATERIALIZATION'"
    )
    count: int = rows[0]["n"]
    return count


def _figures(warehouse: Warehouse, watch: Watch, due: datetime) -> Figures:
    rows = warehouse.query(
        "SELECT backup_name, triggered_at, started_at FROM oco.backup_records "
        "WHERE due_at IS NOT NULL"
    )
    created = {row["backup_name"]: watch.created[row["backup_name"]] for row in rows}
    late = [at - due.timestamp() for at in created.values()]
    triggered = [created[r["backup_name"]] - r["triggered_at"].timestamp() for r in rows]
    # Velero's own times have whole seconds.
    started = [
        max(r["started_at"].timestamp() - created[r["backup_name"]], 0.0)
        for r in rows
        if r["started_at"] is not None
    ]
    names = len(rows)
    return {
        "policies": names,
        "backups": len(watch.created),
        "due_to_created_p50_s": quantile(late, 0.5),
        "due_to_created_p99_s": quantile(late, 0.99),
        "due_to_created_max_s": quantile(late, 1.0),
        "triggered_to_created_p50_s": quantile(triggered, 0.5),
        "triggered_to_created_p99_s": quantile(triggered, 0.99),
        "created_to_started_p50_s": quantile(started, 0.5) if started else -1,
        "created_to_started_p99_s": quantile(started, 0.99) if started else -1,
        "started": len(started),
    }


def main() -> None:
    options = arguments(__doc__.partition("\n")[0], policies=100)
    tell(measure(options.policies), options.json)


if __name__ == "__main__":
    main()
