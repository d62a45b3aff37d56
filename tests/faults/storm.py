"""`make storm`: many calls race for one hard budget through several gateway processes.

A tenth of them meets an error of the provider, a tenth of the clients hangs up. Afterwards the rest
of the limit is spent one call at a time: what cannot be used was a reservation that leaked.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.faults.field import Field, Outcome, play

AGENT = "storm"
TOKENS = 900
# A call costs some 0.00055 and reserves some 0.0007 dollars.
COST = Decimal("0.00055")


async def _race(field: Field, requests: int, outcome: Outcome, seed: int) -> None:
    chance = random.Random(seed)
    connector = aiohttp.TCPConnector(limit=requests)
    async with aiohttp.ClientSession(connector=connector) as session:
        calls = []
        for number in range(requests):
            gateway = field.gateways[number % len(field.gateways)]
            luck = chance.random()
            knobs = "status=500" if luck < 0.1 else f"delay=0.3,tokens={TOKENS}"
            leave = chance.uniform(0.05, 0.5) if 0.1 <= luck < 0.2 else None
            calls.append(field.call(session, gateway.url, AGENT, knobs, outcome, leave))
        await asyncio.gather(*calls)


async def _use_the_rest(field: Field, outcome: Outcome) -> None:
    async with aiohttp.ClientSession() as session:
        while 429 not in outcome.refused:
            gateway = field.gateways[len(outcome.answered) % len(field.gateways)]
            await field.call(session, gateway.url, AGENT, f"tokens={TOKENS}", outcome)


def storm(home: Path, *, requests: int, gateways: int, seed: int) -> dict[str, Any]:
    """Run it; the figures."""
    limit = COST * requests / 4
    with play(home, gateways) as field:
        field.budget(AGENT, limit)
        outcome = Outcome()
        asyncio.run(_race(field, requests, outcome, seed))
        field.settled(AGENT, outcome.answered)
        rest = Outcome()
        asyncio.run(_use_the_rest(field, rest))
        time.sleep(0.2)
        figures = field.settled(AGENT, [*outcome.answered, *rest.answered])
        # Every call that was admitted reached the provider once, whether its client stayed or not.
        figures["answered"] = field.standin.arrived
        (budget,) = field.warehouse.query(
            "SELECT spent_usd FROM oco.budgets WHERE entity_id = %s", [AGENT]
        )
        figures["limit_usable_share"] = round(float(budget["spent_usd"] / limit), 4)
    return figures


def broken_promises(figures: dict[str, Any]) -> list[str]:
    """What a storm's figures say that must not be."""
    broken = [
        name
        for name in ("overspend_usd", "double_rows", "spent_minus_rows_usd", "unrecorded")
        if figures[name] != 0
    ]
    if figures["limit_usable_share"] < 0.95:
        broken.append("limit_usable_share")
    if figures["rows"] != figures["answered"]:
        broken.append("rows")
    return broken


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--gateways", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oco-storm-") as folder:
        figures = storm(
            Path(folder), requests=options.requests, gateways=options.gateways, seed=options.seed
        )
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    if broken := broken_promises(figures):
        sys.exit(f"broken: {', '.join(broken)}")


if __name__ == "__main__":
    main()
