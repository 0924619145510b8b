"""What a state in a bucket asks for and writes, call by call: `tests/golden/s3-calls.txt`. The bucket is a dictionary."""

# ruff: noqa: E501 - a sentence a row

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from reconciler.errors import ReconcilerError, StateError
from reconciler.state.base import Intent, IntentNoted, LockInfo, State
from reconciler.state.folding import fold
from reconciler.state.journal import encode_line
from reconciler.state.leased import document_of
from reconciler.state.leases import LeaseLost
from reconciler.state.s3 import S3Backend, locked
from reconciler.state.s3.bucket import Listed, StoredObject
from reconciler.state.state_format import encode_event

KEY = "f/state.json"
ME, YOU = (LockInfo(number, name, "here", 7, "apply", 1.0) for number, name in (("1", "me"), ("2", "you")))


class Objects:
    """A bucket: objects by key, and a line of each call. ``lost``: calls that arrive though they seem refused."""

    def __init__(self) -> None:
        self.held: dict[str, StoredObject] = {}
        self.lines: list[str] = []
        self.now = 1000.0
        self.lost: list[str] = []
        self.before: Callable[[str], None] = lambda _: None
        self._tags = 0

    def _note(self, what: str, key: str, data: bytes | None = None) -> None:
        line = f"{what} {key.removeprefix(KEY) or 'the snapshot'}"
        self.before(line)
        self.lines.append(line if data is None else f"{line}: {self._shown(data)}")

    def _shown(self, data: bytes) -> str:
        text = data.decode()
        if '"formatVersion"' in text and text.startswith("{"):
            held = json.loads(text)
            return f"serial {held['serial']} of {', '.join(sorted(held['intents'])) or 'nothing'}"
        if '"lineage"' in text:
            return f"{text.count(chr(10))} lines"
        return repr(text)

    def _write(self, key: str, data: bytes) -> str:
        self._tags += 1
        self.held[key] = StoredObject(data, f"tag {self._tags}", self.now)
        return f"tag {self._tags}"

    def _answered(self, what: str, tag: str) -> str | None:
        if what in self.lost:
            self.lost.remove(what)
            return None
        return tag

    def get(self, key: str) -> StoredObject | None:
        self._note("get", key)
        return self.held.get(key)

    def get_all(self, keys: Sequence[str]) -> list[bytes] | None:
        found = [self.get(key) for key in keys]
        return [each.data for each in found if each] if all(found) else None

    def look(self, key: str) -> tuple[str, float] | None:
        self._note("look", key)
        found = self.held.get(key)
        return (found.tag, found.modified) if found else None

    def create(self, key: str, data: bytes) -> str | None:
        self._note("create", key, data)
        return None if key in self.held else self._answered("create", self._write(key, data))

    def replace(self, key: str, data: bytes, tag: str) -> str | None:
        self._note("replace", key, data)
        if key not in self.held or self.held[key].tag != tag:
            return None
        return self._answered("replace", self._write(key, data))

    def put(self, key: str, data: bytes) -> None:
        self._note("put", key, data)
        self._write(key, data)

    def copy(self, key: str, to: str) -> None:
        self._note("copy", f"{key} to {to.removeprefix(KEY)}")
        self._write(to, self.held[key].data)

    def list(self, prefix: str, *, after: str | None = None) -> list[Listed]:
        self._note("list", prefix + (f" after {after.removeprefix(KEY)}" if after else ""))
        keys = (key for key in sorted(self.held) if key.startswith(prefix + "/") and key > (after or ""))
        return [Listed(key, self.held[key].modified) for key in keys]

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._note("delete", key)
            self.held.pop(key, None)


def noted(number: int) -> IntentNoted:
    return IntentNoted(Intent(f"Campaign/{number}", "name"))


