"""Cerebra: the LLM gateway and the REST API.

Belongs here: everything that answers HTTP. Does not belong here: what is scheduled
(`oco_pipelines`), schema changes (`oco_warehouse.migrations`), Dagster, dbt, polars or cloud SDKs.
A request flows through the folders in this order: middleware → proxy → budget → ledger.
"""
