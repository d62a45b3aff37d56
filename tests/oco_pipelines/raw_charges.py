"""What a load writes down beside its charges, for tests that write charges themselves."""

from oco_warehouse.database import Connection, Warehouse


def told(connection: Connection | Warehouse) -> None:
    """Say that every day that has charges has changed, and which sets of tags there are."""
    connection.execute(
        "INSERT INTO oco.cloud_tag_sets (tags, last_month) "
        "SELECT tags, date_trunc('month', max(date))::date FROM oco.cloud_costs "
        "WHERE tags <> '{}' GROUP BY tags ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO oco.cloud_cost_days (date, changed_by) "
        "SELECT date, gen_random_uuid() FROM (SELECT DISTINCT date FROM oco.cloud_costs) AS days "
        "ON CONFLICT (date) DO UPDATE SET changed_by = excluded.changed_by"
    )
