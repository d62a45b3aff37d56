"""Tries a policy's rules in a process of its own, so that no call waits while they are judged."""

import asyncio
import sys
from typing import Any, Final

import msgspec

from oco_proxy.middleware.problems import ProblemError
from oco_proxy.services import Services

TRIAL_SECONDS: Final = 120
_MODULE: Final = "oco_warehouse.policy_engine.dry_run"


async def try_rules(services: Services, rules: Any, shown: int) -> dict[str, Any]:
    """What rules would hit: `found`, `by_account` and the first `hits`.

    One at a time: each takes a core.

    Raises:
        ProblemError: 409 when they cannot be judged, 503 when that takes too long.
    """
    url = services.settings.warehouse_url()
    asked = msgspec.json.encode({"url": url, "rules": rules, "shown": shown})
    async with services.trials:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(TRIAL_SECONDS):
                told, _ = await process.communicate(asked)
        except TimeoutError:
            raise ProblemError(
                503, "trial_too_long", f"The rules were not judged within {TRIAL_SECONDS} seconds."
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"{_MODULE} ended with {process.returncode}")
    answer: dict[str, Any] = msgspec.json.decode(told)
    if "error" in answer:
        raise ProblemError(409, "policy_fails", answer["error"])
    return answer
