"""Canaries in everything private, then a search through every byte that the platform wrote."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from oco_warehouse.database import Warehouse
from oco_warehouse.tokens import hash_token

CANARIES = {
    "prompt": "CANARY_prompt_7f3a",
    "system": "CANARY_system_7f3a",
    "tool": "CANARY_tool_7f3a",
    "key": "CANARY_sk-7f3a",
    "token": "oco_CANARY_token_7f3a",
    "file": "CANARY_file_7f3a",
    "query": "CANARY_query_7f3a",
    "bad": "CANARY_badfield_7f3a",
    "answer": "word word word",  # what the stand-in answers
}


def everything_in(warehouse: Warehouse) -> str:
    tables = warehouse.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'oco'"
    )
    parts = []
    for table in tables:
        rows = warehouse.query(f"SELECT t::text AS row FROM oco.{table['table_name']} t")  # type: ignore[arg-type]
        parts += [row["row"] for row in rows]
    return "\n".join(parts)


def everything_in_redis(url: str) -> str:
    client = redis.Redis.from_url(url)
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"string": client.get,
    }
    found = [(key, readers[client.type(key)](key)) for key in client.scan_iter()]
    client.close()
    assert found
    return repr(found)


def send_everything(gateway: Any) -> None:
    messages = [
        {"role": "system", "content": CANARIES["system"]},
        {"role": "user", "content": CANARIES["prompt"]},
    ]
    tools = [{"type": "function", "function": {"name": "f", "description": CANARIES["tool"]}}]
    body = {"model": "gpt-4o-mini", "messages": messages, "tools": tools, "max_tokens": 50}
    headers = {
        "Authorization": f"Bearer {CANARIES['key']}",
        "X-OCO-Token": CANARIES["token"],
        "X-Agent-ID": "bot",
    }
    url = f"{gateway.openai}/chat/completions?note={CANARIES['query']}"
    bodies: list[tuple[Any, str]] = [
        (body, ""),
        ({**body, "stream": True}, ""),
        (body, "status=400"),
        (body, "status=500"),
        (body, "delay=2"),
        (body, "gzip"),
        (body, "reset"),
        ({**body, "stream": True}, "reset"),
        ({**body, "max_tokens": CANARIES["bad"]}, ""),
        ({**body, "model": "gpt-99"}, ""),
        (f"{{{CANARIES['prompt']}", ""),
        ({**body, "max_tokens": 100_000_000}, ""),
    ]
    for content, knob in bodies:
        data = content if isinstance(content, str) else json.dumps(content)
        try:
            httpx.post(url, content=data, headers={**headers, "X-Standin": knob}, timeout=10)
        except httpx.RemoteProtocolError:
            assert "reset" in knob
    upload = f"{gateway.openai}/files"
    httpx.post(upload, files={"file": CANARIES["file"].encode()}, headers=headers)
    httpx.get(f"{gateway.url}/api/v1/budgets", headers={"Authorization": headers["X-OCO-Token"]})
    with httpx.stream(
        "POST", url, json={**body, "stream": True}, headers={**headers, "X-Standin": "pause=0.05"}
    ) as answer:
        next(answer.iter_raw())


def test_nothing_private_is_written_anywhere(
    start: Callable[..., Any],
    priced: Warehouse,
    redis_url: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    priced.execute(
        "INSERT INTO oco.api_tokens (name, token_hash, token_prefix, role, agent_id) "
        "VALUES ('t', %s, 'oco_', 'agent', 'bot')",
        [hash_token(CANARIES["token"])],
    )
    priced.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd) VALUES ('agent', 'bot', 5)"
    )
    with start(OCO_UPSTREAM_TIMEOUT_SECONDS="1") as gateway:
        send_everything(gateway)
        rows = gateway.rows(10)
        in_redis = everything_in_redis(redis_url)
        folder = next(path for path in (tmp_path / "spool").iterdir() if path.is_dir())
        spooled = "".join(
            path.read_text("latin-1") for path in tmp_path.rglob("*") if path.is_file()
        )
        assert folder.name in spooled
    logs = "".join(capfd.readouterr())
    assert len(rows) >= 10
    assert '"event":"call"' in logs and '"event":"refused"' in logs
    places = {"warehouse": everything_in(priced), "redis": in_redis, "spool": spooled, "logs": logs}
    for place, text in places.items():
        assert text, place
        for name, canary in CANARIES.items():
            assert canary not in text, f"{name} is in the {place}"
        assert not re.search("CANARY", text), place
