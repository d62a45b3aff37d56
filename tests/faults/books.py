"""The provider's books: what it was really asked, and what it will bill for that.

Clients number their calls in `X-Standin`, which the gateway passes on, so that a call can be told
from every other one, whatever became of its answer.
"""

import json
import sys
from dataclasses import dataclass
from decimal import Decimal

from oco_proxy.standin import Standin
from oco_proxy.standin.openai import Seen, completion_tokens, usage_of

INPUT_PER_M = Decimal("0.15")
OUTPUT_PER_M = Decimal("0.60")


@dataclass(frozen=True, slots=True)
class Asked:
    """One call that reached the provider.

    Attributes:
        number: the client's own number of the call.
        agent: who called.
        usd: what it is billed, also when nobody waited for the answer.
        failed: the provider answered with an error, which costs nothing.
    """

    number: str
    agent: str
    usd: Decimal
    failed: bool


class Books:
    """Everything that a stand-in was asked so far."""

    def __init__(self, standin: Standin) -> None:
        standin.keep = sys.maxsize
        self._standin = standin
        self._asked: list[Asked] = []
        self._numbers: set[str] = set()

    def asked(self, agent: str) -> list[Asked]:
        """An agent's calls, in the order of their arrival."""
        self._read()
        return [asked for asked in self._asked if asked.agent == agent]

    def has(self, number: str) -> bool:
        """Whether a call has reached the provider."""
        self._read()
        return number in self._numbers

    def _read(self) -> None:
        for seen in self._standin.seen[len(self._asked) :]:
            asked = _entry(seen)
            self._asked.append(asked)
            self._numbers.add(asked.number)


def _entry(seen: Seen) -> Asked:
    parts = dict(seen.headers)["x-standin"].split(",")
    knobs = dict(part.partition("=")[::2] for part in parts)
    failed = int(knobs.get("status", "200")) >= 400
    return Asked(
        knobs["call"], knobs["agent"], Decimal(0) if failed else _bill(seen, knobs), failed
    )


def _bill(seen: Seen, knobs: dict[str, str]) -> Decimal:
    output = completion_tokens(knobs, json.loads(seen.body)["max_tokens"])
    usage = usage_of(seen.body, output)
    million = Decimal(1_000_000)
    return (
        usage["prompt_tokens"] * INPUT_PER_M + usage["completion_tokens"] * OUTPUT_PER_M
    ) / million
