"""What could be saved: one file a rule, each a pure function from rows to recommendations.

Belongs here: inventory and metrics as the rules need them, the rules, and the life of a
recommendation. Does not belong here: where costs come from (`ingestion`) or what must not be
(`policy`).
"""
