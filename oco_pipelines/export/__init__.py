"""Charges that leave the warehouse, as files that other tools read.

Belongs here: which charges a file holds, how each value is written, and that it is whole. Does not
belong here: what is believed (`ingestion`) or how charges are modelled (`dbt_project`).

The files in the order of the flow: focus_query → focus_file.
"""
