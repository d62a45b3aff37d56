"""What `/metrics` tells Prometheus: counts, times and sizes by provider and outcome; no identities.

Several worker processes share a folder (`PROMETHEUS_MULTIPROC_DIR`), so that whichever of them is
scraped answers for all.
"""

import asyncio
import os
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from oco_warehouse.records import RequestRecord

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_GAUGES_SECONDS: Final = 1.0
_OVERHEAD: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1)
_CALLS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class _Children(NamedTuple):
    """What one kind of call counts in; finding them by their labels costs more than counting."""

    calls: Counter
    duration: Histogram
    input: Counter
    output: Counter
    cost: Counter


class Metrics:
    """The metrics of one gateway process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._found: dict[tuple[str, str, str, str], _Children] = {}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=self._registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, registry=self._registry, multiprocess_mode="livesum")

        self._calls = counter(
            "oco_gateway_calls", "Recorded calls", "provider", "endpoint", "status", "cost_status"
        )
        self._tokens = counter("oco_gateway_tokens", "Metered tokens", "provider", "kind")
        self._cost = counter("oco_gateway_cost_usd", "Cost of recorded calls in USD", "provider")
        self._routed = counter("oco_gateway_routed_calls", "Calls that the router changed")
        self._refusals = counter(
            "oco_gateway_refusals", "Calls that the gateway refused by itself", "code"
        )
        self._duration = Histogram(
            "oco_gateway_call_duration_seconds",
            "From a call's arrival to the end of its answer",
            ["provider"],
            buckets=_CALLS,
            registry=self._registry,
        )
        self._overhead = Histogram(
            "oco_gateway_overhead_seconds",
            "What the gateway does before it forwards a call, budgets included",
            buckets=_OVERHEAD,
            registry=self._registry,
        )
        self._budget_check = Histogram(
            "oco_gateway_budget_check_seconds",
            "Admission against budgets and rate limits",
            buckets=_OVERHEAD,
            registry=self._registry,
        )
        self._pending = gauge("oco_gateway_ledger_pending_bytes", "Records not yet in PostgreSQL")
        self._waits = gauge("oco_gateway_ledger_waits", "Workers that PostgreSQL does not answer")
        self._closed = gauge("oco_gateway_spool_refuses", "Workers whose spool takes no records")
        self._no_redis = gauge("oco_gateway_without_redis", "Workers that do without Redis")
        self._holds = gauge("oco_gateway_holds", "Reservations that are held in budgets")

    def recorded(self, record: RequestRecord) -> None:
        """Count one recorded call."""
        key = (
            record.provider,
            record.endpoint,
            f"{record.status_code // 100}xx",
            record.cost_status,
        )
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._children(*key)
        found.calls.inc()
        found.duration.observe(record.latency_ms / 1000)
        if record.overhead_us is not None:
            self._overhead.observe(record.overhead_us / 1_000_000)
        if record.input_tokens:
            found.input.inc(record.input_tokens)
        if record.output_tokens:
            found.output.inc(record.output_tokens)
        if record.cost_usd:
            found.cost.inc(float(record.cost_usd))
        if record.was_routed:
            self._routed.inc()

    def _children(self, provider: str, endpoint: str, status: str, cost_status: str) -> "_Children":
        return _Children(
            self._calls.labels(provider, endpoint, status, cost_status),
            self._duration.labels(provider),
            self._tokens.labels(provider, "input"),
            self._tokens.labels(provider, "output"),
            self._cost.labels(provider),
        )

    def refused(self, code: str) -> None:
        """Count one refusal."""
        self._refusals.labels(code).inc()

    def budget_checked(self, seconds: float) -> None:
        """Note how long an admission took."""
        self._budget_check.observe(seconds)

    async def run(self, services: Any) -> None:
        """Keep the gauges fresh until cancelled; `services` are the gateway's `Services`."""
        while True:
            ledger, budgets = services.writer.status(), services.keeper.status()
            self._pending.set(ledger["pending_bytes"])
            self._waits.set(not ledger["writes"])
            self._closed.set(not ledger["accepts"])
            self._no_redis.set(not budgets["redis"])
            self._holds.set(budgets["holds"])
            await asyncio.sleep(_GAUGES_SECONDS)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format, version 0.0.4."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # the library has none
        return generate_latest(shared)
