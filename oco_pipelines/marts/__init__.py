"""dbt's models as Dagster assets.

Belongs here: where the dbt project is, its manifest, and how models and tests become assets and
checks. Does not belong here: SQL of a model (`dbt_project/models`) or who fills its sources.
"""
