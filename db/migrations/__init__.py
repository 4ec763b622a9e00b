"""Alembic's environment and the migrations; run by `db.migrate`."""
