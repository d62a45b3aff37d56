"""How fast a FOCUS file is loaded, and how much faster a file of which little changed is.

The two alternate within one run: a fresh partition, then the same partition with 1 % restated.
"""

import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.report import arguments, spread, tell
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.sample.generator import deliveries
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.settings import load_settings


def focus_csv(rows: int, round_number: int, restated: int = 0) -> bytes:
    """A CSV of so many different charges, the first `restated` of them with another cost."""
    content = next(data for name, data in deliveries().items() if name.endswith("csv.gz"))
    sample = pl.read_csv(content, infer_schema=False)
    copies = rows // sample.height + 1
    frame = pl.concat([sample] * copies).head(rows).with_row_index("n")
    return (
        frame.with_columns(
            pl.format("bench-{}-{}", pl.lit(round_number), "n").alias("ResourceId"),
            pl.when(pl.col("n") < restated)
            .then(pl.lit("0.0123"))
            .otherwise(pl.col("BilledCost"))
            .alias("BilledCost"),
        )
        .drop("n")
        .write_csv()
        .encode()
    )


def main() -> None:
    """Run as a program."""
    options = arguments("How fast a FOCUS file is loaded", rows=50_000, rounds=3)
    fresh: list[float] = []
    restated: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="oco-bench-") as folder,
        embedded_servers(load_settings({"OCO_HOME": str(Path(folder))})) as settings,
    ):
        migrations.upgrade(settings.warehouse_url())
        warehouse = Warehouse(settings.warehouse_url())
        for number in range(options.rounds):
            for times, changed in ((fresh, 0), (restated, options.rows // 100)):
                content = focus_csv(options.rows, number, changed)
                began = time.perf_counter()
                load_focus_file(warehouse, f"bench-{number}.csv", content)
                times.append(options.rows / (time.perf_counter() - began))
    tell(
        spread("fresh_rows_per_second", fresh) | spread("restated_rows_per_second", restated),
        options.json,
    )


if __name__ == "__main__":
    main()
