"""What a child process must find in its environment to work on the same warehouse as we do."""

from urllib.parse import unquote, urlsplit

from oco_warehouse.settings import Settings


def process_environment(settings: Settings) -> dict[str, str]:
    """Environment variables for dbt, Dagster, psql and the gateway.

    Args:
        settings: with every address filled in, as `embedded.attach` returns them.
    """
    address = urlsplit(settings.warehouse_url())
    host, port = address.hostname or "localhost", str(address.port or 5432)
    user, password = unquote(address.username or ""), unquote(address.password or "")
    database = unquote(address.path.strip("/"))
    return {
        "OCO_HOME": str(settings.home.expanduser().absolute()),
        "DATABASE_URL": settings.warehouse_url(),
        "REDIS_URL": settings.cache_url(),
        "OCO_DAGSTER_URL": settings.dagster_url(),
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": port,
        "POSTGRES_USER": user,
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DB": database,
        "PGHOST": host,
        "PGPORT": port,
        "PGUSER": user,
        "PGPASSWORD": password,
        "PGDATABASE": database,
        "DAGSTER_HOME": str(settings.home.expanduser().absolute() / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
