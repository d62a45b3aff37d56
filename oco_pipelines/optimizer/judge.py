"""Runs every rule for single resources over frames; the order is that of the table in the docs."""

from collections.abc import Callable
from typing import Any, Final

from oco_pipelines.optimizer.frames import Frames
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.idle_database import idle_database
from oco_pipelines.optimizer.rules.idle_instance import idle_instance
from oco_pipelines.optimizer.rules.idle_load_balancer import idle_load_balancer
from oco_pipelines.optimizer.rules.idle_nat_gateway import idle_nat_gateway
from oco_pipelines.optimizer.rules.obsolete_image import obsolete_image
from oco_pipelines.optimizer.rules.off_hours import off_hours
from oco_pipelines.optimizer.rules.old_snapshot import old_snapshot
from oco_pipelines.optimizer.rules.previous_generation import previous_generation
from oco_pipelines.optimizer.rules.rightsize_instance import rightsize_instance
from oco_pipelines.optimizer.rules.stopped_instance import stopped_instance
from oco_pipelines.optimizer.rules.storage_class import storage_class
from oco_pipelines.optimizer.rules.unattached_volume import unattached_volume
from oco_pipelines.optimizer.rules.unused_address import unused_address
from oco_pipelines.optimizer.thresholds import Rule, Thresholds

# Each takes the frames and its own thresholds, which stand under the rule's name.
RULES: Final[dict[str, Callable[[Frames, Any], list[Recommendation]]]] = {
    "idle_instance": idle_instance,
    "stopped_instance": stopped_instance,
    "unattached_volume": unattached_volume,
    "idle_load_balancer": idle_load_balancer,
    "idle_nat_gateway": idle_nat_gateway,
    "unused_address": unused_address,
    "old_snapshot": old_snapshot,
    "obsolete_image": obsolete_image,
    "idle_database": idle_database,
    "rightsize_instance": rightsize_instance,
    "previous_generation": previous_generation,
    "storage_class": storage_class,
    "off_hours": off_hours,
}


def judge(frames: Frames, thresholds: Thresholds) -> list[Recommendation]:
    """What all enabled rules find, each by itself; overlaps are not netted yet."""
    found: list[Recommendation] = []
    for name, rule in RULES.items():
        limits: Rule = getattr(thresholds, name)
        if limits.enabled:
            found += rule(frames, limits)
    return found
