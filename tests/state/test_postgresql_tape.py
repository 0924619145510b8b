"""What a state in a database sends, statement by statement: `tests/golden/postgresql-*.txt`.

Nothing answers but a script, so this needs no server. What the statements do: `test_postgresql_store.py`.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.sql import Composed

from reconciler.errors import ReconcilerError
from reconciler.state.base import Intent, IntentNoted, LockInfo, State
from reconciler.state.folding import fold
from reconciler.state.journal import encode_line
from reconciler.state.leased import document_of
from reconciler.state.leases import LeaseLost
from reconciler.state.postgresql import PostgresqlBackend, link, open_postgresql, tables
from reconciler.state.state_format import encode_event, encode_lock

ME, YOU = (LockInfo(number, name, "here", 7, "apply", 1.0) for number, name in (("1", "me"), ("2", "you")))
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CUT = psycopg.OperationalError("the server closed the connection\nIt may have ended.")
STATEMENTS = {name: text for name, text in vars(tables).items() if name.isupper() and isinstance(text, str)}


@dataclass
class Rows:
    """What a statement gave."""

    rows: Sequence[tuple[Any, ...]]
    rowcount: int

    def fetchall(self) -> Sequence[tuple[Any, ...]]:
        return self.rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None


class Database:
    """Answers each statement as a script says: with rows, how many were written, or an error."""

    def __init__(self, schema: str = "100%") -> None:
        self.answers: dict[str, list[Any]] = defaultdict(list)
        self.lines: list[str] = []
        self.now = 50.0
        made = tables.Tables(schema)
        self.known = {made.alone(text).as_string(): f"{name}, alone" for name, text in STATEMENTS.items()}
        self.known |= {made.sql(text).as_string(): name for name, text in STATEMENTS.items()}

    # psycopg

    def connect(self, **parameters: Any) -> "Database":
        self.lines.append(
            "connect " + " ".join(f"{key}={value}" for key, value in sorted(parameters.items()))
        )
        self._answered("connect")
        return self

    def execute(self, query: Composed | str, values: Any = None) -> Rows:
        text = query if isinstance(query, str) else query.as_string()
        name = self.known.get(text, text)
        shown = sorted(values.items()) if isinstance(values, Mapping) else values
        self.lines.append(name if shown is None else f"{name} {shown}")
        answer = self._answered(name.partition(",")[0])
        return Rows([], answer) if isinstance(answer, int) else Rows(answer, len(answer))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.lines.append("begin")
        yield
        self.lines.append("commit")

    def close(self) -> None:
        self.lines.append("close")

    def _answered(self, name: str) -> Any:
        answer = self.answers[name].pop(0) if self.answers[name] else ()
        if isinstance(answer, Exception):
            raise answer
        return answer

    # time

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.lines.append(f"wait {seconds} s")


class Story:
    """Lines of what was done, and of the statements that it took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = Database()
        self.text: list[str] = []
        monkeypatch.setattr(psycopg, "connect", self.database.connect)
        monkeypatch.setattr(link, "time", self.database)

    def place(self) -> PostgresqlBackend:
        return PostgresqlBackend({"host": "db"}, "100%", 60.0, url="postgresql://db/fleet")

    def do(self, what: str, call: Callable[[], Any], **answers: Any) -> Any:
        """The result of a call, told with all that it sent; `answers` are those of its statements."""
        self.database.lines.clear()
        self.database.answers.clear()
        for name, given in answers.items():
            self.database.answers[name] += given
        result: Any = None
        try:
            result = call()
            said = self._said(result)
        except LeaseLost as error:
            said = f" ! lost to {error.by.holder if error.by else 'nobody'}"
        except ReconcilerError as error:
            said = f" ! {error.message} | {error.hint}"
        found = [(line, sum(1 for _ in same)) for line, same in groupby(self.database.lines)]
        self.text.append(f"{what}{said}")
        self.text += [f"    {line}" + (f"  ({times} times)" if times > 1 else "") for line, times in found]
        return result

    @staticmethod
    def _said(result: Any) -> str:
        match result:
            case None:
                return ""
            case bool() | LockInfo() | str():
                return f" = {result}"
            case _ if hasattr(result, "state"):
                return (
                    f" = serial {result.state.serial}, whole {result.whole}:"
                    f" {', '.join(sorted(result.state.intents)) or 'nothing'}"
                )
            case _:
                return " = held" + (f", in the place of {result.replaced.holder}" if result.replaced else "")

    def told(self) -> str:
        return "".join(f"{line}\n" for line in self.text)


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(monkeypatch)


def noted(number: int) -> IntentNoted:
    return IntentNoted(Intent(f"Campaign/{number}", "name"))


def saved(serial: int, *numbers: int) -> State:
    state = fold(State("lineage", "5a17"), [noted(number) for number in numbers])
    return replace(state, serial=serial)


