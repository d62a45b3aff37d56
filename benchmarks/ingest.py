"""How fast a FOCUS file is loaded, what memory that takes, and how fast a day is restated.

`--rows` line items lie in one month file. In turns, each load in a process of its own, whose peak
memory is measured: the month into a warehouse that has others of it, the month again with 1 % of
its charges restated, and one day's file of a thirtieth of the rows with every charge restated. With
`--growth 10000000` a month of so many rows is loaded once more, and its peak is compared.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.report import Figures, arguments, spread, tell
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.sample.generator import deliveries
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.settings import load_settings

_PART_ROWS = 200_000
_DAYS = 30


def write_month(path: Path, rows: int, name: str, restated: int = 0, days: int = _DAYS) -> None:
    """A CSV of so many different charges over the days of September 2026.

    Args:
        path: where to.
        rows: how many.
        name: what tells its charges from those of other files.
        restated: how many of the first charges cost something else.
        days: over how many of the month's days they lie.
    """
    content = next(data for name, data in deliveries().items() if name.endswith("csv.gz"))
    sample = pl.read_csv(content, infer_schema=False).filter(
        pl.col("ChargePeriodStart").str.starts_with("2026-09"), pl.col("ChargeCategory") == "Usage"
    )
    with path.open("wb") as file:
        for start in range(0, rows, _PART_ROWS):
            number = pl.int_range(start, min(start + _PART_ROWS, rows), eager=True).alias("n")
            part = sample[(number % sample.height).cast(pl.UInt32)].with_columns(number)
            day = pl.date(2026, 9, 1) + pl.duration(days=pl.col("n") % days)
            part.with_columns(
                pl.format("{}-{}", pl.lit(name), "n").alias("ResourceId"),
                pl.format("{}T00:00:00Z", day).alias("ChargePeriodStart"),
                pl.format("{}T00:00:00Z", day + pl.duration(days=1)).alias("ChargePeriodEnd"),
                pl.format("0.{}", pl.col("n") % 99_991 + 1).alias("EffectiveCost"),
                pl.when(pl.col("n") < restated)
                .then(pl.lit("0.0123"))
                .otherwise(pl.format("1.{}", pl.col("n") % 99_991 + 1))
                .alias("BilledCost"),
            ).drop("n").write_csv(file, include_header=start == 0)


def load_measured(url: str, partition: str, path: Path, expected: int) -> tuple[float, float]:
    """(seconds from the file to the committed rows, peak MiB of the process that loads it)."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--load", partition, str(path)]
    environment = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    seconds, peak, inserted = done.stdout.split()
    if int(inserted) != expected:
        raise RuntimeError(f"{partition}: {inserted} rows were new, not {expected}")
    return float(seconds), float(peak)


def load_here(partition: str, path: Path) -> None:
    """Load in this process and print seconds, peak MiB and inserted rows."""
    began = time.perf_counter()
    result = load_focus_file(Warehouse(os.environ["DATABASE_URL"]), partition, path)
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [peak] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    sys.stdout.write(f"{seconds} {peak / 1024} {result.inserted}\n")


def measure(url: str, folder: Path, options: argparse.Namespace) -> Figures:
    """Every figure."""
    rows, day_rows = options.rows, options.rows // _DAYS
    speeds: dict[str, list[float]] = {"fresh": [], "restated": []}
    days: list[float] = []
    peaks: list[float] = []
    path = folder / "bill.csv"
    for number in range(options.rounds):
        steps = (
            ("fresh", f"month-{number}", rows, 0, rows, _DAYS),
            ("restated", f"month-{number}", rows, rows // 100, rows // 100, _DAYS),
            ("first", f"day-{number}", day_rows, 0, day_rows, 1),
            ("day", f"day-{number}", day_rows, day_rows, day_rows, 1),
        )
        for step, name, size, restated, expected, over in steps:
            write_month(path, size, name, restated, over)
            seconds, peak = load_measured(url, f"{name}.csv", path, expected)
            if step in speeds:
                speeds[step].append(size / seconds)
                peaks.append(peak)
            elif step == "day":
                days.append(seconds)
    figures = (
        spread("rows_per_s", speeds["fresh"])
        | spread("restated_rows_per_s", speeds["restated"])
        | spread("replace_day_s", days)
        | spread("peak_rss_mib", peaks)
    )
    for name in ("rows_per_s", "replace_day_s", "peak_rss_mib"):
        figures[name] = figures[f"{name}_median"]
    if options.growth:
        write_month(path, options.growth, "large")
        seconds, peak = load_measured(url, "large.csv", path, options.growth)
        figures["large_rows_per_s"] = round(options.growth / seconds, 1)
        figures["large_peak_rss_mib"] = round(peak, 1)
        if (rows, options.growth) == (1_000_000, 10_000_000):
            figures["peak_rss_growth_1m_to_10m"] = round(peak / figures["peak_rss_mib_max"], 4)
    return figures


def main(given: Sequence[str] | None = None) -> None:
    """Run as a program."""
    given = sys.argv[1:] if given is None else given
    if given[:1] == ["--load"]:
        load_here(given[1], Path(given[2]))
        return
    options = arguments("How fast a FOCUS file is loaded", rows=300_000, rounds=3, growth=0)
    with (
        tempfile.TemporaryDirectory(prefix="oco-bench-") as folder,
        embedded_servers(load_settings({"OCO_HOME": str(Path(folder))})) as settings,
    ):
        migrations.upgrade(settings.warehouse_url())
        tell(measure(settings.warehouse_url(), Path(folder), options), options.json)


if __name__ == "__main__":
    main()
