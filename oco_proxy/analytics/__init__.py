"""What was found out about model spend, as the API reads it.

Belongs here: statements that read insights, alerts, reports and unpriced models. Does not belong
here: finding anything out (`oco_pipelines.llm.insights`), or routes (`oco_proxy.api`).
"""