def document(state: State) -> str:
    return document_of(state).decode()


def journal(state: State, *numbers: int) -> list[tuple[int, int, str]]:
    """Rows of the journal behind the snapshot `state`, an event each."""
    check, rows = 0, []
    for at, number in enumerate(numbers, 1):
        events = [encode_event(noted(number))]
        line, check = encode_line(events, lineage=state.lineage, base=state.serial, check=check)
        rows.append((state.serial, at, line.decode().removesuffix("\n")))
    return rows


def lock(info: LockInfo) -> str:
    return json.dumps(encode_lock(info))


def nothing() -> list[Exception]:
    return [errors.UndefinedTable("no such table")]


def holder(info: LockInfo | None, *, held: bool = True, ends: datetime | None = AT) -> list[Any]:
    return [[(info.id if info else "?", lock(info) if info else "{", AT, ends, held)]]


def test_the_statements(golden: Any) -> None:
    made = tables.Tables('bl"ue%')
    parts = [
        "".join(f"-- {name}\n{made.sql(text).as_string()}\n" for name, text in STATEMENTS.items()),
        "".join(f"-- {name}, alone\n{made.alone(text).as_string()}\n" for name, text in STATEMENTS.items()),
        f"-- tables\n{[each.as_string() for each in made.quoted]}\n",
    ]
    golden("postgresql-statements.txt", "".join(parts))


def test_a_state_statement_by_statement(story: Story, golden: Any) -> None:
    do, first, second = story.do, saved(1, 1), saved(2, 1, 2)
    do("nobody was here", story.place().read, READ=nothing())
    do("nobody holds it", story.place().holder, HOLDER=nothing())
    do("nobody is let go", lambda: story.place().unlock("1"), LEAVE=nothing())
    do("nothing was noted", lambda: ", ".join(story.place().audit_lines()), AUDIT_LINES=nothing())
    held = do(
        "I take it, the first", lambda: story.place().take(ME), THERE=[[(False, False)]], TAKE=[[(None,)]]
    )
    do("I read", held.read, AUDIT_END=[[]], READ=[[]])
    do("I save", lambda: held.save(document_of(first), serial=1), SAVE=[1])
    do("I append two lines", lambda: held.append([b"a\n", b"b\n"], base=1), APPEND=[2])
    do("I append one more", lambda: held.append([b"c\n"], base=1), APPEND=[1])
    do("I note", lambda: held.append_audit(["one", "two"]), APPEND_AUDIT=[2])
    do("I note more", lambda: held.append_audit(["three"]), APPEND_AUDIT=[1])
    do("I renew, on a way of its own", held.renew, RENEW=[1])
    do("I save again", lambda: held.save(document_of(second), serial=2), SAVE=[1])
    do("I append behind that", lambda: held.append([b"d\n"], base=2), APPEND=[1])
    do("I leave", held.release, LEAVE=[[("1",)]])
    do("you want it", lambda: story.place().take(YOU), THERE=[[(True, True)]], TAKE=[[]])
    do("who holds it", story.place().holder, HOLDER=holder(ME))
    do("who held it last", story.place().holder, HOLDER=holder(ME, held=False))
    do("who held it and left", story.place().holder, HOLDER=holder(ME, held=False, ends=None))
    do("who can't be read", story.place().holder, HOLDER=holder(None))
    do("who could not be read has left", story.place().holder, HOLDER=holder(None, held=False))
    do(
        "you take it, where only the schema is",
        lambda: story.place().take(YOU),
        THERE=[[(True, False)]],
        TAKE=[[(None,)]],
    )
    held = do(
        "you take it from me", lambda: story.place().take(YOU), THERE=[[(True, True)]], TAKE=[[(lock(ME),)]]
    )
    rows = [(2, 0, document(second)), *journal(second, 3, 4)]
    do("you read", held.read, AUDIT_END=[[(7, "seven")]], READ=[rows])
    do("who noted last", lambda: held.audit_tail)
    do("you note", lambda: held.append_audit(["eight"]), APPEND_AUDIT=[1])
    do("you look while I saved", story.place().read, READ=[[*rows, *journal(saved(3, 1), 5)]])
    do("you look at less", story.place().read, READ=[rows[:1]])
    do("you look at what has no snapshot", story.place().read, READ=[journal(saved(0), 5)])
    do("you look at damage", story.place().read, READ=[[(2, 0, "{")]])
    do("you look at a torn line", story.place().read, READ=[[rows[0], rows[2]]])
    pages = [[(1, "one"), (4, "four")], [(5, "five")], []]
    do("what was noted", lambda: ", ".join(story.place().audit_lines()), AUDIT_LINES=pages)
    golden("postgresql-calls.txt", story.told())


