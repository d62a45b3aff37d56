"""The ground floor: what the gateway, the pipelines and the front door all stand on.

Belongs here: settings, errors, money, prices, row types, connections, migrations and the embedded
servers. Does not belong here: HTTP handlers, Dagster definitions, cloud SDKs, data frames. This
package imports none of the other packages of the platform.
"""

__version__ = "0.1.0"
