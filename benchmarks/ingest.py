"""How fast bills of FOCUS are loaded and marts are built over them, and what memory that takes.

In turns, each load in a process of its own, whose peak memory is measured: a month of `--rows` into
a warehouse that has others of it, the month again with 1 % of its charges restated, and one day's
file of a thirtieth of the rows with every charge restated. Then one month of `--growth` rows, a
restated day of it, the marts before and after, and what a dashboard asks of them. With
`--table 100000000` months are copied until the table has so many rows, and a day is restated again.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import psycopg
from psycopg import sql
from rich.console import Console

from benchmarks.mart_queries import slowest_p95
from benchmarks.report import Figures, arguments, spread, tell
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.sample.generator import deliveries
from oco_pipelines.marts.project import PROJECT_DIR, dbt_executable, profile_environment
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


def build_marts(url: str, target: Path) -> float:
    """Seconds of `dbt build` with its data tests; dbt has parsed the project before."""
    flags = ("--project-dir", PROJECT_DIR, "--profiles-dir", PROJECT_DIR, "--target-path", target)
    tail = (*flags, "--log-path", target, "--quiet")
    with profile_environment(url):
        subprocess.run([dbt_executable(), "parse", *tail], check=True)
        began = time.perf_counter()
        subprocess.run(
            [dbt_executable(), "build", "--exclude-resource-type", "unit_test", *tail], check=True
        )
        return time.perf_counter() - began


def fill_months(url: str, rows: int) -> int:
    """Copy the month to the months before it until the table has so many rows; returns how many.

    A month is a partition of the table, and a load touches those of its own days.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        columns = [
            sql.Identifier(row[0])
            for row in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'oco' "
                "AND table_name = 'cloud_costs' AND column_name NOT IN ('date', 'source_partition')"
            )
        ]
        copy = sql.SQL(
            "INSERT INTO oco.cloud_costs (date, source_partition, {0}) "
            "SELECT (date - %(back)s * interval '1 month')::date, 'copy-' || %(back)s, {0} "
            "FROM oco.cloud_costs WHERE date >= '2026-09-01' AND valid_to IS NULL"
        ).format(sql.SQL(", ").join(columns))
        made = "SELECT oco.ensure_partitions('cloud_costs', '2026-09-01'::date - %s, '2026-09-01')"
        count = "SELECT count(*) FROM oco.cloud_costs"
        (held,) = connection.execute(count).fetchone() or (0,)
        back = 0
        while held < rows:
            back += 1
            connection.execute(made, [31 * back])
            held += connection.execute(copy, {"back": back}).rowcount
        connection.execute("VACUUM (ANALYZE) oco.cloud_costs")
        return int(held)


def measure_small(url: str, folder: Path, options: argparse.Namespace) -> Figures:
    """Loads of `rows`, in turns; and the marts over them."""
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
    return figures | {"marts_build_s": round(build_marts(url, folder), 1)}


def measure_large(url: str, folder: Path, options: argparse.Namespace) -> Figures:
    """One load of `growth` rows, one restated day of it, the marts, and what they answer."""
    rows, day_rows = options.growth, options.growth // _DAYS
    path, day = folder / "bill.csv", folder / "day.csv"
    write_month(path, rows, "large")
    seconds, peak = load_measured(url, "large.csv", path, rows)
    figures = {"rows_per_s": round(rows / seconds, 1), "peak_rss_mib": round(peak, 1)}
    path.unlink()
    write_month(day, day_rows, "day", days=1)
    load_measured(url, "day.csv", day, day_rows)
    figures["marts_build_s"] = round(build_marts(url, folder), 1)
    write_month(day, day_rows, "day", day_rows, days=1)
    seconds, _ = load_measured(url, "day.csv", day, day_rows)
    figures["replace_day_s"] = round(seconds, 2)
    figures["marts_rebuild_day_s"] = round(build_marts(url, folder), 1)
    slowest, milliseconds = slowest_p95(url, 20)
    Console().print(f"slowest question to the marts: {slowest}")
    figures["mart_p95_ms"] = round(milliseconds, 1)
    if options.table:
        figures["table_rows"] = fill_months(url, options.table)
        write_month(day, day_rows, "day", day_rows // 2, days=1)
        seconds, _ = load_measured(url, "day.csv", day, day_rows - day_rows // 2)
        figures["replace_day_of_table_s"] = round(seconds, 2)
    return figures


def measure(url: str, folder: Path, options: argparse.Namespace) -> Figures:
    """Every figure; the large load has a database of its own."""
    small = measure_small(_database(url, "small"), folder, options)
    if not options.growth:
        return small
    large = measure_large(_database(url, "large"), folder, options)
    figures = small | {f"large_{name}": value for name, value in large.items()}
    if (options.rows, options.growth) == (1_000_000, 10_000_000):
        figures |= {
            "rows_per_s": large["rows_per_s"],
            "peak_rss_mib": large["peak_rss_mib"],
            "peak_rss_growth_1m_to_10m": round(
                large["peak_rss_mib"] / small["peak_rss_mib_max"], 4
            ),
            "replace_day_s": large.get("replace_day_of_table_s", large["replace_day_s"]),
            "mart_p95_ms": large["mart_p95_ms"],
            "marts_build_s_1m": small["marts_build_s"],
            "marts_build_s_10m": large["marts_build_s"],
        }
    return figures


def _database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    made = urlsplit(url)._replace(path=f"/{name}").geturl()
    migrations.upgrade(made)
    return made


def main(given: Sequence[str] | None = None) -> None:
    """Run as a program."""
    given = sys.argv[1:] if given is None else given
    if given[:1] == ["--load"]:
        load_here(given[1], Path(given[2]))
        return
    options = arguments(
        "How fast a FOCUS file is loaded", rows=1_000_000, rounds=1, growth=10_000_000, table=0
    )
    with (
        tempfile.TemporaryDirectory(prefix="oco-bench-") as folder,
        embedded_servers(load_settings({"OCO_HOME": folder})) as settings,
    ):
        tell(measure(settings.warehouse_url(), Path(folder), options), options.json)


if __name__ == "__main__":
    main()
