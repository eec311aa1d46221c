"""Statements of the hot path: compiled once for a database, then run on its driver.

Rule: for what every message runs, and nothing else; each is made once, at the top of its module. SQLAlchemy's own
execution costs about 35 µs a statement beyond what the database does, and a message runs forty.
Source: docs/adr/0006; PERFORMANCE, section 1.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

Parameters = Mapping[str, Any]
NOTHING: Parameters = {}

watchers: list[Callable[[], None]] = []
"""Called for each statement: `Database.counting` counts those that no engine sees."""

_DRIVER = "parvis.driver"
_named_tuple: Any = namedtuple  # whose names are known at run time alone


class Hot:
    """One statement. All mappings that it is given have the same keys: for an INSERT they are the columns."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._forms: dict[tuple[str, tuple[str, ...]], _Form] = {}

    def run(self, session: Session, parameters: Parameters = NOTHING) -> Rows:
        """Runs it in the transaction of `session`. Raises `sqlalchemy.exc.DBAPIError` as the session would."""
        driver, dialect = _driver_of(session)
        form = self._form(dialect, parameters)
        try:
            return Rows(driver.execute(form.sql, form.bound(parameters)), form)
        except dialect.loaded_dbapi.Error as error:
            raise form.known(error) from error

    def run_all(self, session: Session, rows: Sequence[Parameters]) -> Rows:
        """Runs it for each of `rows`, at least one, as one statement that gives no rows."""
        driver, dialect = _driver_of(session)
        form = self._form(dialect, rows[0])
        try:
            cursor = driver.cursor()
            cursor.executemany(form.sql, [form.bound(each) for each in rows])
        except dialect.loaded_dbapi.Error as error:
            raise form.known(error) from error
        return Rows(cursor, form)

    def _form(self, dialect: Dialect, parameters: Parameters) -> _Form:
        for watch in watchers:
            watch()
        key = (dialect.name, tuple(parameters))
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = _Form(self._statement, dialect, list(parameters))
        return form


def _driver_of(session: Session) -> tuple[Any, Any]:
    """The driver's connection of the session's transaction, and the dialect; asked for once a session."""
    found: tuple[Any, Any] | None = session.info.get(_DRIVER)
    if found is None:
        connection = session.connection()
        found = session.info[_DRIVER] = (connection.connection.dbapi_connection, connection.dialect)
    return found


class _Form:
    """A statement as one dialect says it, for one set of parameters."""

    __slots__ = ("_converted", "_fixed", "_names", "_positional", "_row", "_shaped", "dialect", "sql")

    def __init__(self, statement: Any, dialect: Dialect, keys: list[str]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=keys or None)
        self.dialect: Any = dialect
        self.sql: str = compiled.string
        self._positional: bool = compiled.positional
        self._names: list[str] = list(compiled.positiontup if compiled.positional else compiled.binds)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._converted = {
            name: convert
            for name, bind in compiled.binds.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        columns = list(getattr(statement, "exported_columns", ()))
        self._shaped = [
            (place, shape)
            for place, column in enumerate(columns)
            if (shape := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ]
        shape_of_row: Any = _named_tuple("Row", [str(column.key) for column in columns], rename=True)
        self._row: Callable[[Sequence[Any]], Any] = shape_of_row._make

    def bound(self, parameters: Parameters) -> Any:
        """The parameters as the driver takes them."""
        fixed, converted = self._fixed, self._converted
        values = [parameters[name] if name in parameters else fixed.get(name) for name in self._names]
        for place, name in enumerate(self._names) if converted else ():
            convert = converted.get(name)
            if convert is not None:
                values[place] = convert(values[place])
        return values if self._positional else dict(zip(self._names, values, strict=True))

    def known(self, error: Exception) -> BaseException:
        """An error of the driver as SQLAlchemy names it, without values."""
        every = self.dialect.loaded_dbapi.Error
        return DBAPIError.instance(self.sql, None, error, every, dialect=self.dialect)

    def row(self, raw: Sequence[Any]) -> Any:
        """A row with the names of its columns."""
        if self._shaped:
            shaped = list(raw)
            for place, shape in self._shaped:
                shaped[place] = shape(shaped[place])
            raw = shaped
        return self._row(raw)


class Rows:
    """What a statement gave: the part of `sqlalchemy.engine.Result` that is asked for here."""

    __slots__ = ("_cursor", "_form")

    def __init__(self, cursor: Any, form: _Form) -> None:
        self._cursor, self._form = cursor, form

    @property
    def rowcount(self) -> int:
        """How many rows an UPDATE or DELETE found."""
        found: int = self._cursor.rowcount
        return found

    def first(self) -> Any:
        """The first row, or None."""
        raw = self._cursor.fetchone()
        return None if raw is None else self._form.row(raw)

    def all(self) -> list[Any]:
        """All rows."""
        return [self._form.row(raw) for raw in self._cursor.fetchall()]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.all())

    def one(self) -> Any:
        """The first row, where there is one by its nature."""
        return self._form.row(self._cursor.fetchone())

    def scalar(self) -> Any:
        """The first column of the first row, or None."""
        found = self.first()
        return None if found is None else found[0]

    def scalar_one(self) -> Any:
        """The first column of the first row, where there is one by its nature."""
        return self.one()[0]

    def scalars(self) -> list[Any]:
        """The first column of all rows."""
        return [row[0] for row in self.all()]


def execute(session: Session, statement: Any, parameters: Any = None) -> Any:
    """Runs any statement past the ORM: a `Hot` one on the driver, another on the connection of `session`."""
    if not isinstance(statement, Hot):
        return session.connection().execute(statement, parameters)
    if isinstance(parameters, list):
        return statement.run_all(session, parameters)
    return statement.run(session, parameters or NOTHING)
