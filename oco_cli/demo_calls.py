"""The LLM part of `oco demo`: calls through a gateway of its own to a local stand-in provider."""

from typing import Final, NamedTuple

import httpx

from oco_cli.gateway import gateway_process
from oco_proxy.standin.openai import run_standin
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import UpstreamError
from oco_warehouse.settings import Settings

ORG: Final = "demo"
# Its budget is too small for any call, so that the table of what happened has a refusal in it.
_BROKE_AGENT: Final = "demo-over-budget"
_PATH: Final = "/api/v1/proxy/openai/v1/chat/completions"
_QUESTIONS: Final = (
    ("demo-support", "platform", "gpt-4o-mini", "Where is my invoice?"),
    ("demo-support", "platform", "gpt-4o-mini", "How do I change my plan?"),
    ("demo-search", "search", "gpt-4o", "Rank these three documents."),
    ("demo-analyst", "data", "gpt-4o", "Summarise last week's numbers."),
)


class Calls(NamedTuple):
    """How many calls were answered, and how many a budget refused."""

    answered: int
    refused: int


def send_calls(settings: Settings, warehouse: Warehouse) -> Calls:
    """Send calls, plain and streamed, and one over budget; returns when all are recorded.

    The gateway is stopped at the end, which moves its records to PostgreSQL.

    Raises:
        UpstreamError: when a call is not answered as it must be.
    """
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, name, limit_usd, period) "
        "VALUES ('agent', %s, 'Demo: always spent', 0.000001, 'day') "
        "ON CONFLICT (scope, entity_id, period) DO NOTHING",
        [_BROKE_AGENT],
    )
    answered = 0
    with (
        run_standin() as provider,
        gateway_process(settings, provider.url) as address,
        httpx.Client(base_url=address, timeout=30.0) as client,
    ):
        for stream in (False, True):
            for agent, team, model, question in _QUESTIONS:
                _call(client, agent, team, model, question, stream=stream, expected=200)
                answered += 1
        _call(client, _BROKE_AGENT, "data", "gpt-4o", "May I?", stream=False, expected=429)
    return Calls(answered, 1)


def _call(
    client: httpx.Client,
    agent: str,
    team: str,
    model: str,
    question: str,
    *,
    stream: bool,
    expected: int,
) -> None:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 100,
        "stream": stream,
    }
    headers = {
        "Authorization": "Bearer sk-demo",
        "X-Agent-ID": agent,
        "X-Team-ID": team,
        "X-Org-ID": ORG,
    }
    with client.stream("POST", _PATH, json=body, headers=headers) as response:
        content = response.read()
    whole = not stream or content.rstrip().endswith(b"[DONE]") or expected != httpx.codes.OK
    if response.status_code != expected or not whole:
        raise UpstreamError(
            f"the gateway answered a demo call with {response.status_code} instead of {expected}"
        )
