"""The readiness score of a DR policy: 0 (nothing would come back) to 100. Pure.

    40 × recent + 25 × proven + 15 × depth + 10 × reachable + 10 × reliable

recent: 1 while the newest usable recovery point has used at most 80 % of the RPO, falling to 0.5 at
the RPO, 0 beyond it or without one. proven: 1 when the last restore or drill that succeeded kept
the RTO in the last 30 days, 0.5 when that is older, 0 otherwise and while the last drill failed.
depth: usable recovery points ÷ keep_at_least, at most 1. reachable: 1 when the storage location is
available. reliable: share of Completed ones among the last ten backups that ended.
docs/resilience.md repeats the formula.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

WEIGHTS: Final = {"recent": 40, "proven": 25, "depth": 15, "reachable": 10, "reliable": 10}
_FRESH_SHARE: Final = 0.8
_PROOF_HOLDS: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the score is made of.

    Attributes:
        age: of the newest usable recovery point; None without one.
        measured_rto: of the last restore that succeeded; None without one.
        proof_age: how long ago that was.
        usable: recovery points.
        ended: backups among the last ten that ended, and `completed` the Completed ones of them.
        drill_failed: whether the last drill failed, and nothing was restored since.
    """

    age: timedelta | None
    rpo_target: timedelta
    measured_rto: timedelta | None
    rto_target: timedelta
    proof_age: timedelta | None
    usable: int
    keep_at_least: int
    location_available: bool
    ended: int
    completed: int
    drill_failed: bool = False


def parts(facts: Facts) -> dict[str, float]:
    """Each part from 0 to 1."""
    return {
        "recent": _recent(facts),
        "proven": _proven(facts),
        "depth": min(1.0, facts.usable / max(facts.keep_at_least, 1)),
        "reachable": 1.0 if facts.location_available else 0.0,
        "reliable": facts.completed / facts.ended if facts.ended else 0.0,
    }


def score(facts: Facts) -> Decimal:
    """The score, to one decimal."""
    whole = sum(WEIGHTS[name] * part for name, part in parts(facts).items())
    return Decimal(str(round(whole, 1)))


def _recent(facts: Facts) -> float:
    if facts.age is None or facts.age > facts.rpo_target:
        return 0.0
    used = facts.age / facts.rpo_target
    return 1.0 if used <= _FRESH_SHARE else 1.0 - 0.5 * (used - _FRESH_SHARE) / (1 - _FRESH_SHARE)


def _proven(facts: Facts) -> float:
    if facts.drill_failed or facts.measured_rto is None or facts.measured_rto > facts.rto_target:
        return 0.0
    return 1.0 if facts.proof_age is not None and facts.proof_age <= _PROOF_HOLDS else 0.5
