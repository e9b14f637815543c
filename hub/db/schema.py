"""The tables. ``events`` is the truth and only grows; sessions, entries and messages are folded out of it.

Times are microseconds since the epoch. JSON is text. Names are DESIGN's; migrations are the
only thing that makes or changes tables.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = Table(
    "users",
    metadata,
    Column("user_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

machines = Table(
    "machines",
    metadata,
    Column("machine_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("user", String, nullable=False),
    Column("os", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", String, primary_key=True),
    Column("kind", String, nullable=False),  # machine, person, browser, sign_in
    Column("hashed", LargeBinary, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("user_id", ForeignKey("users.user_id")),
    Column("machine_id", ForeignKey("machines.machine_id")),
    Column("csrf", String),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

pairings = Table(
    "pairings",
    metadata,
    Column("pairing_id", String, primary_key=True),
    Column("hashed", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

processes = Table(
    "processes",
    metadata,
    Column("machine_id", ForeignKey("machines.machine_id"), primary_key=True),
    Column("pid", Integer, primary_key=True, autoincrement=False),
    Column("started_at", BigInteger, nullable=False),
    Column("session_id", String),
    Column("linked", Boolean, nullable=False),
    Column("ways", Text, nullable=False),  # hub.core.model.Ways
    Column("gone", Boolean, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", String, primary_key=True),
    Column("machine_id", ForeignKey("machines.machine_id"), nullable=False),
    Column("state", String, nullable=False),
    Column("title", String, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("last_activity_at", BigInteger, nullable=False),
    Column("change_id", BigInteger, nullable=False),
    Column("record", Text, nullable=False),  # the whole hub.core.model.Session
    Index(None, "last_activity_at"),
    Index(None, "change_id"),
    Index(None, "machine_id", "state"),
)

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("event_id", String, nullable=False, unique=True),
    Column("source", String, nullable=False),
    Column("name", String, nullable=False),
    Column("machine_id", ForeignKey("machines.machine_id"), nullable=False),
    Column("session_id", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("orphan", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

# Most rows of the store after events: one index. Whoever looks for an entry knows its position (Session.open_tools
# and its like); what changed is looked for among a session's rows. Without rowids the large ones would take an
# overflow page each.
entries = Table(
    "entries",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("session_id", ForeignKey("sessions.session_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("entry_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("change_id", BigInteger, nullable=False),
    Column("data", Text, nullable=False),
    UniqueConstraint("session_id", "position"),
)

messages = Table(
    "messages",
    metadata,
    Column("message_id", String, primary_key=True),
    Column("session_id", ForeignKey("sessions.session_id"), nullable=False),
    Column("author_id", String, nullable=False),
    Column("author", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("client_id", String),
    Column("when", String, nullable=False),
    Column("state", String, nullable=False),
    Column("via", String),
    Column("position", Integer, nullable=False),
    Column("again", String),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("author_id", "client_id"),
    Index(None, "session_id", "state", "message_id"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("message_id", ForeignKey("messages.message_id"), primary_key=True),
    Column("state", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("evidence", String, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", String, primary_key=True),
    Column("session_id", ForeignKey("sessions.session_id"), nullable=False),
    Column("machine_id", ForeignKey("machines.machine_id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("change_id", BigInteger, nullable=False),
    Column("record", Text, nullable=False),  # the whole hub.core.model.Decision
    Index(None, "state", "opened_at", "decision_id"),
    Index(None, "closed_at"),
    Index(None, "session_id"),
    Index(None, "change_id"),
)

push_subscriptions = Table(
    "push_subscriptions",
    metadata,
    Column("subscription_id", String, primary_key=True),
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("token_id", ForeignKey("tokens.token_id"), nullable=False),
    Column("endpoint", Text, nullable=False, unique=True),
    Column("p256dh", String, nullable=False),
    Column("auth", String, nullable=False),
    Column("label", String, nullable=False),  # the browser in words
    Column("created_at", BigInteger, nullable=False),
    Column("failed_at", BigInteger),  # since when its push service takes nothing
)

usage = Table(
    "usage",
    metadata,
    Column("session_id", ForeignKey("sessions.session_id"), primary_key=True),
    Column("day", String, primary_key=True),  # UTC, 2026-11-21
    Column("model", String, primary_key=True),
    Column("machine_id", ForeignKey("machines.machine_id"), nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("cache_read", BigInteger, nullable=False),
    Column("cache_write", BigInteger, nullable=False),
    Column("cost_usd", Float),
    Index(None, "day"),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("did", String, nullable=False),
    Column("what", String, nullable=False),
    Column("address", String, nullable=False),
)

rules = Table(
    "rules",
    metadata,
    Column("rule_id", String, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("record", Text, nullable=False),  # the whole hub.core.rules.Rule
)
