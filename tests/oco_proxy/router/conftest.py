"""A provider that says no to the models it is told to, and policies in the warehouse."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from oco_warehouse.database import Warehouse
from tests.loopback import served


class PickyProvider:
    """Answers chat completions; `refuses` maps a model to the status that it gives up with."""

    def __init__(self) -> None:
        self.refuses: dict[str, int] = {}
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.url = ""

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        self.bodies.append(body)
        self.paths.append(path)
        model = json.loads(body)["model"]
        status = self.refuses.get(model, 200)
        usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
        answer: dict[str, Any] = {"model": model, "choices": [], "usage": usage}
        if status >= 400:
            answer = {"error": {"message": f"{model} cannot do that"}}
        return status, json.dumps(answer).encode()


@pytest.fixture
def picky() -> Iterator[PickyProvider]:
    provider = PickyProvider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = provider.answer(self.path, body)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with served(Handler) as address:
        provider.url = address
        yield provider


@pytest.fixture
def policy(priced: Warehouse) -> Callable[..., str]:
    """Prices for a dear model and its cheaper sisters; makes a policy and returns its id."""
    for model, *amounts in (("gpt-4o", "2.50", "10"), ("gpt-4.1-nano", "0.10", "0.40")):
        priced.execute(
            "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, output_per_m_token,"
            " price_version) VALUES ('openai', %s, %s, %s, 'test-1')",
            [model, *map(Decimal, amounts)],
        )

    def make(strategy: str, mode: str, *, scope: str = "agent", entity: str = "bot") -> str:
        rows = priced.query(
            "INSERT INTO oco.routing_policies (scope, entity_id, strategy, mode) "
            "VALUES (%s, %s, %s, %s) RETURNING id",
            [scope, entity, strategy, mode],
        )
        return str(rows[0]["id"])

    return make
