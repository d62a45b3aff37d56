"""Alembic's entry: runs the revisions on the connection that `upgrade` hands over."""

from alembic import context

from oco_warehouse.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    version_table_schema="oco",
)
with context.begin_transaction():
    context.run_migrations()
