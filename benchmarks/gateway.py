"""What the gateway adds to a call: nginx as a plain reverse proxy and the gateway, side by side.

A fast provider (nginx with a fixed answer) and the load generator (wrk) share one core with
PostgreSQL and Redis; the gateway, or the other proxy, has the other core to itself. A budget is in
force, every call is recorded, metrics are on. All ways alternate within one run. Needs Debian's
packages nginx-light and wrk, and two cores.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from benchmarks.report import Figures, arguments, tell
from oco_cli.environment import process_environment
from oco_pipelines.llm.price_store import refresh_prices
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.embedded_guardian import free_port
from oco_warehouse.settings import Settings, load_settings
from oco_warehouse.tokens import hash_token

# The core of what is measured, and the core of everything around it.
MEASURED: Final = "0"
AROUND: Final = "1"
_PREFIX: Final = "/api/v1/proxy/openai"
PATH: Final = "/v1/chat/completions"
TOKEN: Final = "oco_benchmark"

_ANSWER: Final = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":'
    '[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":'
    '{"prompt_tokens":210,"completion_tokens":40,"total_tokens":250}}'
) % ("word " * 120)
_NGINX: Final = """
worker_processes 1; daemon off; pid {folder}/nginx-{role}.pid; error_log {folder}/{role}.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; default_type application/json;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream provider {{ server 127.0.0.1:{provider}; keepalive 256; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ {location} }} }}
}}
"""
_FORWARD: Final = (
    'proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";'
)
_WRK: Final = """
wrk.method = "POST"
wrk.body = '{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":"' ..
  string.rep("word ", 200) .. '"}]}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench"
wrk.headers["X-Agent-ID"] = "bench"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FIGURES %f %d %d %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50), latency:percentile(99), e.status + e.timeout + e.read + e.connect))
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk saw: calls a second and latencies in microseconds."""

    rps: float
    p50_us: int
    p99_us: int


def load(script: Path, url: str, connections: int, seconds: int) -> Load:
    """Call an address from so many connections.

    Raises:
        RuntimeError: when any call failed.
    """
    done = subprocess.run(
        [
            *("taskset", "-c", AROUND, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"),
            *("--timeout", "30s", "-s", str(script), url),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"FIGURES ([\d.]+) (\d+) (\d+) (\d+)", done.stdout)
    if found is None or int(found.group(4)):
        raise RuntimeError(f"calls to {url} failed: {done.stdout}")
    return Load(float(found.group(1)), int(found.group(2)), int(found.group(3)))


@contextmanager
def process(command: list[str], core: str, environment: dict[str, str]) -> Iterator[int]:
    """A process on one core, ended with the block; yields its id."""
    with subprocess.Popen(
        ["taskset", "-c", core, *command], env={**os.environ, **environment}
    ) as running:
        try:
            yield running.pid
        finally:
            running.terminate()


@contextmanager
def nginx(folder: Path, role: str, core: str, provider: int) -> Iterator[str]:
    """An nginx that answers by itself, or forwards to the provider's port; yields its address."""
    port = free_port(0) if role == "proxy" else provider
    location = _FORWARD if role == "proxy" else f"return 200 '{_ANSWER}';"
    config = folder / f"{role}.conf"
    config.write_text(
        _NGINX.format(folder=folder, role=role, port=port, provider=provider, location=location)
    )
    with process(["nginx", "-c", str(config), "-e", str(folder / f"{role}.log")], core, {}):
        yield wait_for(f"http://127.0.0.1:{port}")


