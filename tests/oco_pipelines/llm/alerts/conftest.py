"""Receivers of alerts: a real HTTP server and a real SMTP server on 127.0.0.1."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from oco_warehouse.database import Warehouse
from tests.loopback import served


@dataclass
class Receiver:
    """A webhook: answers with `status` and keeps what it got."""

    url: str = ""
    status: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.got.append((dict(self.headers), body))
            self.send_response(kept.status)
            if kept.status == 302:
                self.send_header("Location", kept.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with served(Handler) as address:
        kept.url = f"{address}/hook/very-secret-path"
        yield kept


@dataclass
class Mailbox:
    """A mail server's address and what it took."""

    port: int
    mails: list[Message]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    mails: list[Message] = []

    class Keep(MessageHandler):
        def handle_message(self, message: Message) -> None:
            mails.append(message)

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]  # the controller takes no port of 0
    controller = Controller(Keep(), hostname="127.0.0.1", port=port)
    controller.start()
    yield Mailbox(port, mails)
    controller.stop()


@pytest.fixture
def budget(warehouse: Warehouse) -> str:
    """A monthly budget of 10 USD of team search that has spent 4 USD."""
    (row,) = warehouse.query(
        "INSERT INTO oco.budgets (scope, entity_id, name, limit_usd, spent_usd, period_start, "
        "period_end) VALUES ('team', 'search', 'Search', 10, 4, date_trunc('month', now()), "
        "date_trunc('month', now()) + interval '1 month') RETURNING id"
    )
    return str(row["id"])
