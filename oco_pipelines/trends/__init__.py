"""What cloud cost did that it usually does not, what it will be, and how budgets for it stand.

Belongs here: anomalies of daily cost, its forecast, budgets over the mart's dimensions, and what
they tell people through the alerts of `oco_pipelines.llm.alerts`. Does not belong here: spend of
model calls, which has insights and budgets of its own (`oco_pipelines.llm`), and anything that the
gateway admits calls by: a cloud budget refuses nothing.
"""
