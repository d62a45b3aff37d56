"""The router: may a cheaper model of the same provider answer this call?

Belongs here: the shape of a request (sizes, counts, flags: never its words), the catalogue of
models, policies, the decision as a pure function, and the rewriting of the one value that changes.
Does not belong here: sending (`proxy.relay`), prices (`oco_warehouse.pricing`), budgets.
"""
