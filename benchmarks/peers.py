"""Other gateways, to measure beside ours: Portkey's (npm) and LiteLLM's proxy (PyPI).

`make bench-peers` installs them, each into a folder of its own below `$OCO_BENCH_PEERS`
(`~/.cache/oco-bench-peers`). They are never dependencies: nothing but the benchmark starts them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.load import MEASURED, Way, process, wait_for, way
from oco_warehouse.embedded_guardian import free_port

PORTKEY: Final = "@portkey-ai/gateway@1.15.2"
# 1.82.7 and 1.82.8 were published with a back door.
LITELLM: Final = "litellm[proxy]==1.106.2"
_PORTKEY_SERVER: Final = "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
_LITELLM_PROXY: Final = "litellm/bin/litellm"
# No telemetry, nothing fetched from elsewhere, and no key to check, in either setting.
_QUIET: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
# What its documentation advises for production; one worker, because there is one core.
_TUNED: Final = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}


def folder() -> Path:
    """Where peers are installed."""
    return Path(os.environ.get("OCO_BENCH_PEERS", "~/.cache/oco-bench-peers")).expanduser()


def are_installed() -> bool:
    """Whether both are there."""
    return all((folder() / path).exists() for path in (_PORTKEY_SERVER, _LITELLM_PROXY))


def install() -> None:
    """Install both, anew or where they are missing."""
    portkey, litellm = folder() / "portkey", folder() / "litellm"
    portkey.mkdir(parents=True, exist_ok=True)
    npm = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(portkey)]
    subprocess.run([*npm, PORTKEY], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(litellm)], check=True)
    subprocess.run([str(litellm / "bin" / "pip"), "install", "-q", LITELLM], check=True)


@contextmanager
def portkey(scripts: Path, provider: int) -> Iterator[Way]:
    """Portkey's gateway in front of a provider's port."""
    port = free_port(0)
    command = ["node", str(folder() / _PORTKEY_SERVER), f"--port={port}", "--headless"]
    with process(command, MEASURED, {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1"}, quiet=True) as pid:
        address = wait_for(f"http://127.0.0.1:{port}")
        more = {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{provider}/v1",
        }
        yield way(scripts, address, more=more, sleeper=pid)


@contextmanager
def litellm(scripts: Path, provider: int, *, tuned: bool) -> Iterator[Way]:
    """LiteLLM's proxy in front of a provider's port."""
    port = free_port(0)
    parameters = {
        "model": "openai/gpt-4o-mini",
        "api_base": f"http://127.0.0.1:{provider}/v1",
        "api_key": "sk-bench",
    }
    config = {
        "model_list": [{"model_name": "gpt-4o-mini", "litellm_params": parameters}],
        "litellm_settings": {"set_verbose": False, "json_logs": True} if tuned else {},
    }
    file = scripts / f"litellm-{port}.yaml"
    file.write_text(json.dumps(config))  # JSON is YAML
    command = [str(folder() / _LITELLM_PROXY), "--config", str(file), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--num_workers", "1"]
    environment = {**_QUIET, **(_TUNED if tuned else {})}
    with process(command, MEASURED, environment, quiet=True) as pid:
        address = wait_for(f"http://127.0.0.1:{port}", "/health/liveliness")
        yield way(scripts, address, sleeper=pid)


if __name__ == "__main__":
    install()
