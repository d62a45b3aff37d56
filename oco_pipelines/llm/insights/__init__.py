"""What is worth knowing about model spend: one file an insight, each pure, from rows to findings.

Belongs here: the rows that insights read, the insights, and the life of a finding. Does not belong
here: telling people (`oco_pipelines.llm.alerts`) or the API (`oco_proxy.analytics`).
"""
