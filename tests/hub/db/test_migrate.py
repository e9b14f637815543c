"""Which databases are taken, and in which words the others are refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import NullPool, create_engine

from hub.db import migrate
from hub.db.schema import metadata


def run_sql(path: Path, *statements: str) -> None:
    """With SQLite's own client."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


def is_described(name: str | None, kind: str, _: object) -> bool:
    """Not what belongs to the search index: SQLAlchemy can't describe it; the index's own tests need it as it is."""
    return kind != "table" or name is None or name.partition("_")[0] != "search"


def test_migrations_make_exactly_the_schema(path: Path) -> None:
    migrate.prepare(path)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": is_described}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_a_new_file_is_made_for_its_owner_only(path: Path) -> None:
    migrate.prepare(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_current_database_is_left_alone(path: Path) -> None:
    migrate.prepare(path)
    before = path.read_bytes()
    migrate.prepare(path)
    assert migrate.migrate(path) == ("0004", "0004")
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_in_words(path: Path) -> None:
    migrate.prepare(path)
    run_sql(path, "UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    for refuse in (migrate.prepare, migrate.migrate):
        with pytest.raises(migrate.SchemaMismatch) as refused:
            refuse(path)
        assert refused.value.found == "9999"
    assert "9999" in str(refused.value)
    assert path.read_bytes() == before


def test_an_older_schema_names_the_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.prepare(path)

    class Script:
        """A later version of Heliograph, for which 0004 is the past."""

        def get_current_head(self) -> str:
            return "0005"

        def walk_revisions(self) -> list[object]:
            return [type("Revision", (), {"revision": number}) for number in ("0005", "0004")]

    monkeypatch.setattr(migrate.ScriptDirectory, "from_config", lambda config: Script())
    with pytest.raises(migrate.SchemaMismatch) as refused:
        migrate.prepare(path)
    assert "heliograph migrate" in str(refused.value)
    assert "0004" in str(refused.value)


def test_migrate_makes_an_empty_file_a_database(path: Path) -> None:
    path.touch()
    assert migrate.migrate(path) == (None, "0004")
    migrate.prepare(path)


def test_somebody_elses_database_is_refused_untouched(path: Path) -> None:
    run_sql(path, "CREATE TABLE photos (name TEXT)")
    before = path.read_bytes()
    for refuse in (migrate.prepare, migrate.migrate):
        with pytest.raises(migrate.SchemaMismatch):
            refuse(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    path.write_bytes(b"my notes\n" * 1000)
    for refuse in (migrate.prepare, migrate.migrate):
        with pytest.raises(migrate.SchemaMismatch) as refused:
            refuse(path)
        assert "nothing was changed" in str(refused.value)
    assert path.read_bytes() == b"my notes\n" * 1000


def test_a_first_start_that_was_killed_is_no_obstacle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema is there as a whole or not at all."""

    def die(*args: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("alembic.operations.Operations.batch_alter_table", die)
        with pytest.raises(KeyboardInterrupt):
            migrate.prepare(path)
    migrate.prepare(path)


def test_a_path_with_special_characters_is_just_a_path(tmp_path: Path) -> None:
    path = tmp_path / "what? 100%#1" / "hub.db"
    path.parent.mkdir()
    migrate.prepare(path)
    assert path.stat().st_size > 0
    assert sorted(tmp_path.iterdir()) == [path.parent]
