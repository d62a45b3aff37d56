"""Run a stand-in cluster as a process: `python -m oco_pipelines.resilience.standin`."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from oco_pipelines.resilience.standin.cluster import standin_cluster


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="A stand-in Kubernetes cluster with Velero.")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 for a free one")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="file that is written")
    parser.add_argument("--name", default="standin", help="name of the context")
    parser.add_argument("--namespace", action="append", default=[], help="may be repeated")
    parser.add_argument("--step-seconds", type=float, default=0.5, help="time of each phase")
    options = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    try:
        with standin_cluster(
            options.kubeconfig,
            options.name,
            namespaces=options.namespace or ["default"],
            port=options.port,
            step_seconds=options.step_seconds,
        ) as cluster:
            sys.stdout.write(f"{cluster.url}\n")
            sys.stdout.flush()
            done.wait()
    except OSError as error:
        sys.stderr.write(f"oco: the stand-in cluster did not start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
