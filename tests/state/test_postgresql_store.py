"""What is particular to a state in PostgreSQL; what holds for every store is in tests/contract."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pytest

from reconciler.errors import ReconcilerError, StateError, StateLocked
from reconciler.model import Server
from reconciler.state.base import Intent, IntentNoted, State, StateStore
from reconciler.state.journal import encode_line
from reconciler.state.leased import Holding
from reconciler.state.leases import LeaseLost
from reconciler.state.locks import new_lock
from reconciler.state.postgresql import PostgresqlBackend, link
from reconciler.state.state_format import encode_event
from reconciler.state.stores import open_store
from tests.state_servers import PlaceUrl

SERVER = Server("pulse", "https://pulse.example.com")

Connection = psycopg.Connection[Any]


def noted(number: int) -> IntentNoted:
    return IntentNoted(Intent(f"Campaign/{number}", "name"))


@pytest.fixture
def url(place_url: PlaceUrl) -> str:
    return place_url("postgresql")


@pytest.fixture
def store(url: str) -> StateStore:
    return open_store(url, root=Path())


@pytest.fixture
def schema(url: str) -> str:
    return parse_qs(urlsplit(url).query)["schema"][0]


@pytest.fixture
def db(url: str) -> Iterator[Connection]:
    """The database as somebody else sees it; names are those of the state's schema."""
    options = parse_qs(urlsplit(url).query)
    with psycopg.connect(
        host=options["host"][0], user="ci", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"SET search_path TO {options['schema'][0]}")  # type: ignore[call-overload]
        yield connection


@pytest.fixture
def remote(url: str, schema: str) -> PostgresqlBackend:
    """The place itself, for what a store does only when it meets others."""
    parameters = {"host": parse_qs(urlsplit(url).query)["host"][0], "user": "ci", "dbname": "postgres"}
    return PostgresqlBackend(parameters, schema, 60.0, url=url)


def record(store: StateStore, *numbers: int) -> State:
    with store.locked(SERVER, "apply") as session:
        for number in numbers:
            session.record(noted(number))
    return store.load()


def crashed(remote: PostgresqlBackend, *numbers: int) -> None:
    """Leaves what a process that recorded these leaves, one call each, when it is killed."""
    held = remote.take(new_lock("apply"))
    assert held
    state, check = held.read().state, 0
    for number in numbers:
        line, check = encode_line(
            [encode_event(noted(number))], lineage=state.lineage, base=state.serial, check=check
        )
        held.append([line], base=state.serial)
    held.release()


# --- tables -------------------------------------------------------------------------------------------


def test_the_tables_of_a_state(store: StateStore, db: Connection, schema: str) -> None:
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1"
    store.load()
    assert list(store.audit_lines()) == []
    assert store.holder() is None
    store.unlock("nobody's")
    assert db.execute(tables, [schema]).fetchall() == [], "who only looks makes nothing"
    record(store, 1)
    assert db.execute(tables, [schema]).fetchall() == [("audit",), ("journal",), ("lock",), ("snapshot",)]
    record(store, 2)
    record(store, 3)
    assert db.execute("SELECT serial FROM snapshot ORDER BY 1").fetchall() == [(2,), (3,)]
    assert db.execute("SELECT count(*) FROM journal").fetchone() == (0,)
    with store.locked(SERVER, "apply") as session:
        session.record(noted(4), noted(5))
        session.record(noted(6))
        session.audit("one", "two")
        assert db.execute("SELECT base, number FROM journal ORDER BY 2").fetchall() == [(3, 1), (3, 2)]
        assert db.execute("SELECT number, line FROM audit ORDER BY 1").fetchall() == [(1, "one"), (2, "two")]


def test_many_may_be_the_first(url: str) -> None:
    stores = [open_store(url, root=Path()) for _ in range(8)]

    def first(store: StateStore) -> None:
        with store.locked(SERVER, "apply", timeout=60):
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(first, stores))


