"""The first materialisation of `oco up`: run as a process of its own, its progress shown."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from oco_cli.processes import ProcessEndedError, Processes, last_words
from oco_warehouse.database import Warehouse


def bootstrap_once(
    console: Console, processes: Processes, warehouse: Warehouse, home: Path
) -> list[str]:
    """The first materialisation, unless it is done; what failed in it, a line each."""
    # Made before and removed after, so that a start which was cut off is made up for.
    pending = home / "run" / "bootstrap.pending"
    if is_built(warehouse) and not pending.exists():
        return []
    pending.parent.mkdir(parents=True, exist_ok=True)
    pending.touch()
    failures = _bootstrap(console, processes)
    if not failures:
        pending.unlink()
    return failures


def describe_step(event: dict[str, Any]) -> str:
    """A step that ended, for people; rows and seconds are there only where it got so far."""
    rows = f", {event['rows']:,} rows" if "rows" in event else ""
    seconds = f", {event['seconds']:.1f} s" if "seconds" in event else ""
    return f"{event['step']}: {event['state']}{rows}{seconds}"


def _bootstrap(console: Console, processes: Processes) -> list[str]:
    """Materialise everything once, before any schedule or sensor runs.

    Raises:
        ProcessEndedError: when it ended without having tried everything.
    """
    child = processes.start(
        "bootstrap", [sys.executable, "-m", "oco_pipelines.bootstrap", "--restate"], pipe=True
    )
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    failures: list[str] = []
    finished = False
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task("Loading data and building the marts", total=None)
        for line in child.process.stdout or ():
            event = json.loads(line)
            step, state = event["step"], event["state"]
            if step == "everything":
                finished = True
                continue
            progress.update(task, description=f"{step}: {state}")
            if state == "failed":
                failures.append(event.get("error", f"{step}: see the log"))
            if state != "started":
                console.print(f"  {describe_step(event)}", markup=False)
    code = processes.finish(child)
    if not finished:
        raise ProcessEndedError(
            f"the first materialisation broke off (exit code {code}): {last_words(child.log)}; "
            f"see {child.log}"
        )
    if code != 0 and not failures:
        failures.append(last_words(child.log))
    return failures


def is_built(warehouse: Warehouse) -> bool:
    """Whether the marts that people are shown are there."""
    rows = warehouse.query(
        "SELECT to_regclass('marts.fct_cost_daily') IS NOT NULL "
        "AND to_regclass('marts.fct_llm_usage_daily') IS NOT NULL AS built"
    )
    return bool(rows[0]["built"])
