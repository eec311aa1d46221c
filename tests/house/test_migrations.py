"""The migrations lead to the tables in the code, on both databases; another revision does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

import node.capabilities
from node import config
from node.cli.upgrade import upgraded
from node.config import SettingsError
from node.core import migrations
from node.core.db import Base, Database

assert node.capabilities.CAPABILITIES is not None  # its tables register themselves


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path / 'parvis.db'}")
    return Database(request.getfixturevalue("postgresql_url"))


def test_the_migrations_lead_to_the_tables(database: Database) -> None:
    migrations.upgrade(database, Base.metadata)
    assert migrations.differences(database, Base.metadata) == []
    assert migrations.current(database) == migrations.head()
    migrations.upgrade(database, Base.metadata)  # twice does nothing
    database.close()


def test_head_is_what_alembic_says() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config_ = Config()
    config_.set_main_option("script_location", str(migrations.FOLDER))
    config_.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config_).get_current_head() == migrations.head()


def test_refuses_another_revision(tmp_path: Path) -> None:
    settings = config.example(tmp_path)
    with pytest.raises(SettingsError, match="parvis init"):
        migrations.require_current(settings)
    upgraded(settings)
    migrations.require_current(settings)
    database = Database(settings.database_url)
    with database.writing() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = 'elsewhere'")
    database.close()
    with pytest.raises(SettingsError, match="revision elsewhere"):
        migrations.require_current(settings)
