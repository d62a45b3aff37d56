"""Prices of models, and the ledger's own books.

Belongs here: where prices come from, and the proof that requests and budgets agree. Does not belong
here: the arithmetic of a price (`oco_warehouse.pricing`) or anything that writes a request
(`oco_proxy.ledger`).
"""
