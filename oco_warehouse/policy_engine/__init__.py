"""Judges resources, costs, use of models and recovery points by policies' rules.

Both wings judge: the pipelines keep what they find as violations, the gateway shows what a policy
would hit. Subjects come in batches; a policy is compiled once, a key is looked up once a batch for
all policies, and what a policy selects are rows of a batch.

Belongs here: what a filter means, subjects read from the warehouse, and judging all policies in one
pass. Does not belong here: the grammar (`oco_warehouse.policy_rules`), and what becomes of a hit
(`oco_pipelines.policy`).
"""
