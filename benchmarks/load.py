"""Load, and what it meets: wrk, nginx as a provider and as a reverse proxy, processes on a core."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from oco_warehouse.embedded_guardian import free_port

# The core of what is measured, and the core of everything around it.
MEASURED: Final = "0"
AROUND: Final = "1"
PATH: Final = "/v1/chat/completions"
BODY: Final = (
    '{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":"%s"}]%s}'
)
PLAIN: Final = BODY % ("word " * 200, "")
STREAMED: Final = BODY % (
    "word " * 200,
    ',"stream":true,"stream_options":{"include_usage":true}',
)
HEADERS: Final = {
    "Content-Type": "application/json",
    "Authorization": "Bearer sk-bench",
    "X-Agent-ID": "bench",
}

ANSWER: Final = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":'
    '[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":'
    '{"prompt_tokens":210,"completion_tokens":40,"total_tokens":250}}'
) % ("word " * 120)
_NGINX: Final = """
worker_processes 1; daemon off; pid {folder}/nginx-{port}.pid; error_log {folder}/{port}.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; default_type {content_type};
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e; proxy_buffering off;
  upstream provider {{ server 127.0.0.1:{provider}; keepalive 256; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ {location} }} }}
}}
"""
# nginx reads texts of at most 4,096 characters.
_TEXT_CHARS: Final = 3000
_FORWARD: Final = (
    'proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";'
)
_WRK: Final = """
wrk.method = "POST"
wrk.body = '%s'
%s
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FIGURES %%f %%d %%d %%d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50), latency:percentile(99), e.status + e.timeout + e.read + e.connect))
end
"""


@dataclass(frozen=True)
class Way:
    """One way to the provider: where calls go, and what they say there.

    Attributes:
        sleeper: a process that is stopped while other ways are measured, so that what it does
            when idle is not on their account.
    """

    url: str
    script: Path
    sleeper: int | None = None

    def wake(self) -> None:
        """Let its process run."""
        if self.sleeper is not None:
            os.kill(self.sleeper, signal.SIGCONT)

    def sleep(self) -> None:
        """Stop its process."""
        if self.sleeper is not None:
            os.kill(self.sleeper, signal.SIGSTOP)


def way(
    folder: Path,
    url: str,
    body: str = PLAIN,
    more: Mapping[str, str] | None = None,
    sleeper: int | None = None,
) -> Way:
    """A way with wrk's script for it; `more` are headers that only this way needs."""
    headers = {**HEADERS, **(more or {})}
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
    script = folder / f"{len(list(folder.glob('*.lua')))}.lua"
    script.write_text(_WRK % (body, lines))
    return Way(url + PATH, script, sleeper)


@dataclass(frozen=True)
class Load:
    """What wrk saw: calls a second and latencies in microseconds."""

    rps: float
    p50_us: int
    p99_us: int


def load(way: Way, connections: int, seconds: float) -> Load:
    """Call an address from so many connections.

    Raises:
        RuntimeError: when any call failed.
    """
    done = subprocess.run(
        [
            *("taskset", "-c", AROUND, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"),
            *("--timeout", "30s", "-s", str(way.script), way.url),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"FIGURES ([\d.]+) (\d+) (\d+) (\d+)", done.stdout)
    if found is None or int(found.group(4)):
        raise RuntimeError(f"calls to {way.url} failed: {done.stdout}")
    return Load(float(found.group(1)), int(found.group(2)), int(found.group(3)))


@contextmanager
def process(
    command: list[str], core: str, environment: Mapping[str, str], *, quiet: bool = False
) -> Iterator[int]:
    """A process on one core, ended with the block; yields its id."""
    with subprocess.Popen(
        ["taskset", "-c", core, *command],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
    ) as running:
        try:
            yield running.pid
        finally:
            running.send_signal(signal.SIGCONT)
            running.terminate()


@contextmanager
def nginx_provider(
    folder: Path, answer: str, content_type: str = "application/json"
) -> Iterator[int]:
    """An nginx that always gives one answer; yields its port."""
    pieces = [answer[at : at + _TEXT_CHARS] for at in range(0, len(answer), _TEXT_CHARS)]
    texts = [f"set $piece{index} '{piece}';" for index, piece in enumerate(pieces)]
    whole = "".join(f"${{piece{index}}}" for index in range(len(pieces)))
    location = " ".join([*texts, f'return 200 "{whole}";'])
    with _nginx(folder, AROUND, location, content_type, provider=9) as port:
        yield port


@contextmanager
def nginx_proxy(folder: Path, provider: int) -> Iterator[str]:
    """An nginx as a plain reverse proxy of a port; yields its address."""
    with _nginx(folder, MEASURED, _FORWARD, "text/plain", provider) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _nginx(
    folder: Path, core: str, location: str, content_type: str, provider: int
) -> Iterator[int]:
    port = free_port(0)
    config = folder / f"{port}.conf"
    config.write_text(
        _NGINX.format(
            folder=folder,
            port=port,
            provider=provider,
            location=location,
            content_type=content_type,
        )
    )
    with process(["nginx", "-c", str(config), "-e", str(folder / f"{port}.log")], core, {}):
        wait_for(f"http://127.0.0.1:{port}")
        yield port


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
