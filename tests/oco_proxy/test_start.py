"""A gateway that cannot start says why in one line."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oco_cli import gateway
from oco_proxy.proxy.providers import load_providers
from oco_warehouse.errors import ConfigurationError, PortOccupiedError
from oco_warehouse.settings import Settings, load_settings


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def run(home: Path, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "OCO_HOME": str(home),
        **values,
    }
    return subprocess.run(
        [sys.executable, "-m", "oco_proxy", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_occupied_port_is_one_line(tmp_path: Path, taken: int) -> None:
    ended = run(tmp_path, CEREBRA_PORT=str(taken))
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"oco: another process listens on 127.0.0.1:{taken}; stop it or set CEREBRA_PORT"
    ]


def test_an_unreachable_warehouse_is_one_line(tmp_path: Path, taken: int) -> None:
    free = taken + 1 if taken < 65535 else taken - 1
    ended = run(tmp_path, CEREBRA_PORT=str(free))
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert line.startswith("oco: PostgreSQL at 127.0.0.1:1") and "DATABASE_URL" in line


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    ended = run(tmp_path, OCO_OPENAI_BASE_URL="ftp://example")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "OCO_OPENAI_BASE_URL" in line


@pytest.mark.parametrize("workers", ["0", "-3", "65"])
def test_a_wrong_number_of_workers_is_one_line(tmp_path: Path, workers: str) -> None:
    ended = run(tmp_path, "--workers", workers)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == ["oco: --workers must be a number from 1 to 64"]


@pytest.mark.parametrize(
    "row",
    [
        '"base_url": "http://x:port"',
        '"base_url": "http://h:99999"',
        '"base_url": "http://x y"',
        '"base_url": "http://u:p@h"',
    ],
)
def test_a_provider_with_a_wrong_address_is_one_line(tmp_path: Path, row: str) -> None:
    file = tmp_path / "providers.json"
    file.write_text(f'{{"mine": {{"dialect": "openai", {row}}}}}')
    with pytest.raises(ConfigurationError, match=r"OCO_PROVIDERS: .*'mine': base_url") as caught:
        load_providers(load_settings({"OCO_PROVIDERS": str(file)}))
    assert "\n" not in str(caught.value) and "u:p" not in str(caught.value)


def test_the_command_names_its_address_only_once_it_has_it(
    tmp_path: Path, taken: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings({"CEREBRA_PORT": str(taken), "OCO_HOME": str(tmp_path)})
    monkeypatch.setattr(gateway, "attach", lambda _: settings)
    monkeypatch.setattr(gateway, "load_settings", lambda: settings)
    monkeypatch.setattr(gateway, "process_environment", lambda _: {})
    monkeypatch.setattr(Settings, "warehouse_url", lambda _: "")
    monkeypatch.setattr(gateway.migrations, "upgrade", lambda _: None)
    with pytest.raises(PortOccupiedError):
        gateway.proxy()
    assert "Gateway on" not in capsys.readouterr().err
