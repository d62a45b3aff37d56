"""Exchange rates: from a file that a person states, or from the ECB, to `oco.exchange_rates`.

Belongs here: reading and fetching rates, and which of two wins. Does not belong here: converting
costs (`ingestion`).

The files in the order of the flow: rate_file, ecb_file → ecb_fetch → rate_store → definitions.
"""
