"""Budgets: who may spend, before it is spent.

Belongs here: periods, limits, the admission and settlement scripts, the holds of this process, and
what happens when Redis is gone. Does not belong here: HTTP shapes (`oco_proxy.proxy.refusals`), and
the moving of `budgets.spent_usd`, which only the ledger's transaction does.
"""