WRITES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "append": ("APPEND", lambda held: held.append([b"late\n"], base=1)),
    "save": ("SAVE", lambda held: held.save(b"late", serial=2)),
    "note": ("APPEND_AUDIT", lambda held: held.append_audit(["late"])),
    "renew": ("RENEW", lambda held: held.renew()),
}


def test_who_is_refused_and_what_breaks(story: Story, golden: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "reconciler.state")
    do, there = story.do, [[(True, True)]]

    def taken() -> Any:
        held = story.place().take(ME)
        assert held is not None
        held.renew()
        return held

    for write, (name, call) in WRITES.items():
        held = do(f"I take it, to {write}", taken, THERE=list(there), TAKE=[[(None,)]], RENEW=[1])
        again = partial(call, held)
        for who, known in (("you", holder(YOU)), ("nobody", holder(ME)), ("nobody at all", [[]])):
            do(f"I {write}, and {who} took it", again, **{name: [0], "HOLDER": known})
        do(f"I {write} where the line is cut", again, **{name: [CUT, 1]})
        do(f"I {write} where it is cut again and again", again, **{name: [CUT, CUT, CUT, 1]})
        do(f"I {write} without a right to", again, **{name: [errors.InsufficientPrivilege("no")]})
        do(
            f"I {write} on a disk that was full for a moment",
            again,
            **{name: [errors.DiskFull("no room"), 1]},
        )
        do(f"I {write} what is no text", again, **{name: [errors.DataError("bad")]})
    do("I renew where nobody is there any more", again, RENEW=[CUT], connect=[CUT] * 99)
    do("I leave where the line is cut", held.release, LEAVE=[CUT, CUT])
    story.text.append(f"    said: {caplog.messages[-1]}")
    do("I read where nobody answers", story.place().read, connect=[CUT])
    do("I look where it was cut", story.place().holder, HOLDER=[CUT])
    do(
        "I let go without a right to",
        lambda: story.place().unlock("1"),
        LEAVE=[errors.InsufficientPrivilege("no")],
    )
    do(
        "I take without a right to",
        lambda: story.place().take(ME),
        THERE=[errors.InsufficientPrivilege("no")],
    )
    do(
        "I take where too many are connected",
        lambda: story.place().take(ME),
        THERE=[errors.TooManyConnections("sorry, too many clients already"), *there],
    )
    do("I take, and it is cut", lambda: story.place().take(ME), THERE=there * 2, TAKE=[CUT, CUT])
    golden("postgresql-faults.txt", story.told())


@pytest.mark.parametrize(
    ("url", "parameters", "schema", "seconds"),
    [
        (
            "postgresql://ci@db.example.com:5433/fleet?schema=blue&lease=9&sslmode=require",
            {"user": "ci", "host": "db.example.com", "port": 5433, "dbname": "fleet", "sslmode": "require"},
            "blue",
            9.0,
        ),
        ("postgresql://", {}, "reconciler", 60.0),
        (
            "postgresql:///fleet?connect_timeout=3&application_name=mine",
            {"dbname": "fleet", "connect_timeout": "3", "application_name": "mine"},
            "reconciler",
            60.0,
        ),
        ("postgresql:///fleet?schema=" + 63 * "s", {"dbname": "fleet"}, 63 * "s", 60.0),
    ],
)
def test_what_a_url_connects_with(
    monkeypatch: pytest.MonkeyPatch, url: str, parameters: Mapping[str, Any], schema: str, seconds: float
) -> None:
    usual = {"application_name": "reconciler", "connect_timeout": "10", "tcp_user_timeout": "15000"}
    database, seen = Database(schema), dict[str, Any]()

    def connect(**given: Any) -> Database:
        seen.update(given)
        return database

    monkeypatch.setattr(psycopg, "connect", connect)
    database.answers |= {"THERE": [[(True, True)]], "TAKE": [[]], "HOLDER": holder(ME)}
    store = open_postgresql(url)
    with pytest.raises(ReconcilerError), store.locked(None, "apply"):  # type: ignore[arg-type]
        pytest.fail("somebody else has it")
    assert seen == {**usual, **parameters, "autocommit": True, "prepare_threshold": None}
    [asked] = [line for line in database.lines if line.startswith("THERE")]
    assert f"('schema', '\"{schema}\"')" in asked
    [tried] = [line for line in database.lines if line.startswith("TAKE")]
    assert f"('seconds', {seconds})" in tried


@pytest.mark.parametrize("schema", ["", 64 * "s", 32 * "ü"])
def test_what_is_no_name_of_a_schema(schema: str) -> None:
    with pytest.raises(ReconcilerError, match="is no name of a schema") as caught:
        open_postgresql(f"postgresql:///fleet?schema={schema}")
    assert "postgresql://USER@HOST/DATABASE" in (caught.value.hint or "")
