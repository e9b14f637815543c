"""Brings a database to this version's schema, or says why it can't be used as it is."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, NullPool, create_engine, inspect
from sqlalchemy.exc import DatabaseError


class SchemaMismatch(Exception):
    """The database isn't of this version. ``found`` is its revision, None where there is none."""

    def __init__(self, path: Path, found: str | None, advice: str) -> None:
        super().__init__(path, found, advice)
        self.path = path
        self.found = found
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.path} has schema {self.found or 'unknown'}, which this version doesn't use. {self.advice}"


def prepare(path: Path) -> None:
    """Make a new database; leave a current one alone. Raises SchemaMismatch for any other."""
    with _connect(path) as connection:
        found, head, known, tables = _look(connection, path)
        if found == head:
            return
        if found is None and not tables:
            _upgrade(connection)
        elif found in known:
            raise SchemaMismatch(path, found, "Back it up, then run: heliograph migrate")
        else:
            origin = "It was made by a newer version of Heliograph, or isn't Heliograph's"
            raise SchemaMismatch(path, found, f"{origin}: update, or choose another --database.")


def migrate(path: Path) -> tuple[str | None, str]:
    """Upgrade a database of an older version; returns (revision before, revision now)."""
    with _connect(path) as connection:
        found, head, known, tables = _look(connection, path)
        if (found is None and tables) or (found is not None and found not in known):
            raise SchemaMismatch(path, found, "It isn't an older Heliograph database; nothing was changed.")
        if found != head:
            _upgrade(connection)
        return found, head


def _connect(path: Path) -> Connection:
    path.touch(0o600, exist_ok=True)
    return create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool).connect()


def _look(connection: Connection, path: Path) -> tuple[str | None, str, set[str], list[str]]:
    script = ScriptDirectory.from_config(_config())
    head = script.get_current_head()
    assert head is not None  # noqa: S101  the first revision ships with the code
    try:
        found = MigrationContext.configure(connection).get_current_revision()
        tables = inspect(connection).get_table_names()
    except DatabaseError as error:
        raise SchemaMismatch(path, None, "It isn't an SQLite database, or is damaged; nothing was changed.") from error
    return found, head, {revision.revision for revision in script.walk_revisions()}, tables


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # all of it or nothing: the driver begins none for DDL
    command.upgrade(config, "head")
    connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
