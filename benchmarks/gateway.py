"""What the gateway adds to a call: nginx as a plain reverse proxy, the gateway, and other gateways.

A fast provider (nginx with a fixed answer) and the load generator (wrk) share one core with
PostgreSQL and Redis; the gateway, or the other proxy, has the other core to itself. A budget is in
force, every call is recorded, metrics are on. All ways alternate within one run. Needs Debian's
packages nginx-light and wrk, and two cores. Portkey and LiteLLM take part where `make bench-peers`
has installed them. `--calls 1000000` drives so many calls at the end and tells how memory grew.
"""

import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from benchmarks import peers
from benchmarks.load import (
    ANSWER,
    AROUND,
    MEASURED,
    STREAMED,
    Load,
    Way,
    load,
    nginx_provider,
    nginx_proxy,
    process,
    wait_for,
    way,
)
from benchmarks.report import Figures, arguments, tell
from benchmarks.streams import STREAM, first_byte_us, pausing_provider
from oco_cli.environment import process_environment
from oco_pipelines.llm.price_store import refresh_prices
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.embedded_guardian import free_port
from oco_warehouse.settings import Settings, load_settings
from oco_warehouse.tokens import hash_token

PREFIX: Final = "/api/v1/proxy"
TOKEN: Final = "oco_benchmark"
STREAMS: Final = 200
_PEERS: Final = ("portkey", "litellm_tuned", "litellm_default")
CONNECTIONS: Final = (1, 8, 32, 128)


