"""One file a rule: frames and thresholds in, recommendations out; no I/O.

Belongs here: what a rule looks at and what it claims. Does not belong here: how frames are read,
how overlaps are netted, and what becomes of a recommendation.
"""
