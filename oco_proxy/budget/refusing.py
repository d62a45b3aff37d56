"""Which hard budgets refuse calls: noted in memory, written down once a period for the alerts.

A refusal must stay cheap, because callers repeat them; so nothing is written while one waits.
"""

from datetime import datetime
from typing import Final

import asyncpg

from oco_proxy.budget.verdicts import BudgetExceeded

WRITE_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 5.0
# Budgets whose newest refusal is remembered; who is forgotten is written once more.
_MOST: Final = 10_000
_WRITE: Final = """
UPDATE oco.budgets SET refused_period = $2
WHERE id = $1 AND (refused_period IS NULL OR refused_period < $2)
"""


class Refusing:
    """The newest period in which each budget refused a call, and which of them are unwritten."""

    def __init__(self) -> None:
        self._known: dict[str, datetime] = {}
        self._unwritten: dict[str, datetime] = {}

    def note(self, refusal: BudgetExceeded) -> None:
        """A budget refused a call. One that only waits for calls under way is not spent."""
        budget, start = refusal.budget.id, refusal.period.start
        if self._known.get(budget) == start or refusal.passes_later:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[budget] = self._unwritten[budget] = start

    async def write(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Write down what is new.

        Raises:
            `POSTGRES_GONE`: no answer; it is
                written the next time.
        """
        for budget, start in list(self._unwritten.items()):
            await pool.execute(_WRITE, budget, start, timeout=_TIMEOUT_SECONDS)
            if self._unwritten.get(budget) == start:
                del self._unwritten[budget]