class Story:
    """Lines of what was done, and of the calls that it took."""

    def __init__(self) -> None:
        self.bucket = Objects()
        self.text: list[str] = []
        self.state = State("lineage", "5a17")
        self._check = 0

    def place(self) -> S3Backend:
        made: Any = self.bucket
        return S3Backend(made, KEY, 60.0, name=f"s3://b/{KEY}")

    def do(self, what: str, call: Callable[[], Any]) -> Any:
        """The result of a call, which is told with all that it asked for."""
        self.bucket.lines.clear()
        result: Any = None
        try:
            result = call()
            said = self._said(result)
        except LeaseLost as error:
            said = f" ! lost to {error.by.holder if error.by else 'nobody'}"
        except ReconcilerError as error:
            said = f" ! {error.message} | {error.hint}"
        self.text += [f"{what}{said}", *(f"    {line}" for line in self.bucket.lines)]
        return result

    def _said(self, result: Any) -> str:
        match result:
            case None:
                return ""
            case bool() | LockInfo() | str():
                return f" = {result}"
            case _ if hasattr(result, "state"):
                self.state = result.state
                return f" = serial {result.state.serial}, whole {result.whole}: {', '.join(sorted(result.state.intents)) or 'nothing'}"
            case _:
                return " = held" + (f", in the place of {result.replaced.holder}" if result.replaced else "")

    def appended(self, held: Any, number: int, *, base: int = 0) -> Callable[[], Any]:
        """Append an event to the journal of the snapshot that was saved last, `base` snapshots on."""
        serial, events = self.state.serial + base, [encode_event(noted(number))]
        line, self._check = encode_line(events, lineage=self.state.lineage, base=serial, check=self._check)
        return lambda: held.append([line], base=serial)

    def saved(self, held: Any, *numbers: int) -> Callable[[], None]:
        state = fold(self.state, [noted(number) for number in numbers])
        self.state, self._check = replace(state, serial=state.serial + 1), 0
        return lambda: held.save(document_of(self.state), serial=self.state.serial)


def test_a_state_call_by_call(golden: Any) -> None:
    story = Story()
    do, bucket = story.do, story.bucket
    do("nobody was here", story.place().read)
    do("nobody holds it", story.place().holder)
    do("nobody is let go", lambda: story.place().unlock("1"))
    held = do("I take it", lambda: story.place().take(ME))
    do("I read", held.read)
    do("I save", story.saved(held, 1))
    for number in (2, 3):
        do(f"I append {number}", story.appended(held, number))
    do("I note", lambda: held.append_audit(["one", "two"]))
    do("I note more", lambda: held.append_audit(["three"]))
    do("you look", story.place().read)
    do("you want it", lambda: story.place().take(YOU))
    do("who holds it", story.place().holder)
    do("I renew", held.renew)
    do("I save again", story.saved(held, 2, 3))
    do("I append 4", story.appended(held, 4))
    do("I leave", held.release)
    held = do("you take it", lambda: story.place().take(YOU))
    do("you read", held.read)
    do("who noted last", lambda: held.audit_tail)
    do("what was noted", lambda: ", ".join(story.place().audit_lines()))
    do("you note", lambda: held.append_audit(["four"]))
    do("you save", story.saved(held, 4))
    bucket.now += 60.9
    do("your lease is not over", lambda: story.place().take(ME))
    bucket.now += 1
    do("it is over", story.place().holder)
    old, held = held, do("I take it from you", lambda: story.place().take(ME))
    do("I shut you out", held.read)
    do("you append late", story.appended(old, 9, base=-1))
    do("you save late", story.saved(old, 9))
    do("you renew late", old.renew)
    do("you note late", lambda: old.append_audit(["late"]))
    do("you leave late", old.release)
    do("my lock is broken", lambda: story.place().unlock("1"))
    do("another one is not", lambda: story.place().unlock("2"))
    do("I renew what is broken", held.renew)
    do("I leave what is broken", held.release)
    held = do("I take what was broken", lambda: story.place().take(ME))
    do("I read what was broken", held.read)
    do("I save, and remove what nobody needs", story.saved(held, 5))
    golden("s3-calls.txt", "".join(f"{line}\n" for line in story.text))


