"""The REST API under `/api/v1`: thin controllers over the warehouse.

Belongs here: HTTP shapes, one file a resource. Does not belong here: rules that the pipelines or
the gateway own; a controller that needs one calls it. Conventions: problems for errors, cursors for
lists, decimal text for money, ETag and If-Match where a repeat would hurt.
"""
