"""What every request passes: request ids, logs, problem responses, tokens, security headers.

Belongs here: what knows HTTP but no domain. Does not belong here: budgets, prices, providers.
"""
