"""What exists in the clouds and how busy it is: `oco.resources` and `oco.resource_metrics`.

Belongs here: listing resources, reading their utilisation, and saying what could not be seen. Does
not belong here: what any of it costs (`ingestion`), or what follows from it (`optimizer`,
`policy`).

The files in the order of the flow: found → facts → store → metric_store → collecting → assets →
definitions, and checks. A cloud's own files begin with its name: NAME_options → NAME_access →
one file a kind of resource → NAME_metrics → NAME_collect → NAME_check → NAME_kind.
"""
