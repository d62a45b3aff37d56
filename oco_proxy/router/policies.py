"""Whose calls may be routed, and how boldly. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Strategy = Literal["quality_first", "balanced", "cost_optimized"]
Mode = Literal["enforce", "dry_run", "off"]
STRATEGIES: Final[tuple[Strategy, ...]] = ("quality_first", "balanced", "cost_optimized")
MODES: Final[tuple[Mode, ...]] = ("enforce", "dry_run", "off")
EVERYONE: Final = "*"

# Nearest to the call first; a tag comes after the agent that sent it.
_RANK: Final = {"agent": 0, "user": 2, "team": 3, "org": 4}
_TAG_RANK: Final = 1


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """One row of `oco.routing_policies`.

    Attributes:
        allowed_models: models that may be chosen; None allows every model of the catalogue.
    """

    id: str
    scope: str
    entity_id: str
    strategy: Strategy
    mode: Mode
    allowed_models: frozenset[str] | None = None


class Policies:
    """Enabled policies by what they are for."""

    def __init__(self, policies: Iterable[RoutingPolicy] = ()) -> None:
        self._by_scope = {(policy.scope, policy.entity_id): policy for policy in policies}

    def __bool__(self) -> bool:
        return bool(self._by_scope)

    def choose(self, scopes: Sequence[tuple[str, str]]) -> RoutingPolicy | None:
        """The policy that counts for a caller; None when nothing is to be done.

        One that names the caller wins over one for everyone; among these agent, tag, user, team,
        organization, in this order. `off` exempts.

        Args:
            scopes: (scope, entity id) of everything that is known of the caller, tags included.
        """
        ordered = sorted(scopes, key=lambda scope: (_RANK.get(scope[0], _TAG_RANK), scope))
        for everyone in (False, True):
            for scope, entity in ordered:
                policy = self._by_scope.get((scope, EVERYONE if everyone else entity))
                if policy is not None:
                    return None if policy.mode == "off" else policy
        return None
