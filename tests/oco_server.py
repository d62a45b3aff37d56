"""`oco` commands in processes of their own that need not import everything again.

Most commands take two seconds of CPU to import what they need. Run as
`python -m tests.oco_server`, this process imports all of that once and forks for each command that
it is told: arguments, environment, standard streams and the exit code are those of a new process.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, Final, NoReturn

from oco_cli import main as command_line

_TIMEOUT_SECONDS: Final = 60
# What commands import when they run.
_LATER: Final = (
    "botocore.session",
    "oco_pipelines.ingestion.focus_file",
    "oco_pipelines.ingestion.source_kinds",
    "oco_warehouse.migrations",
)


class OcoServer:
    """The process and what is said to it."""

    def __init__(self, folder: Path) -> None:
        self._streams = folder / "stdout", folder / "stderr"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.oco_server"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, arguments: list[str], environment: dict[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        """Run `oco` with arguments and nothing but this environment."""
        told, answers = self._process.stdin, self._process.stdout
        assert told is not None
        assert answers is not None
        request = {
            "arguments": arguments,
            "environment": environment,
            "folder": str(Path.cwd()),
            "streams": [str(path) for path in self._streams],
        }
        print(json.dumps(request), file=told, flush=True)
        code = int(answers.readline())
        output, errors = (path.read_text() for path in self._streams)
        return subprocess.CompletedProcess(["oco", *arguments], code, output, errors)

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=_TIMEOUT_SECONDS)


def _serve() -> None:
    tables = [command_line._COMMANDS, *(table for _, table in command_line._GROUPS.values())]
    for table in tables:
        for module, _, _ in table.values():
            importlib.import_module(module)
    for module in _LATER:
        importlib.import_module(module)
    while line := sys.stdin.readline():
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(request)
            _run_and_end()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run_and_end() -> NoReturn:
    code: object = 0
    try:
        command_line.main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Not by way of the interpreter: polars would wait for a thread that a fork does not have.
    os._exit(code if isinstance(code, int) else 1)


def _become(request: dict[str, Any]) -> None:
    """Make a fork what a new process would be."""
    signal.alarm(_TIMEOUT_SECONDS)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["oco", *request["arguments"]]
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    descriptors = [os.open(os.devnull, os.O_RDONLY)]
    descriptors += [os.open(path, writing, 0o600) for path in request["streams"]]
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
        os.close(descriptor)


if __name__ == "__main__":
    _serve()