@dataclass(frozen=True)
class Gateway:
    """The gateway under measurement."""

    address: str
    pid: int

    def provider(self, name: str) -> str:
        """The address of one of its providers."""
        return f"{self.address}{PREFIX}/{name}"

    def memory_mib(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return round(int(found.group(1)) / 1024, 1) if found else 0.0

    def wait_for_redis(self) -> None:
        """Wait until it checks budgets in Redis again, which the last load may have starved."""
        deadline = time.monotonic() + 30
        while not httpx.get(f"{self.address}/readyz").json()["budgets"]["redis"]:
            if time.monotonic() > deadline:
                raise RuntimeError("the gateway does without Redis")
            time.sleep(0.2)

    def budget_checks(self) -> Counter[float]:
        """How many budget checks took at most so many microseconds, from its own histogram."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        text = httpx.get(f"{self.address}/metrics", headers=headers).text
        buckets = re.findall(r'budget_check_seconds_bucket\{le="([^"]+)"\} ([\d.e+]+)', text)
        return Counter({float(le) * 1e6: int(float(count)) for le, count in buckets})


@contextmanager
def gateway(settings: Settings, folder: Path, ports: Mapping[str, int]) -> Iterator[Gateway]:
    """The gateway with prices, a budget, a token, and a provider at each of the named ports."""
    migrations.upgrade(settings.warehouse_url())
    warehouse = Warehouse(settings.warehouse_url())
    refresh_prices(warehouse)
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', 'bench', 1000000)"
    )
    warehouse.execute(
        "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role) "
        "VALUES ('bench', %s, 'oco_bench', 'viewer')",
        [hash_token(TOKEN)],
    )
    providers = folder / "providers.json"
    rows = {
        name: {
            "dialect": "openai",
            "base_url": f"http://127.0.0.1:{port}",
            "price_provider": "openai",
        }
        for name, port in ports.items()
    }
    providers.write_text(json.dumps(rows))
    port = free_port(0)
    environment = {
        **process_environment(settings),
        "CEREBRA_PORT": str(port),
        "OCO_PROVIDERS": str(providers),
        "CEREBRA_LOG_LEVEL": "warning",
    }
    with process([sys.executable, "-m", "oco_proxy"], MEASURED, environment) as pid:
        yield Gateway(wait_for(f"http://127.0.0.1:{port}", "/readyz"), pid)


def percentile_99(checks: Counter[float]) -> float:
    """Upper bound of the 99th percentile: the bucket that it falls into."""
    total = max(checks.values())
    return min(le for le, count in checks.items() if count >= 0.99 * total)


def measure_calls(
    ours: Gateway, ways: Mapping[str, Way], seconds: float, rounds: int
) -> dict[str, float]:
    """Plain calls by every way in turns."""
    seen: dict[tuple[str, int], list[Load]] = {}
    checks: Counter[float] = Counter()
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for name, one in ways.items():
                if name in _PEERS and connections not in {1, 32}:
                    continue
                ours.wait_for_redis()
                before = ours.budget_checks()
                one.wake()
                seen.setdefault((name, connections), []).append(load(one, connections, seconds))
                one.sleep()
                if (name, connections) == ("gateway", 1):
                    checks.update(ours.budget_checks())
                    checks.subtract(before)

    def median(name: str, connections: int, figure: str) -> float:
        return float(statistics.median(getattr(one, figure) for one in seen[name, connections]))

    rate = median("gateway", 32, "rps")
    rates = [one.rps for one in seen["gateway", 32]]
    figures: Figures = {
        "gateway_rps_32": round(rate),
        "gateway_rps_32_min": round(min(rates)),
        "gateway_rps_32_max": round(max(rates)),
        "gateway_rps_128": round(median("gateway", 128, "rps")),
        "gateway_p50_us_1": median("gateway", 1, "p50_us"),
        "gateway_added_p50_us_1": median("gateway", 1, "p50_us") - median("nginx", 1, "p50_us"),
        "gateway_added_p99_us_1": median("gateway", 1, "p99_us") - median("nginx", 1, "p99_us"),
        "gateway_p99_ms_8": median("gateway", 8, "p99_us") / 1000,
        "budget_check_p99_us": percentile_99(checks),
        "direct_rps_32": round(median("direct", 32, "rps")),
    }
    for name in ("nginx", *(peer for peer in _PEERS if peer in ways)):
        figures[f"{name}_rps_32"] = round(median(name, 32, "rps"))
        figures[f"{name}_p50_us_1"] = median(name, 1, "p50_us")
        figures[f"ratio_{name}"] = round(rate / median(name, 32, "rps"), 4)
    return figures


def measure_streams(
    whole: Mapping[str, Way], pausing: Mapping[str, str], seconds: float, rounds: int
) -> Figures:
    """Streams a second of whole ones, and the first byte of pausing ones."""
    rates: dict[str, list[float]] = {}
    firsts: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, one in whole.items():
            rates.setdefault(name, []).append(load(one, 32, seconds).rps)
        for name, address in pausing.items():
            firsts.setdefault(name, []).append(first_byte_us(address, STREAMS))
    first = {name: statistics.median(times) for name, times in firsts.items()}
    return {
        "gateway_streams_per_s_32": round(statistics.median(rates["gateway"])),
        "nginx_streams_per_s_32": round(statistics.median(rates["nginx"])),
        "gateway_ttfb_us": round(first["gateway"]),
        "gateway_added_ttfb_us": round(first["gateway"] - first["nginx"]),
    }


def measure_memory(ours: Gateway, one: Way, rate: float, calls: int) -> Figures:
    """Memory before, after a tenth of so many calls, and at their end."""
    figures: Figures = {"gateway_rss_mib": ours.memory_mib()}
    if calls:
        load(one, 32, round(calls / rate / 10))
        figures["gateway_rss_tenth_mib"] = ours.memory_mib()
        load(one, 32, round(calls / rate * 0.9))
        figures["gateway_rss_end_mib"] = ours.memory_mib()
        figures["gateway_rss_growth_mib"] = round(
            figures["gateway_rss_end_mib"] - figures["gateway_rss_tenth_mib"], 1
        )
    return figures


def main() -> None:
    """Run as a program."""
    options = arguments("What the gateway adds to a call", seconds=4, rounds=3, calls=0)
    missing = [name for name in ("nginx", "wrk", "taskset") if shutil.which(name) is None]
    if missing or (os.cpu_count() or 1) < 2:
        sys.exit(f"this benchmark needs two cores and {', '.join(missing) or 'nothing else'}")
    if not peers.are_installed():
        sys.stderr.write("Portkey and LiteLLM are left out: `make bench-peers` installs them\n")
    # PostgreSQL and Redis are children of ours: they stay on our core.
    os.sched_setaffinity(0, {int(AROUND)})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oco-bench-")))
        home = load_settings({"OCO_HOME": str(folder / "home")})
        settings = stack.enter_context(embedded_servers(home))
        ports = {
            "plain": stack.enter_context(nginx_provider(folder, ANSWER)),
            "whole": stack.enter_context(nginx_provider(folder, STREAM, "text/event-stream")),
            "pausing": stack.enter_context(pausing_provider()),
        }
        proxies = {
            name: stack.enter_context(nginx_proxy(folder, port)) for name, port in ports.items()
        }
        ours = stack.enter_context(gateway(settings, folder, ports))
        ways = {
            "direct": way(folder, f"http://127.0.0.1:{ports['plain']}"),
            "nginx": way(folder, proxies["plain"]),
            "gateway": way(folder, ours.provider("plain")),
        }
        if peers.are_installed():
            plain = ports["plain"]
            ways["portkey"] = stack.enter_context(peers.portkey(folder, plain))
            for name, tuned in (("litellm_tuned", True), ("litellm_default", False)):
                peer = peers.litellm(folder, plain, tuned=tuned)
                ways[name] = stack.enter_context(peer)
        for one in ways.values():
            load(one, 8, options.seconds)
            one.sleep()
        figures = measure_calls(ours, ways, options.seconds, options.rounds)
        whole = {
            "nginx": way(folder, proxies["whole"], STREAMED),
            "gateway": way(folder, ours.provider("whole"), STREAMED),
        }
        pausing = {"nginx": proxies["pausing"], "gateway": ours.provider("pausing")}
        figures |= measure_streams(whole, pausing, options.seconds, options.rounds)
        figures |= measure_memory(ours, ways["gateway"], figures["gateway_rps_32"], options.calls)
    tell(figures, options.json)


if __name__ == "__main__":
    main()
