"""`oco demo` as a person runs it: from nothing, on embedded servers, to a table of spend."""

import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

OCO = Path(sys.executable).with_name("oco")
RAW_SUMS = """
SELECT 'llm' AS source, provider, count(*) AS records, sum(cost_usd) AS usd
FROM oco.api_requests GROUP BY 2
UNION ALL
SELECT 'resilience', provider, count(*), sum(cost_usd) FROM oco.cloud_costs
WHERE valid_to IS NULL AND tags::text LIKE '%"velero.io/%' GROUP BY 2
UNION ALL
SELECT 'cloud', provider, count(*), sum(cost_usd) FROM oco.cloud_costs
WHERE valid_to IS NULL AND tags::text NOT LIKE '%"velero.io/%' GROUP BY 2
"""


def oco(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [OCO, *arguments],
        env={**os.environ, "OCO_HOME": str(home), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def figures(rows: list[dict[str, Any]], money: str) -> set[tuple[str, str, int, Decimal]]:
    return {
        (row["source"], row["provider"], int(row["records"]), Decimal(row[money])) for row in rows
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_ends_at_once_when_interrupted_and_the_next_one_reaches_every_part(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    interrupt(home, tmp_path / "demo.log", "Materialising cloud_costs")
    wait_until_nothing_is_left(home)
    oco(home, "demo", "--json", str(tmp_path / "demo.json"))
    report: dict[str, Any] = json.loads((tmp_path / "demo.json").read_text())
    assert {row["source"] for row in report["spend"]} == {"llm", "cloud", "resilience"}
    assert [name for name, asset in report["assets"].items() if not asset["materialised"]] == []
    assert report["llm"] == {"answered": 8, "refused": 1}
    assert report["resilience"]["verdict"] == "PolicyMet"
    raw = json.loads(oco(home, "sql", "--format", "json", RAW_SUMS))
    assert figures(report["spend"], "spent_usd") == figures(raw, "usd")
    assert Decimal(report["total_usd"]) == sum(Decimal(row["usd"]) for row in raw)
    # Eight calls of each; what was loaded before stands there once.
    assert [row["records"] for row in report["spend"] if row["source"] == "llm"] == [16]


def interrupt(home: Path, log: Path, step: str) -> None:
    """Begin a demo, and press Ctrl-C when it says that it is at a step."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [OCO, "demo"],
            env={**os.environ, "OCO_HOME": str(home)},
            stdout=output,
            stderr=output,
            # A background job of a shell ignores SIGINT, and children inherit that.
            preexec_fn=lambda: signal.signal(  # noqa: PLW1509 - no thread is started before
                signal.SIGINT, signal.default_int_handler
            ),
        )
        deadline = time.monotonic() + 240
        while step not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def wait_until_nothing_is_left(home: Path) -> None:
    deadline = time.monotonic() + 20
    while (left := processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def processes_of(home: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = entry.read_bytes()
        except OSError:
            continue
        if os.fsencode(home) in arguments:
            found.append(arguments.decode(errors="replace"))
    return found
