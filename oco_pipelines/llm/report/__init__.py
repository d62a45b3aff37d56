"""The daily and the weekly report on model spend, as JSON and as a page.

Belongs here: the figures of a report, its page, and its row. Does not belong here: finding anything
out (`oco_pipelines.llm.insights`) or serving it (`oco_proxy.api.insights`).
"""
