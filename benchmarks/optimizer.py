"""How long a run of the optimizer takes over many machines, and what memory that takes.

Machines with hourly CPU, network and memory of 14 days and 30 days of bills are written into a
database of its own; then everything is judged twice in this process, whose peak memory is measured.
One machine in ten is idle, one in ten is too large, and one in ten rests at night.
"""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.report import Figures, arguments, tell
from oco_pipelines.optimizer.run import find_recommendations
from oco_pipelines.optimizer.thresholds import Thresholds
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.settings import load_settings

AS_OF: Final = datetime(2026, 11, 2, tzinfo=UTC)
_SETTLING_DAYS: Final = 2
_RESOURCES: Final = """
    INSERT INTO oco.resources (provider, account_id, resource_id, resource_type, region, state,
        size)
    SELECT 'aws', '111', 'i-' || n, 'aws.ec2', 'us-east-1', 'running', 'm5.4xlarge'
    FROM generate_series(1, %(machines)s) AS n
"""
_METRICS: Final = """
    INSERT INTO oco.resource_metrics (provider, account_id, resource_id, metric, interval_start,
        interval_seconds, average, maximum, sample_count, source)
    SELECT 'aws', '111', 'i-' || n, metric, start, 3600, value, value, 12, 'bench'
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
    CROSS JOIN generate_series(
        %(as_of)s::timestamptz - interval '14 days',
        %(as_of)s::timestamptz - interval '1 hour', interval '1 hour'
    ) AS start
    CROSS JOIN LATERAL (VALUES
        ('cpu_percent', CASE WHEN mod(n, 10) = 0 THEN 1 WHEN mod(n, 10) = 1 THEN 30
            WHEN mod(n, 10) = 2 AND extract(hour FROM start AT TIME ZONE 'UTC') < 8 THEN 2
            ELSE 70 END),
        ('network_bytes_per_second', CASE WHEN mod(n, 10) = 0 THEN 20
            WHEN mod(n, 10) = 2 AND extract(hour FROM start AT TIME ZONE 'UTC') < 8 THEN 20
            ELSE 50000 END),
        ('memory_percent', CASE WHEN mod(n, 10) = 1 THEN 30 ELSE 75 END)
    ) AS measured (metric, value)
"""
_COSTS: Final = """
    INSERT INTO oco.cloud_costs (
        provider, service, service_category, resource_id, cost_usd, usd_rate, region, account_id,
        date, billed_cost, effective_cost, list_cost, billing_currency, charge_category,
        usage_quantity, usage_unit, charge_period_start, charge_period_end, billing_period_start,
        billing_period_end, billing_account_id, source, source_partition, batch_id, row_hash,
        occurrence
    )
    SELECT 'aws', 'EC2', 'Compute', 'i-' || n, 18.4, 1, 'us-east-1', '111', day::date, 18.4, 18.4,
        18.4, 'USD', 'Usage', 24, 'Hrs', day AT TIME ZONE 'UTC',
        (day + interval '1 day') AT TIME ZONE 'UTC', date_trunc('month', day) AT TIME ZONE 'UTC',
        (date_trunc('month', day) + interval '1 month') AT TIME ZONE 'UTC', '999', 'focus_files',
        'bench', gen_random_uuid(), sha256((n || day::text)::bytea), 1
    FROM generate_series(1, %(machines)s) AS n
    CROSS JOIN generate_series('2026-10-03'::timestamp, '2026-11-01', interval '1 day') AS day
"""
_PART: Final = 10_000


def plant(warehouse: Warehouse, machines: int) -> None:
    """Write the machines, a part of their metrics at a time."""
    warehouse.execute(_RESOURCES, {"machines": machines})
    for first in range(1, machines + 1, _PART):
        last = min(first + _PART - 1, machines)
        warehouse.execute(_METRICS, {"first": first, "last": last, "as_of": AS_OF})
    warehouse.execute(_COSTS, {"machines": machines})
    for table in ("resources", "resource_metrics", "cloud_costs"):
        warehouse.execute(f"ANALYZE oco.{table}")  # type: ignore[arg-type]


def peak_mib() -> float:
    """Most memory that this process ever had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [peak] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    return peak / 1024


def main() -> None:
    """Plant, judge twice, tell."""
    options = arguments(__doc__.splitlines()[0], machines=100_000)
    with tempfile.TemporaryDirectory(prefix="oco-bench-") as folder:
        settings = load_settings({"OCO_HOME": folder, "OCO_EMBEDDED_FSYNC": "off"})
        with embedded_servers(settings) as servers:
            url = servers.warehouse_url()
            migrations.upgrade(url)
            warehouse = Warehouse(url)
            began = time.perf_counter()
            plant(warehouse, options.machines)
            figures: Figures = {
                "machines": options.machines,
                "plant_s": round(time.perf_counter() - began, 1),
                "rss_before_mib": round(peak_mib(), 1),
            }
            for name in ("first", "second"):
                began = time.perf_counter()
                run = find_recommendations(warehouse, Thresholds(), _SETTLING_DAYS, AS_OF)
                figures[f"{name}_run_s"] = round(time.perf_counter() - began, 1)
            figures["recommendations"] = run.written.found
            figures["opened_by_second_run"] = run.written.opened
            figures["peak_rss_mib"] = round(peak_mib(), 1)
    tell(figures, options.json)


if __name__ == "__main__":
    main()