def wait_for(url: str, path: str = "/") -> str:
    """The same address once it answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(url + path, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return url
    raise RuntimeError(f"{url} does not answer")


@contextmanager
def gateway(settings: Settings, provider: str) -> Iterator[tuple[str, int]]:
    """The gateway with prices, a budget and a token; yields its address and process id."""
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
    port = free_port(0)
    environment = {
        **process_environment(settings),
        "CEREBRA_PORT": str(port),
        "OCO_OPENAI_BASE_URL": provider,
        "CEREBRA_LOG_LEVEL": "warning",
    }
    with process([sys.executable, "-m", "oco_proxy"], MEASURED, environment) as pid:
        yield wait_for(f"http://127.0.0.1:{port}", "/readyz"), pid


def budget_checks(address: str) -> Counter[float]:
    """How many budget checks took at most so many microseconds, from the gateway's histogram."""
    text = httpx.get(f"{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    buckets = re.findall(r'budget_check_seconds_bucket\{le="([^"]+)"\} ([\d.e+]+)', text)
    return Counter({float(le) * 1e6: int(float(count)) for le, count in buckets})


def percentile_99(checks: Counter[float]) -> float:
    """Upper bound of the 99th percentile: the bucket that it falls into."""
    total = max(checks.values())
    return min(le for le, count in checks.items() if count >= 0.99 * total)


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return round(int(found.group(1)) / 1024, 1) if found else 0.0


def measure(script: Path, ways: dict[str, str], pid: int, seconds: int, rounds: int) -> Figures:
    """All figures; `ways` are addresses by name."""
    seen: dict[tuple[str, int], list[Load]] = {}
    checks: Counter[float] = Counter()
    address = ways["gateway"].removesuffix(_PREFIX)
    for _ in range(rounds):
        for connections in (1, 8, 32, 128):
            for name, url in ways.items():
                before = budget_checks(address)
                found = load(script, url + PATH, connections, seconds)
                seen.setdefault((name, connections), []).append(found)
                if (name, connections) == ("gateway", 1):
                    checks.update(budget_checks(address))
                    checks.subtract(before)

    def median(name: str, connections: int, figure: str) -> float:
        return statistics.median(getattr(one, figure) for one in seen[name, connections])

    rates = [one.rps for one in seen["gateway", 32]]
    return {
        "gateway_rps_32": round(median("gateway", 32, "rps")),
        "gateway_rps_32_min": round(min(rates)),
        "gateway_rps_32_max": round(max(rates)),
        "gateway_rps_128": round(median("gateway", 128, "rps")),
        "gateway_p50_us_1": median("gateway", 1, "p50_us"),
        "gateway_added_p50_us_1": median("gateway", 1, "p50_us") - median("nginx", 1, "p50_us"),
        "gateway_added_p99_us_1": median("gateway", 1, "p99_us") - median("nginx", 1, "p99_us"),
        "gateway_p99_ms_8": median("gateway", 8, "p99_us") / 1000,
        "budget_check_p99_us": percentile_99(checks),
        "gateway_rss_mib": memory_mib(pid),
        "nginx_rps_32": round(median("nginx", 32, "rps")),
        "direct_rps_32": round(median("direct", 32, "rps")),
        "ratio_nginx": round(median("gateway", 32, "rps") / median("nginx", 32, "rps"), 4),
    }


def main() -> None:
    """Run as a program."""
    options = arguments("What the gateway adds to a call", seconds=4, rounds=3)
    missing = [name for name in ("nginx", "wrk", "taskset") if shutil.which(name) is None]
    if missing or (os.cpu_count() or 1) < 2:
        sys.exit(f"this benchmark needs two cores and {', '.join(missing) or 'nothing else'}")
    # PostgreSQL and Redis are children of ours: they stay on our core.
    os.sched_setaffinity(0, {int(AROUND)})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oco-bench-")))
        script = folder / "post.lua"
        script.write_text(_WRK)
        home = load_settings({"OCO_HOME": str(folder / "home")})
        settings = stack.enter_context(embedded_servers(home))
        port = free_port(0)
        provider = stack.enter_context(nginx(folder, "provider", AROUND, port))
        proxy = stack.enter_context(nginx(folder, "proxy", MEASURED, port))
        address, pid = stack.enter_context(gateway(settings, provider))
        ways = {"direct": provider, "nginx": proxy, "gateway": f"{address}{_PREFIX}"}
        load(script, ways["gateway"] + PATH, 8, options.seconds)
        figures = measure(script, ways, pid, options.seconds, options.rounds)
    tell(figures, options.json)


if __name__ == "__main__":
    main()
