"""Audit events in a chain of hashes; neither they nor reviews can be changed or removed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

from db.audit_chain import GENESIS, link

if TYPE_CHECKING:
    from collections.abc import Iterator

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit_events", "reviews")
AT_ONCE = 1_000


def upgrade() -> None:
    """Chain the events that are there, in their order."""
    op.create_table(
        "audit_chain",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_chain")),
    )
    with op.batch_alter_table("audit_events") as events:
        events.add_column(sa.Column("position", sa.BigInteger(), nullable=True))
        events.add_column(sa.Column("hash", sa.String(length=64), nullable=True))
    length, newest = _chain_all(op.get_bind())
    with op.batch_alter_table("audit_events") as events:
        events.alter_column("position", existing_type=sa.BigInteger(), nullable=False)
        events.alter_column("hash", existing_type=sa.String(length=64), nullable=False)
        events.create_unique_constraint(op.f("uq_audit_events_position"), ["position"])
    head = sa.table("audit_chain", sa.column("id"), sa.column("length"), sa.column("hash"))
    op.execute(head.insert().values(id=1, length=length, hash=newest))
    for table in APPEND_ONLY:
        for statement in _guards(table, op.get_bind().dialect.name):
            op.execute(statement)


def downgrade() -> None:
    """Events without a chain."""
    for table in APPEND_ONLY:
        for verb in ("update", "delete"):
            on = "" if op.get_bind().dialect.name == "sqlite" else f" ON {table}"
            op.execute(f"DROP TRIGGER {table}_no_{verb}{on}")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION linewatch_append_only")
    with op.batch_alter_table("audit_events") as events:
        events.drop_constraint(op.f("uq_audit_events_position"), type_="unique")
        events.drop_column("hash")
        events.drop_column("position")
    op.drop_table("audit_chain")


def _chain_all(bind: sa.Connection) -> tuple[int, str]:
    position, newest = 0, GENESIS
    write = sa.text("UPDATE audit_events SET position = :position, hash = :hash WHERE id = :id")
    for row in _rows(bind):
        position += 1
        details = row.details if isinstance(row.details, dict) else json.loads(row.details)
        words = (_iso(row.at), row.actor, row.action, row.subject, details)
        newest = link(newest, position, *words)
        bind.execute(write, {"position": position, "hash": newest, "id": row.id})
    return position, newest


def _rows(bind: sa.Connection) -> Iterator[Any]:
    after = -1
    query = sa.text(
        "SELECT id, at, actor, action, subject, details FROM audit_events "
        "WHERE id > :after ORDER BY id LIMIT :count"
    )
    while rows := bind.execute(query, {"after": after, "count": AT_ONCE}).all():
        yield from rows
        after = rows[-1].id


def _iso(at: Any) -> str:
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _guards(table: str, dialect: str) -> Iterator[str]:
    """Triggers that refuse: for SQLite, which knows no rights, and as a second lock elsewhere."""
    told = f"{table} can only be added to"
    if dialect == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{told}'); END"
            )
        return
    yield (
        "CREATE OR REPLACE FUNCTION linewatch_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% can only be added to', TG_TABLE_NAME; END $$"
    )
    for verb in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION linewatch_append_only()"
        )
