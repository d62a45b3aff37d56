"""What people state for showback and reconciliation: allocation rules and invoices.

Belongs here: reading their files, writing them to the warehouse whole or not at all, what rules
would move, and the sensor that sees them change. Does not belong here: what a rule is
(`oco_warehouse.allocation_rules`) or how cost is shared out (`dbt_project`, `int_showback_shares`).
"""
