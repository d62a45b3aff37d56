"""`make chaos`: one fault after another under load, and what became of the calls.

Each fault has two agents with hard budgets of their own: one that the load uses up, and one so wide
that calls go on to the end. Clients note the id of every answer that they received whole: each must
be exactly one row, and both budgets must hold.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.faults.field import Field, Outcome, play

CLIENTS = 4
SPOOL_BYTES = "256k"
BALLAST_BYTES = 200 * 1024
LIMIT = Decimal("0.02")
WIDE_LIMIT = Decimal(1000)


@dataclass(frozen=True)
class Lengths:
    """How long faults last, in seconds, and how often a gateway is killed."""

    outage: float
    kills: int
    flushes: int


async def _load(field: Field, agent: str, outcome: Outcome, over: threading.Event) -> None:
    chance = random.Random(agent)

    async def client(session: aiohttp.ClientSession) -> None:
        while not over.is_set():
            gateway = chance.choice(field.gateways)
            knobs = f"delay=0.02,tokens={chance.randint(10, 60)}"
            before = len(outcome.answered)
            await field.call(session, gateway.url, agent, knobs, outcome)
            if len(outcome.answered) == before:
                await asyncio.sleep(0.05)  # refused or broken off: as a client backs off

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(client(session))


def _run_load(field: Field, agent: str, outcome: Outcome, over: threading.Event) -> None:
    asyncio.run(_load(field, agent, outcome, over))


def under_load(field: Field, agent: str, fault: Callable[[], None]) -> dict[str, Any]:
    """Break something while clients call; figures about the agent's calls."""
    over = threading.Event()
    outcomes = {agent: Outcome(), f"{agent}_wide": Outcome()}
    loads = []
    for name, limit in zip(outcomes, (LIMIT, WIDE_LIMIT), strict=True):
        field.budget(name, limit)
        loads.append(threading.Thread(target=_run_load, args=(field, name, outcomes[name], over)))
    for load in loads:
        load.start()
    time.sleep(1)
    try:
        fault()
    finally:
        time.sleep(1)
        over.set()
        for load in loads:
            load.join()
    figures: dict[str, Any] = {}
    refused: dict[int, int] = {}
    for name, outcome in outcomes.items():
        for key, value in field.settled(name, outcome.answered).items():
            figures[key] = figures.get(key, 0) + value
        for status, count in outcome.refused.items():
            refused[status] = refused.get(status, 0) + count
    figures["refused"] = dict(sorted(refused.items()))
    figures["failed"] = sum(outcome.failed for outcome in outcomes.values())
    return figures


def faults(field: Field, lengths: Lengths) -> dict[str, Callable[[], None]]:
    """What can be broken, by name."""

    def kill_gateways() -> None:
        chance = random.Random(7)
        for _ in range(lengths.kills):
            gateway = chance.choice(field.gateways)
            time.sleep(chance.uniform(0, 0.5))
            gateway.kill()
            gateway.start()
            gateway.wait()

    def stop_postgres() -> None:
        field.freeze_postgres(frozen=True)
        time.sleep(lengths.outage)
        field.freeze_postgres(frozen=False)

    def flush_redis() -> None:
        for _ in range(lengths.flushes):
            field.redis.flush()
            time.sleep(1)

    def stop_redis() -> None:
        field.redis.stop()
        time.sleep(lengths.outage)
        field.redis.start()
        time.sleep(3)

    return {
        "gateway_killed": kill_gateways,
        "postgres_stopped": stop_postgres,
        "redis_flushed": flush_redis,
        "redis_stopped": stop_redis,
    }


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder on a disk of its own that is soon full. Needs root, for mount.

    Raises:
        PermissionError: when this user may not mount anything.
    """
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SPOOL_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        raise PermissionError("a small disk needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def break_servers(home: Path, lengths: Lengths) -> dict[str, dict[str, Any]]:
    """Every fault of a server or a gateway; figures by fault."""
    figures = {}
    with play(home, 2) as field:
        for name, fault in faults(field, lengths).items():
            sys.stderr.write(f"{name} …\n")
            figures[name] = under_load(field, name, fault)
    return figures


def fill_disk(home: Path, lengths: Lengths) -> dict[str, dict[str, Any]]:
    """PostgreSQL stands still until the spool's disk is full, and a while longer.

    Raises:
        PermissionError: when this user may not mount a small disk.
    """
    with small_disk(home / "disk") as disk, play(home, 2, disk) as field:
        sys.stderr.write("disk_full …\n")
        # Something else takes what is left but for a few records.
        (disk / "ballast").write_bytes(b"x" * BALLAST_BYTES)

        def fault() -> None:
            field.freeze_postgres(frozen=True)
            time.sleep(lengths.outage)
            field.freeze_postgres(frozen=False)
            time.sleep(2)

        return {"disk_full": under_load(field, "disk_full", fault)}


def broken_promises(figures: dict[str, dict[str, Any]]) -> list[str]:
    """What the figures say that must not be."""
    broken = []
    for fault, found in figures.items():
        broken += [
            f"{fault}: {name} is {found[name]}"
            for name in ("unrecorded", "double_rows", "overspend_usd", "spent_minus_rows_usd")
            if found[name] != 0
        ]
        if not found["answered"]:
            broken.append(f"{fault}: no call was answered, so nothing was shown")
    return broken


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--outage", type=float, default=60, help="seconds of each outage")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--flushes", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oco-chaos-") as folder:
        lengths = Lengths(options.outage, options.kills, options.flushes)
        figures = break_servers(Path(folder) / "servers", lengths)
        figures |= fill_disk(Path(folder) / "narrow", lengths)
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    if broken := broken_promises(figures):
        sys.exit("broken: " + "; ".join(broken))


if __name__ == "__main__":
    main()
