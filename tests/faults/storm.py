"""`make storm`: many calls race for one hard budget through several gateway processes.

A tenth of them meets an error of the provider, a tenth of the clients hangs up while the provider
works. Afterwards the rest of the limit is spent one call at a time: what cannot be used was a
reservation that leaked.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.faults.field import Field, play
from tests.faults.promises import broken_by_storm
from tests.faults.tally import Call

AGENT = "storm"
TOKENS = 900
# A call costs some 0.00055 and reserves some 0.0007 dollars.
COST = Decimal("0.00055")


async def _race(field: Field, requests: int, seed: int) -> list[Call]:
    chance = random.Random(seed)
    connector = aiohttp.TCPConnector(limit=requests)
    async with aiohttp.ClientSession(connector=connector) as session:
        calls = []
        for number in range(requests):
            gateway = field.gateways[number % len(field.gateways)]
            luck = chance.random()
            knobs = "status=500" if luck < 0.1 else f"delay=0.3,tokens={TOKENS}"
            leave = chance.uniform(0, 0.2) if 0.1 <= luck < 0.2 else None
            calls.append(field.call(session, gateway, AGENT, knobs, leave))
        return await asyncio.gather(*calls)


async def _use_the_rest(field: Field, requests: int) -> list[Call]:
    calls: list[Call] = []
    async with aiohttp.ClientSession() as session:
        while len(calls) < requests and (not calls or calls[-1].status != 429):
            gateway = field.gateways[len(calls) % len(field.gateways)]
            calls.append(await field.call(session, gateway, AGENT, f"tokens={TOKENS}"))
    return calls


def storm(field: Field, *, requests: int, seed: int) -> dict[str, Any]:
    """Run it; the figures."""
    limit = COST * requests / 4
    field.give_budgets({AGENT: limit})
    calls = asyncio.run(_race(field, requests, seed))
    field.settled([AGENT], calls)
    calls += asyncio.run(_use_the_rest(field, requests))
    figures = field.settled([AGENT], calls)
    # Every call that was admitted reached the provider once, whether its client stayed or not.
    figures["client_answers"] = figures["answered"]
    figures["answered"] = figures["provider_calls"]
    figures["limit_usable_share"] = round(figures["provider_usd"] / float(limit), 4)
    return figures


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--gateways", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="oco-storm-") as folder,
        play(Path(folder), options.gateways) as field,
    ):
        figures = storm(field, requests=options.requests, seed=options.seed)
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    if broken := broken_by_storm(figures, options.requests):
        sys.exit("broken: " + "; ".join(broken))


if __name__ == "__main__":
    main()
