"""What a governance policy's rules may say, read once into typed filters.

The API reads rules at its border, commands when they import a file, and the engine before it
judges. All of them read them here, so that what one takes the others take. The grammar is Cloud
Custodian's, with conditions on money, models and recovery points that it lacks.

Belongs here: the shape of rules and why one is refused, with the path inside the JSON. Does not
belong here: what a filter means for a resource (`oco_warehouse.policy_engine`). Pure, without I/O.
"""

from oco_warehouse.policy_rules.rules import Rules, parse_rules

__all__ = ["Rules", "parse_rules"]