def test_answers_that_are_lost_and_others_who_write(golden: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Each write whose answer says no although it arrived; then a state that somebody writes all the time."""
    caplog.set_level(logging.DEBUG, "reconciler.state")
    story = Story()
    do, bucket = story.do, story.bucket
    bucket.lost = ["create"]
    held = do("I take it", lambda: story.place().take(ME))
    do("I read", held.read)
    bucket.lost = ["create"]
    do("I save", story.saved(held, 1))
    bucket.lost = ["create"]
    do("I append", story.appended(held, 2))
    bucket.lost = ["create"]
    do("I note", lambda: held.append_audit(["one"]))
    bucket.lost = ["replace"]
    do("I renew", held.renew)
    bucket.lost = ["replace"]
    do("I save again", story.saved(held, 2))
    bucket.put(KEY, document_of(replace(story.state, serial=9)))
    do("somebody else saved", story.saved(held, 3))
    bucket.now += 100
    bucket.lost = ["replace"]
    held = do("you take it", lambda: story.place().take(YOU))
    saves = iter(range(20, 100))

    def meddling(line: str, times: int) -> Callable[[str], None]:
        """Somebody saves, so many times, before a call of this line."""
        left = iter(range(times))

        def meddle(seen: str) -> None:
            if seen.startswith(line) and next(left, None) is not None:
                bucket._write(KEY, document_of(replace(story.state, serial=next(saves))))

        return meddle

    bucket.before = meddling("look the snapshot", 3)
    do("you read while it is written", story.place().read)
    bucket.before = meddling("look the snapshot", 99)
    do("you read while it is written all the time", story.place().read)
    bucket.before = meddling("replace the snapshot", 2)
    do("you shut out who saves", held.read)
    bucket.before = lambda _: None
    bucket.put(f"{KEY}.journal/x/1", b"")
    do("something else is there", story.place().read)
    del bucket.held[f"{KEY}.journal/x/1"]
    bucket.put(f"{KEY}.lock", b"no lock")
    do("a lock that nobody can read", story.place().holder)
    do("it is held", lambda: story.place().take(ME))
    do("and nobody is known to let go", lambda: story.place().unlock("1"))
    del bucket.held[f"{KEY}.lock"]
    bucket.now += 100
    held = do("I take what has no lock", lambda: story.place().take(ME))
    bucket.before = meddling("create .journal", 1)
    do("I shut out who saves before I am done", held.read)

    def cut(line: str) -> None:
        if line.startswith(("replace .lock", "delete")):
            raise StateError("the line is cut", hint="Fix it.")

    bucket.before = cut
    do("I save, and nothing is removed", story.saved(held, 6))
    do("I leave, and nobody hears it", held.release)

    def may_only_read(line: str) -> None:
        if line.startswith("put"):
            raise StateError("no", hint="Let us.")

    bucket.before = may_only_read
    do("you ask who holds it, and may only read", story.place().holder)
    bucket.before = lambda _: None
    bucket.put(f"{KEY}.audit/x", b"what?")
    bucket.now += 100
    held = do("you take it", lambda: story.place().take(YOU))
    do("you read, and something else is in the log", held.read)
    do("you leave, and never came to the log", held.release)
    story.text += [f"    said: {line}" for line in caplog.messages]
    golden("s3-faults.txt", "".join(f"{line}\n" for line in story.text))


def test_a_journal_of_so_many_segments_is_crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A save begins a new one."""
    monkeypatch.setattr(locked, "CROWDED", 3)
    story = Story()
    held: Any = story.place().take(ME)
    held.read()
    story.saved(held, 1)()
    assert [story.appended(held, number)() for number in range(2, 6)] == [False, False, True, True]
    story.saved(held, 2, 3, 4, 5)()
    assert [story.appended(held, number)() for number in range(6, 9)] == [False, False, True]