@pytest.mark.parametrize("name", ["With Space", 'quo"te', "ünï", "select", "100%", "%s", "%(id)s", "%%"])
def test_a_schema_may_have_any_name(url: str, db: Connection, name: str) -> None:
    named = open_store(re.sub(r"schema=.*", f"schema={quote(name)}&lease=9", url), root=Path())
    assert record(named, 1).serial > 0
    with named.locked(SERVER, "apply") as session:
        session.audit("one")
    assert (list(named.audit_lines()), named.holder()) == (["one"], None)
    found = db.execute("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [name]).fetchone()
    assert found == (1,)


def test_a_long_audit_log_is_read_in_pieces(store: StateStore) -> None:
    lines = [f"line {number}" for number in range(2500)]
    with store.locked(SERVER, "apply") as session:
        session.audit(*lines)
    assert list(store.audit_lines()) == lines
    with store.locked(SERVER, "apply") as session:
        assert session.audit_tail == lines[-1]


def test_who_finds_the_tables_there_needs_no_right_to_make_them(
    url: str, store: StateStore, db: Connection, schema: str
) -> None:
    record(store, 1)
    role = f"{schema}_writer"
    db.execute(f"CREATE ROLE {role} LOGIN")  # type: ignore[call-overload]
    writer = open_store(url.replace("ci@", f"{role}@"), root=Path())
    with pytest.raises(StateError, match="permission denied for schema") as caught:
        writer.load()
    assert "GRANT" in (caught.value.hint or "")
    db.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")  # type: ignore[call-overload]
    db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")  # type: ignore[call-overload]
    assert list(writer.load().intents) == ["Campaign/1"], "who plans only reads"
    with pytest.raises(StateError, match="permission denied for table lock"):
        writer.locked(SERVER, "apply").__enter__()
    db.execute(
        f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"  # type: ignore[call-overload]
    )
    assert record(writer, 2).serial > 0
    nowhere = open_store(url.replace("ci@", f"{role}@").replace(f"={schema}", "=other"), root=Path())
    with pytest.raises(StateError, match="permission denied for database"):
        nowhere.locked(SERVER, "apply").__enter__()


# --- connections --------------------------------------------------------------------------------------

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"


def test_a_connection_that_breaks_is_made_again(url: str, db: Connection, schema: str) -> None:
    name = f"cut-{schema}"
    store = open_store(f"{url}&application_name={name}", root=Path())
    with store.locked(SERVER, "apply") as session:
        session.record(noted(1))
        for number in (2, 3):
            assert db.execute(CUT, [name]).fetchall()
            session.record(noted(number))
            assert store.load() == session.state
        session.audit("one")
        assert db.execute(CUT, [name]).fetchall()
        session.audit("two")
        assert db.execute(CUT, [name]).fetchall()
    assert len(store.load().intents) == 3
    assert list(store.audit_lines()) == ["one", "two"]
    assert store.holder() is None


@pytest.mark.parametrize("write", ["append", "save", "audit"])
def test_a_write_whose_answer_was_lost_is_done_once(
    store: StateStore, remote: PostgresqlBackend, db: Connection, write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, 1)
    held = remote.take(new_lock("apply"))
    assert held
    state = held.read().state
    run, lost = link.DatabaseLink.run, [True]

    def unheard(self: link.DatabaseLink, work: Callable[[Connection], Any], *, patience: float = 0.0) -> Any:
        def twice(connection: Connection) -> Any:
            done = work(connection)
            if lost and patience:
                lost.pop()
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            return done

        return run(self, twice, patience=patience)

    monkeypatch.setattr(link.DatabaseLink, "run", unheard)
    match write:
        case "append":
            held.append([b"one\n", b"two\n"], base=state.serial)
            held.append([b"three\n"], base=state.serial)
            lines = [line for (line,) in db.execute("SELECT line FROM journal ORDER BY number")]
            assert lines == ["one", "two", "three"]
        case "save":
            held.save(b"{}", serial=state.serial + 1)
            assert db.execute("SELECT serial FROM snapshot ORDER BY 1").fetchall() == [(1,), (2,)]
        case "audit":
            held.append_audit(["one", "two"])
            held.append_audit(["three"])
            assert list(store.audit_lines()) == ["one", "two", "three"]
    assert not lost
    held.release()


def test_a_server_that_stays_away_is_given_up(
    store: StateStore, remote: PostgresqlBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, 1)
    naps: list[float] = []

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return sum(naps)

        sleep = staticmethod(naps.append)

    held = remote.take(new_lock("apply"))
    assert held

    def refused(**_: object) -> Connection:
        raise psycopg.OperationalError("connection refused\nIs the server running there?")

    with monkeypatch.context() as patch:
        patch.setattr(link, "time", Clock)
        patch.setattr(psycopg, "connect", refused)
        held._link.close()  # type: ignore[attr-defined]
        with pytest.raises(StateError, match=r"connection refused$") as caught:
            held.append([b"line\n"], base=2)
        assert sum(naps) == 15
        naps.clear()
        held._link.close()  # type: ignore[attr-defined]
        held.release()
        assert naps == [], "a lease runs out by itself"
    assert "PGPASSWORD" in (caught.value.hint or "")
    assert remote.holder() is not None


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    url = f"postgresql://me:secret-canary@/fleet?host={tmp_path}&port=1&schema=x"
    store = open_store(url, root=Path())
    assert store.url == url.replace("me:secret-canary@", "me@") or "secret" not in store.url
    with pytest.raises(StateError) as caught:
        store.load()
    said = f"{caught.value.message} {caught.value.hint}"
    assert "can't use the state postgresql://" in said
    assert "canary" not in said + store.url
    assert "\n" not in said


# --- who lost its lock --------------------------------------------------------------------------------

SENDS: dict[str, Callable[[Holding, State], object]] = {
    "append": lambda held, state: held.append([b"late\n"], base=state.serial),
    "save": lambda held, state: held.save(b"late", serial=state.serial + 1),
    "audit": lambda held, _: held.append_audit(["late"]),
    "renew": lambda held, _: held.renew(),
}


@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
@pytest.mark.parametrize("next_is", ["nobody", "there", "gone"])
def test_what_is_sent_after_the_lock_is_lost_writes_nothing(
    store: StateStore,
    remote: PostgresqlBackend,
    db: Connection,
    send: Callable[[Holding, State], object],
    next_is: str,
) -> None:
    record(store, 1)
    stale = remote.take(new_lock("stale"))
    assert stale
    state = stale.read().state
    info = remote.holder()
    assert info
    store.unlock(info.id)
    if next_is == "gone":
        record(store, 2)
    there = remote.take(new_lock("next")) if next_is == "there" else None
    tables = [f"SELECT * FROM {table}" for table in ("snapshot", "journal", "audit", "lock")]
    before = [db.execute(each).fetchall() for each in tables]  # type: ignore[call-overload]
    with pytest.raises(LeaseLost) as caught:
        send(stale, state)
    by = caught.value.by
    assert (by and by.operation) == {"nobody": None, "there": "next", "gone": "apply"}[next_is]
    stale.release()
    assert [db.execute(each).fetchall() for each in tables] == before  # type: ignore[call-overload]
    if there:
        there.release()


def test_a_lease_runs_by_the_servers_clock(store: StateStore, db: Connection) -> None:
    record(store, 1)
    with store.locked(SERVER, "apply"):
        holder = store.holder()
        assert holder
        assert holder.expires == pytest.approx(holder.since + 60)
        db.execute("UPDATE lock SET expires = clock_timestamp() - interval '1 s'")
        assert store.holder() is None
        with store.locked(SERVER, "other") as session:
            session.record(noted(2))
            assert db.execute("SELECT replaced LIKE %s FROM lock", [f"%{holder.id}%"]).fetchone() == (True,)


def test_a_lock_that_nobody_can_read_still_holds(store: StateStore, db: Connection) -> None:
    record(store, 1)
    db.execute("UPDATE lock SET document = '{', expires = clock_timestamp() + interval '1 hour'")
    with pytest.raises(StateLocked, match="locked by another process"):
        store.locked(SERVER, "apply").__enter__()
    db.execute("UPDATE lock SET expires = clock_timestamp()")
    assert record(store, 2).serial > 0


def recorded_without_a_lock(store: StateStore, db: Connection) -> None:
    with store.locked(SERVER, "apply") as session:
        db.execute("DELETE FROM lock")
        session.record(noted(2))


def test_a_lock_row_that_somebody_removed_is_made_again(store: StateStore, db: Connection) -> None:
    record(store, 1)
    with pytest.raises(StateError, match="was broken by somebody"):
        recorded_without_a_lock(store, db)
    assert sorted(record(store, 3).intents) == ["Campaign/1", "Campaign/3"]


# --- damage -------------------------------------------------------------------------------------------


def test_damage_in_the_journal_is_noticed_and_named(
    store: StateStore, remote: PostgresqlBackend, db: Connection
) -> None:
    record(store, 1)
    crashed(remote, 2, 3, 4)
    assert len(store.load().intents) == 4
    db.execute("UPDATE journal SET line = replace(line, 'Campaign/3', 'Campaign/8') WHERE number = 2")
    with pytest.raises(
        StateError, match=r"\(table journal\):2:1: the journal of the state is damaged"
    ) as caught:
        store.load()
    # The way out that the hint names.
    assert "keep only its first line" in (caught.value.hint or "")
    db.execute("DELETE FROM journal WHERE number > 1")
    assert sorted(store.load().intents) == ["Campaign/1", "Campaign/2"]


def test_a_snapshot_of_before_comes_back_as_the_hints_say(
    store: StateStore, remote: PostgresqlBackend, db: Connection
) -> None:
    record(store, 1)
    record(store, 2)
    crashed(remote, 3)
    db.execute("UPDATE snapshot SET document = '{' WHERE serial = (SELECT max(serial) FROM snapshot)")
    with pytest.raises(StateError, match=r"is damaged") as caught:
        store.load()
    statements = re.findall(r"`(DELETE [^`]*)`", caught.value.hint or "")
    assert len(statements) == 2, "the snapshot, and the journal that goes on from it"
    for statement in statements:
        db.execute(statement)
    assert list(store.load().intents) == ["Campaign/1"]
    assert sorted(record(store, 4).intents) == ["Campaign/1", "Campaign/4"]


def test_a_journal_without_its_snapshot_is_noticed(
    store: StateStore, remote: PostgresqlBackend, db: Connection
) -> None:
    record(store, 1)
    crashed(remote, 2)
    db.execute("DELETE FROM snapshot")
    with pytest.raises(StateError, match=r"the snapshot .* that it extends is not"):
        store.load()


# --- URLs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        (
            "postgresql://h/db?colour=red",
            "option that libpq doesn't know: ",
            "postgresql://USER@HOST/DATABASE",
        ),
        ("postgresql://h/db?password=secret-canary", "holds password, which would show", "Set PGPASSWORD"),
        ("postgresql://h/db?sslpassword=secret-canary", "holds sslpassword", "a key without a passphrase"),
        (
            "postgresql://h/db?oauth_client_secret=secret-canary",
            "holds oauth_client_secret",
            "a password file",
        ),
        ("postgresql://me:secret/canary@h/db", "can't be read", "postgresql://"),
        ("postgresql://me:secret#canary@h/db", "can't be read", "postgresql://"),
        ("postgresql://h/db?schema=", "no name of a schema", ""),
        (f"postgresql://h/db?schema={'x' * 64}", "no name of a schema", ""),
        ("postgresql://h/db?lease=soon", "a time between 1 and 3600", ""),
    ],
)
def test_urls_that_are_refused_and_what_to_write(url: str, message: str, hint: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        open_store(url, root=Path())
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"


def test_a_password_is_used_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    def connect(**parameters: object) -> Connection:
        given.update(parameters)
        raise psycopg.OperationalError('password authentication failed for user "me"')

    monkeypatch.setattr(psycopg, "connect", connect)
    store = open_store("postgresql://m%40e:p%40ss-canary@h:99/my%20db?sslmode=require&schema=x", root=Path())
    assert store.url == "postgresql://m%40e@h:99/my%20db?sslmode=require&schema=x"
    with pytest.raises(StateError) as caught:
        store.load()
    said = {name: given[name] for name in ("user", "password", "host", "port", "dbname", "sslmode")}
    expected = {"user": "m@e", "password": "p@ss-canary", "host": "h", "port": 99, "dbname": "my db"}
    assert said == {**expected, "sslmode": "require"}
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"
