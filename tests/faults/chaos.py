"""`make chaos`: one fault after another under load, and what became of the calls.

Each fault has two agents with hard budgets of their own: a tight one that is used up while the
fault lasts, and one so wide that calls go on to the end. A call in twenty meets an error of the
provider, a client in twenty hangs up. What clients saw, what the provider was asked and what the
warehouse holds must say the same; `promises.py` has what else must hold.
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
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.faults.field import Field, play
from tests.faults.promises import broken_by_faults
from tests.faults.tally import Call, refusals

CLIENTS = 4
DISK_BYTES = 256 * 1024
BALLAST_BYTES = 160 * 1024
# Without a disk of its own, a gateway's files may grow to what such a disk would leave it.
FILE_BYTES = 48 * 1024
# A call of the tight budget costs some 0.00055 dollars: eighteen use it up.
TIGHT_LIMIT = Decimal("0.01")
TIGHT_TOKENS = 900
WIDE_LIMIT = Decimal(1000)


@dataclass(frozen=True)
class Lengths:
    """How long faults last, in seconds, and how often a gateway is killed."""

    outage: float
    kills: int
    flushes: int


@dataclass
class Stage:
    """When the fault began and ended, in monotonic seconds, and when the load is over."""

    began: float = 0.0
    ended: float = 0.0
    broken: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def fault(self) -> Iterator[None]:
        """The block in which something is broken."""
        self.began = time.monotonic()
        self.broken.set()
        yield
        self.ended = time.monotonic()

    def during(self, calls: list[Call]) -> list[Call]:
        """Calls that began and ended while it was broken."""
        return [call for call in calls if self.began < call.began and call.ended < self.ended]

    def after(self, calls: list[Call]) -> list[Call]:
        """Calls that began when it was mended."""
        return [call for call in calls if call.began > self.ended]


@dataclass(frozen=True)
class Fault:
    """Something to break, and how much its tight budget allows."""

    breaks: Callable[[Field, Stage], None]
    limit: Decimal = TIGHT_LIMIT


async def _load(field: Field, name: str, stage: Stage) -> list[Call]:
    chance = random.Random(name)
    calls: list[Call] = []

    async def call(session: aiohttp.ClientSession, agent: str, tokens: int) -> None:
        luck = chance.random()
        leave = chance.uniform(0, 0.2) if 0.05 <= luck < 0.1 else None
        delay = 0.02 if leave is None else 0.3
        knobs = f"delay={delay},tokens={tokens}" + (",status=500" if luck < 0.05 else "")
        gateway = chance.choice(field.gateways)
        calls.append(await field.call(session, gateway, agent, knobs, leave))
        if not calls[-1].answered:
            await asyncio.sleep(0.05)  # refused or broken off: as a client backs off

    async def use_up_the_tight(session: aiohttp.ClientSession) -> None:
        while not stage.over.is_set():
            # Known to every store before the fault, but used up only in it.
            if stage.broken.is_set() or len(calls) % 50 == 0:
                await call(session, name, TIGHT_TOKENS)
            else:
                await asyncio.sleep(0.02)

    async def go_on(session: aiohttp.ClientSession) -> None:
        while not stage.over.is_set():
            await call(session, wide(name), chance.randint(10, 60))

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(use_up_the_tight(session))
            clients.create_task(go_on(session))
    return calls


def wide(name: str) -> str:
    """The agent beside the tight one."""
    return f"{name}_wide"


def under_load(field: Field, name: str, fault: Fault) -> dict[str, Any]:
    """Break something while clients call; figures about their calls."""
    stage = Stage()
    calls: list[Call] = []
    load = threading.Thread(target=lambda: calls.extend(asyncio.run(_load(field, name, stage))))
    load.start()
    try:
        time.sleep(1)
        fault.breaks(field, stage)
        ready = field.wait_until_whole()
        time.sleep(1)
    finally:
        stage.over.set()
        load.join()
    figures = field.settled([name, wide(name)], calls)
    during, after = stage.during(calls), stage.after(calls)
    return figures | {
        "during": {
            "answered": sum(call.answered for call in during),
            "refused": refusals(during),
        },
        "after": {"answered": sum(call.answered for call in after), "ready": ready},
    }


def faults(lengths: Lengths) -> dict[str, Fault]:
    """What can be broken in a field, by name."""

    def kill_gateways(field: Field, stage: Stage) -> None:
        chance = random.Random(7)
        with stage.fault():
            for _ in range(lengths.kills):
                gateway = chance.choice(field.gateways)
                time.sleep(chance.uniform(0, 0.5))
                gateway.kill()
                gateway.start()
                gateway.wait()

    def stop_postgres(field: Field, stage: Stage) -> None:
        with field.postgres.frozen(), stage.fault():
            time.sleep(lengths.outage)

    def end_postgres(field: Field, stage: Stage) -> None:
        field.postgres.stop()
        with stage.fault():
            time.sleep(lengths.outage)
        field.postgres.start()

    def flush_redis(field: Field, stage: Stage) -> None:
        with stage.fault():
            for _ in range(lengths.flushes):
                field.redis.flush()
                time.sleep(1.2)

    def stop_redis(field: Field, stage: Stage) -> None:
        field.redis.stop()
        with stage.fault():
            time.sleep(lengths.outage)
        field.redis.start()

    def end_both(field: Field, stage: Stage) -> None:
        field.redis.stop()
        field.postgres.stop()
        # What was admitted before has its answer by then.
        time.sleep(0.5)
        with stage.fault():
            time.sleep(lengths.outage)
        field.postgres.start()
        field.redis.start()

    return {
        "gateway_killed": Fault(kill_gateways, TIGHT_LIMIT * lengths.kills),
        "postgres_stopped": Fault(stop_postgres),
        "postgres_down": Fault(end_postgres),
        "redis_flushed": Fault(flush_redis, TIGHT_LIMIT * lengths.flushes / 2),
        "redis_stopped": Fault(stop_redis),
        "both_down": Fault(end_both),
    }


def break_servers(field: Field, lengths: Lengths) -> dict[str, dict[str, Any]]:
    """Every fault of a server or a gateway; figures by fault."""
    kinds = faults(lengths)
    limits = {name: fault.limit for name, fault in kinds.items()}
    field.give_budgets(limits | {wide(name): WIDE_LIMIT for name in kinds})
    figures = {}
    for name, fault in kinds.items():
        sys.stderr.write(f"{name} …\n")
        figures[name] = under_load(field, name, fault)
    return figures


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A folder on a disk of its own that is soon full; False where this user may not mount one."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        yield False
        return
    try:
        # Something else takes what is left but for some records.
        (folder / "ballast").write_bytes(b"x" * BALLAST_BYTES)
        yield True
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_disk(home: Path, lengths: Lengths) -> dict[str, dict[str, Any]]:
    """PostgreSQL stands still until the spool's disk is full, and a while longer."""

    def stop_postgres(field: Field, stage: Stage) -> None:
        with field.postgres.frozen(), stage.fault():
            time.sleep(lengths.outage)

    name = "disk_full"
    sys.stderr.write(f"{name} …\n")
    disk = home / "disk"
    with (
        small_disk(disk) as mounted,
        play(home, 2, disk, None if mounted else FILE_BYTES) as field,
    ):
        field.give_budgets({name: TIGHT_LIMIT, wide(name): WIDE_LIMIT})
        return {name: under_load(field, name, Fault(stop_postgres))}


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--outage", type=float, default=60, help="seconds of each outage")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--flushes", type=int, default=10)
    options = parser.parse_args()
    lengths = Lengths(options.outage, options.kills, options.flushes)
    with tempfile.TemporaryDirectory(prefix="oco-chaos-") as folder:
        with play(Path(folder) / "servers", 3) as field:
            figures = break_servers(field, lengths)
        figures |= fill_disk(Path(folder) / "narrow", lengths)
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    if broken := broken_by_faults(figures):
        sys.exit("broken: " + "; ".join(broken))


if __name__ == "__main__":
    main()
