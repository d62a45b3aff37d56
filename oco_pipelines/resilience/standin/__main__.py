"""Run a stand-in cluster as a process: `python -m oco_pipelines.resilience.standin`."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from oco_pipelines.resilience.standin.cluster import standin_clusters


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        description="Stand-in Kubernetes clusters with Velero and one bucket."
    )
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 for a free one")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="file that is written")
    parser.add_argument(
        "--name", action="append", default=[], help="name of a context; repeat it for more clusters"
    )
    parser.add_argument(
        "--namespace", action="append", default=[], help="of the first cluster; may be repeated"
    )
    parser.add_argument(
        "--sync-seconds", type=float, default=5.0, help="how often clusters look into the bucket"
    )
    parser.add_argument("--step-seconds", type=float, default=0.5, help="time of each phase")
    options = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    try:
        with standin_clusters(
            options.kubeconfig,
            options.name or ["standin"],
            namespaces=options.namespace or ["default"],
            port=options.port,
            step_seconds=options.step_seconds,
            sync_seconds=options.sync_seconds,
        ) as clusters:
            for cluster in clusters.values():
                sys.stdout.write(f"{cluster.url}\n")
            sys.stdout.flush()
            done.wait()
    except OSError as error:
        sys.stderr.write(f"oco: the stand-in cluster did not start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
