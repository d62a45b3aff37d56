"""The hot path: identify, estimate, admit, forward, meter a side copy, settle.

Belongs here: what providers' dialects mean and how bytes are passed on untouched. Does not belong
here: budget arithmetic (`oco_proxy.budget`), persistence (`oco_proxy.ledger`), prices
(`oco_warehouse.pricing`). Bodies live in memory while their request lasts and nowhere else.
"""
