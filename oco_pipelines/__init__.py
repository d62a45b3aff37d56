"""The Dagster code location: everything that is scheduled ("Economist" and "Aegis").

Belongs here: one folder a domain (ingestion, inventory, marts, optimizer, policy, resilience, llm,
maintenance), each handing its own `Definitions` up to `definitions.py`. Does not belong here:
anything on the path of a live request (`oco_proxy`), schema changes (`oco_warehouse.migrations`),
or SQL that people read (`dbt_project`).
"""
