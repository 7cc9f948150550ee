"""Lets Alembic work on the connection that the store gives it, inside the store's own transaction."""

from alembic import context

from stretto.stores.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
