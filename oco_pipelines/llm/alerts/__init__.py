"""Alerts: what people are told, once, and the way it takes to them.

Belongs here: which budgets crossed a threshold, an alert as a message, its delivery with retries.
Does not belong here: what makes an insight (`oco_pipelines.llm.insights`) or who may add a channel
(`oco_proxy.api.channels`).
"""
