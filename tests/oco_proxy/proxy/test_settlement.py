"""How an ending becomes a row."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from oco_proxy.proxy.metering import Metered
from oco_proxy.proxy.openai_request import read_shape
from oco_proxy.proxy.settlement import CallFacts, Ending, to_record
from oco_warehouse.pricing import Price, PriceTable, Usage
from oco_warehouse.records import Identity, RequestRecord

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PRICES = PriceTable([Price("openai", "m", Decimal(2), Decimal(8), "v")])
FACTS = CallFacts(
    request_id="r",
    provider="openai",
    endpoint="chat.completions",
    identity=Identity(),
    tags={},
    shape=read_shape("v1/chat/completions", b'{"model": "m", "max_tokens": 9}', 1000),
    arrived_at=NOW,
    metered=True,
    billed=True,
    gateway_id="g",
)
ENDING = Ending(status=200, latency_ms=1, answer_bytes=4000)


def record(metered: Metered, facts: CallFacts = FACTS) -> RequestRecord:
    return to_record(facts, ENDING, metered, PRICES)


def test_a_whole_answer_has_its_exact_cost() -> None:
    row = record(Metered(usage=Usage(1000, 500), complete=True))
    assert (row.cost_status, row.cost_usd) == ("exact", Decimal("0.006"))


@pytest.mark.parametrize(
    "usage", [Usage(10**23, 1), Usage(1, 10**10), Usage(1, 1, tool_uses={"web_search": 10**12})]
)
def test_a_count_that_no_model_reaches_is_none(usage: Usage) -> None:
    row = record(Metered(usage=usage, complete=True))
    assert row.cost_status == "estimated"
    assert row.output_tokens == 9
    assert row.input_tokens is not None and row.input_tokens < 1000


@pytest.mark.parametrize("tool", ["code_interpreter", "image_generation"])
def test_a_container_is_billed_though_no_answer_tells_of_it(tool: str) -> None:
    shape = msgspec.structs.replace(FACTS.shape, tools=frozenset({tool}))
    prices = PriceTable(
        [Price("openai", "m", Decimal(2), Decimal(8), "v", tool_prices={tool: Decimal("0.03")})]
    )
    facts = msgspec.structs.replace(FACTS, shape=shape)
    row = to_record(facts, ENDING, Metered(usage=Usage(1000, 500), complete=True), prices)
    told = Metered(usage=Usage(1000, 500, tool_uses={tool: 2}), complete=True)
    twice = to_record(facts, ENDING, told, prices)
    if tool == "image_generation":  # billed by its use, of which the answer tells
        assert (row.cost_status, row.cost_usd) == ("exact", Decimal("0.006"))
        assert (twice.cost_status, twice.cost_usd) == ("exact", Decimal("0.066"))
    else:
        assert (row.cost_status, row.cost_usd) == ("estimated", Decimal("0.036"))
        assert (twice.cost_status, twice.cost_usd) == ("estimated", Decimal("0.066"))


def test_vectors_whose_usage_is_not_read_are_no_output() -> None:
    shape = read_shape("v1/embeddings", b'{"model": "m", "input": "hi"}', 1000)
    facts = msgspec.structs.replace(FACTS, endpoint="embeddings", shape=shape)
    row = record(Metered(complete=True), facts)
    assert (row.cost_status, row.output_tokens) == ("estimated", 0)
