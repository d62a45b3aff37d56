"""Dagster's code server, which loads the definitions again when the accounts of the API change.

`python -m oco_pipelines.code_server --host 127.0.0.1 --port 4000`. Runs that are under way go on in
the process that they began in.
"""

import argparse
import logging
import os
import runpy
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from oco_pipelines.ingestion.accounts import kept_file
from oco_warehouse.settings import load_settings

LOCATION: Final = "open_cloud_ops"
_LOOK_SECONDS: Final = 1.0
_RELOAD_SECONDS: Final = 300
Version = tuple[int, int] | None
_log = logging.getLogger("dagster.code_server")


def main() -> None:
    """Serve until the process is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m oco_pipelines.code_server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    asked = parser.parse_args()
    kept = kept_file(load_settings(os.environ))
    watching = threading.Thread(
        target=watch,
        args=(kept, version(kept), _reloads(asked.port), threading.Event()),
        name="accounts-of-the-api",
        daemon=True,
    )
    watching.start()
    sys.argv = [
        *("dagster", "code-server", "start", "--module-name", "oco_pipelines.definitions"),
        *("--host", asked.host, "--port", str(asked.port), "--location-name", LOCATION),
        "--inject-env-vars-from-instance",
    ]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)


def watch(
    path: Path,
    seen: Version,
    reload: Callable[[], bool],
    stop: threading.Event,
    seconds: float = _LOOK_SECONDS,
) -> None:
    """Call `reload` whenever the file is another one than was seen, until `stop` is set.

    A reload that fails (False) is tried again at the next look, `seconds` later.
    """
    while not stop.wait(seconds):
        now = version(path)
        if now != seen and reload():
            seen = now


def version(path: Path) -> Version:
    """What tells one file from the next at the same place; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _reloads(port: int) -> Callable[[], bool]:
    def reload() -> bool:
        from dagster._core.errors import DagsterUserCodeUnreachableError
        from dagster._grpc.client import DagsterGrpcClient

        _log.info("The accounts of the API changed: the definitions are loaded again")
        try:
            DagsterGrpcClient(host="127.0.0.1", port=port).reload_code(timeout=_RELOAD_SECONDS)
        except DagsterUserCodeUnreachableError as error:
            _log.warning("They could not be loaded again, next try in a second: %s", error)
            return False
        return True

    return reload


if __name__ == "__main__":
    main()
