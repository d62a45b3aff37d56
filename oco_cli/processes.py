"""Child processes of `oco up`: each in a group of its own, all gone when we are.

Ctrl-C in the terminal reaches only `oco up`, which then stops its children in order. When `oco up`
itself is killed, Linux sends each child SIGTERM.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from oco_warehouse.errors import OpenCloudOpsError

STOP_SECONDS: Final = 20.0
_LOG_LINES: Final = 12


class ProcessEndedError(OpenCloudOpsError):
    """A process that must keep running ended by itself."""


@dataclass(frozen=True)
class Child:
    """A running child process and its log."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path


class Processes:
    """Starts children and stops them all.

    Args:
        logs: folder of their logs.
        environment: what every child finds in its environment.
    """

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        # `python -m` would import what happens to lie in the folder that we were started in.
        self._environment = {**environment, "PYTHONSAFEPATH": "1"}
        self._children: list[Child] = []

    def start(self, name: str, command: Sequence[str], *, pipe: bool = False) -> Child:
        """Start one; with `pipe` its standard output can be read instead of being logged."""
        log = self._logs / f"{name}.log"
        setpriv = shutil.which("setpriv")
        prefix = [] if setpriv is None else [setpriv, "--pdeathsig", "TERM", "--"]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*prefix, *command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else output,
                stderr=output,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raise when any child ended.

        Raises:
            ProcessEndedError: one line naming it, its exit code, its last words and its log.
        """
        for child in self._children:
            code = child.process.poll()
            if code is not None and code < 0:
                raise ProcessEndedError(
                    f"{child.name} was killed by {signal.Signals(-code).name}; see {child.log}"
                )
            if code is not None:
                raise ProcessEndedError(
                    f"{child.name} ended by itself (exit code {code}): "
                    f"{last_words(child.log)}; see {child.log}"
                )

    def wait_for(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until a service answers.

        Raises:
            ProcessEndedError: when a child ended meanwhile, or it did not answer in time.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ProcessEndedError(
                    f"{name} did not answer within {seconds:.0f} s; see {self._logs}"
                )
            time.sleep(0.1)

    def finish(self, child: Child) -> int:
        """Wait for a child that ends by itself; its exit code."""
        code = child.process.wait()
        self._children.remove(child)
        return code

    def stop(self) -> None:
        """Stop all, the last started first; what does not end in time is killed with its group."""
        for child in reversed(self._children):
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in reversed(self._children):
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            # What the child left behind: runs of the code server, for example.
            if not _group_ends(child.process.pid, 2.0):
                _signal_group(child.process.pid, signal.SIGKILL)
                _group_ends(child.process.pid, 2.0)
        self._children.clear()


def last_words(log: Path) -> str:
    """The last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()[-_LOG_LINES:]]
    return next((line for line in reversed(lines) if line), "it said nothing")


def answers(url: str) -> bool:
    """Whether a service answers 200 at an address."""
    try:
        return httpx.get(url, timeout=2.0).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _group_ends(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _signal_group(group, 0):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
