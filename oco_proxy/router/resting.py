"""Models that gave up several times in a row are left alone for a while, policy by policy.

A key without access to a model, or a model that is down, would otherwise cost every call a second
round trip. Kept by policy, because a policy's callers mostly share a key. Pure but for its memory.
"""

from dataclasses import dataclass
from typing import Final

TIMES: Final = 5
REST_SECONDS: Final = 60.0
# Policies come and go: more than this are forgotten together.
MAX_POLICIES: Final = 1_000
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(slots=True)
class _Record:
    in_a_row: int = 0
    until: float = 0.0


class Resting:
    """Which models are not to be chosen now."""

    def __init__(self) -> None:
        self._policies: dict[str, dict[str, _Record]] = {}

    def gave_up(self, policy_id: str, model: str, now: float) -> bool:
        """A routed model could not answer; True when it rests from now on.

        Args:
            policy_id: whose call it was.
            model: the routed model.
            now: monotonic seconds.
        """
        if policy_id not in self._policies and len(self._policies) >= MAX_POLICIES:
            self._policies.clear()
        record = self._policies.setdefault(policy_id, {}).setdefault(model, _Record())
        record.in_a_row += 1
        if record.in_a_row < TIMES:
            return False
        # One more failure after the rest is enough for the next one.
        record.in_a_row = TIMES - 1
        record.until = now + REST_SECONDS
        return True

    def answered(self, policy_id: str, model: str) -> None:
        """A routed model could answer."""
        models = self._policies.get(policy_id)
        if models is not None and models.pop(model, None) is not None and not models:
            del self._policies[policy_id]

    def models(self, policy_id: str, now: float) -> frozenset[str]:
        """The models that rest now under a policy."""
        models = self._policies.get(policy_id)
        if models is None:
            return _NONE
        return frozenset(model for model, record in models.items() if record.until > now)
