"""Cloud bills: from a provider's file to `oco.cloud_costs`, to the last digit.

Belongs here: reading, validating, normalising and loading charges, and the shipped sample. Does not
belong here: what is modelled from charges (`marts`) or judged by them (`optimizer`, `policy`).

The files in the order of the flow: object_store → sources → focus_reader → focus_columns →
focus_values → focus_normalise → cost_load → definitions.
"""
