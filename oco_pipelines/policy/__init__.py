"""Rules that spend, resources, models and recovery points are held to, and what breaks them.

Belongs here: policies as people write them in files, one evaluation after the other, and the life
of a violation. Does not belong here: the grammar (`oco_warehouse.policy_rules`), what a filter
means (`oco_warehouse.policy_engine`), or how to save money (`optimizer`).
"""
