"""The controller put together, on the embedded server."""

import asyncio
import gc
import json
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from reconciler.app.caller import Unattended
from reconciler.app.workspace import Workspace
from reconciler.controller.looks import LookEnd, why_failed
from reconciler.controller.past import LookResult
from reconciler.controller.running import Controller, RunAsked
from reconciler.controller.serving import address_of, served
from reconciler.controller.shown import Board, Shown
from reconciler.controller.web import application
from reconciler.embedded import Running
from reconciler.errors import InvalidInput, ReconcilerError, UsageError
from reconciler.model import Finding, Place
from reconciler.options import Options
from reconciler.report.looks import look_line
from reconciler.state.stores import open_store
from tests.cli.cli_runs import RESOURCES
from tests.controller.test_controller_clone import ENVIRON, git

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: line}
spec:
  server: {url: "embedded:"}
  notify: [{url: {fromEnv: HOOK}}]
"""


@dataclass
class Works:
    """A project, and controllers of it."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def controller(self, **more: Any) -> Controller:
        where = Workspace(self.folder, {"HOME": str(self.folder), **self.environ})
        return Controller(where, RunAsked(listen="127.0.0.1:0"), Unattended(), **more)

    def edit(self, old: str, new: str) -> None:
        path = self.folder / "resources" / "line.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def place(tmp_path: Path) -> Works:
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "line.yaml").write_text(RESOURCES)
    (tmp_path / "resources" / "firmware.bin").write_bytes(b"firmware")
    (tmp_path / "reconciler.yaml").write_text(PROJECT)
    return Works(tmp_path)


def looks(controller: Controller, *between: Callable[[], object]) -> list[LookEnd]:
    """A look, then what is between, another look, and so on."""

    async def main() -> list[LookEnd]:
        ends = [await controller.once()]
        for each in between:
            each()
            ends.append(await controller.once())
        return ends

    return asyncio.run(main())


def results(ends: list[LookEnd]) -> list[LookResult]:
    return [end.past.result for end in ends]


def test_a_look_is_an_apply_and_shows_what_came_of_it(place: Works) -> None:
    controller = place.controller()
    [end] = looks(controller)
    assert (end.past.result, end.past.why) == (LookResult.APPLIED, "")
    shown = controller.board.shown
    assert (shown.project, shown.server.provider if shown.server else None) == ("line", "pulse")
    [row] = shown.rows
    assert (row.in_sync, row.gateways.total if row.gateways else 0) == (True, 3)
    assert shown.counts.requests["create-campaign", "ok"] == 1
    assert shown.counts.steps["create-campaign", "done"] == 1


def test_files_are_read_anew_when_they_changed(place: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.controller import looks as module

    read = 0
    prepare = module.prepare

    def counted(workspace: Workspace) -> Any:
        nonlocal read
        read += 1
        return prepare(workspace)

    monkeypatch.setattr(module, "prepare", counted)
    ends = looks(place.controller(), int, int, lambda: place.edit("Line 3", "Line three"), int)
    assert results(ends) == [
        LookResult.APPLIED,
        LookResult.NOTHING,
        LookResult.NOTHING,
        LookResult.APPLIED,
        LookResult.NOTHING,
    ]
    assert read == 2


def test_files_are_read_anew_each_hour(place: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    controller = place.controller(clock=lambda: now)
    looks(controller)
    before = controller.loop.looks._job  # type: ignore[attr-defined]

    def later() -> None:
        nonlocal now
        now += 3_600

    looks(controller, later)
    assert controller.loop.looks._job is not before  # type: ignore[attr-defined]


def test_a_look_that_fails_is_no_end_and_says_why(place: Works) -> None:
    controller = place.controller()
    ends = looks(
        controller,
        lambda: place.edit("desiredStatus: STARTED", "desiredStatus: NEVER"),
        lambda: place.edit("desiredStatus: NEVER", "desiredStatus: STARTED"),
    )
    assert results(ends) == [LookResult.APPLIED, LookResult.FAILED, LookResult.NOTHING]
    assert "resources/line.yaml" in ends[1].past.why
    assert controller.loop.failures == 0


def test_a_fault_that_nobody_foresaw_is_a_failed_look(place: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("reconciler.controller.looks.prepare", broken)
    [end] = looks(place.controller())
    assert end.past.result is LookResult.FAILED
    assert "RuntimeError in broken" in end.past.why
    assert "secret" not in end.past.why


def test_who_does_not_get_the_lock_stands_by(place: Works) -> None:
    controller, store = place.controller(), open_store("file:.reconciler/state.json", root=place.folder)
    looks(controller)
    server = controller.board.shown.server
    assert server is not None
    with store.locked(server, "another look"):
        [end] = looks(controller)
    assert end.past.result is LookResult.STANDBY
    assert "another look" in end.past.why
    assert controller.board.shown.standby
    assert looks(controller)[0].past.result is LookResult.NOTHING


def test_people_are_told_once_that_looks_fail_and_again_after_they_went_well(
    place: Works, caplog: pytest.LogCaptureFixture
) -> None:
    bad = ("desiredStatus: STARTED", "desiredStatus: NEVER")
    good = bad[::-1]
    first, second = place.controller(), place.controller()
    looks(first)
    place.edit(*bad)
    for controller in (first, second, first, second):
        looks(controller, int, int)
    assert caplog.text.count("looks fail") == 1
    place.edit(*good)
    looks(first)
    store = open_store("file:.reconciler/state.json", root=place.folder)
    assert store.load().told == {}
    place.edit(*bad)
    looks(first, int, int)
    assert caplog.text.count("looks fail") == 2


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_it_serves_while_it_looks(place: Works) -> None:
    told: list[str] = []
    answers: dict[str, tuple[int, str]] = {}
    ended = False

    async def sleep(_: float) -> None:
        nonlocal ended
        for path in (
            "/healthz",
            "/readyz",
            "/metrics",
            "/api/status",
            "/",
            "/campaigns/line-3",
            "/style.css",
        ):
            answers[path] = await asyncio.to_thread(fetch, told[0] + path)
        ended = True

    controller = place.controller(sleep=sleep, ended=lambda: ended)
    asyncio.run(controller.run(told.append))
    assert [status for status, _ in answers.values()] == [200] * 7
    assert "3 gateways: 0 % done, 3 to go" in answers["/"][1]
    assert 'reconciler_campaign_gateways{campaign="line-3",stage="idle"} 3.0' in answers["/metrics"][1]
    assert json.loads(answers["/api/status"][1])["summary"]["gateways"] == 3
    assert not [each for each in threading.enumerate() if each.name == "http"]


def test_an_address_that_is_taken_is_said() -> None:
    app = application(Board(Shown("x", 0, 1)), lambda: 0)
    with served(app, "127.0.0.1", 0) as url:
        port = int(url.rpartition(":")[2])
        with (
            pytest.raises(ReconcilerError, match=f"can't listen on 127.0.0.1:{port}"),
            served(app, "127.0.0.1", port),
        ):
            pass


@pytest.mark.parametrize(
    ("text", "found"), [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:0", ("::1", 0)), ("h:1", ("h", 1))]
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    assert address_of(text) == found


@pytest.mark.parametrize("text", ["", "9464", ":9464", "h:", "h:x", "h:65536", "h:-1", "h:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        address_of(text)


def test_an_error_says_the_first_thing_that_is_wrong() -> None:
    finding = Finding("bad", "it is wrong", Place("a.yaml", 3, 1))
    assert why_failed(InvalidInput([finding])) == "1 error in the input: a.yaml:3:1: it is wrong"
    assert why_failed(InvalidInput([replace(finding, place=None)])) == "1 error in the input: it is wrong"
    assert why_failed(ReconcilerError("no\nway")) == "no way" or "no" in why_failed(
        ReconcilerError("no\nway")
    )


def test_a_look_is_a_line() -> None:
    assert (
        look_line(1_800_000_000_000, "applied", 12, 3.21)
        == "2027-01-15 08:00:00 UTC: applied, 12 steps in 3.2 s"
    )
    assert look_line(0, "failed", 0, 0.0, "why").endswith("failed in 0.0 s: why")


def test_only_rollouts_are_looked_at_where_that_is_asked(place: Works) -> None:
    asked = RunAsked(Options(rollouts_only=True), listen="127.0.0.1:0")
    where = Workspace(place.folder, {"HOME": str(place.folder)})
    controller = Controller(where, asked, Unattended())
    [end] = looks(controller)
    assert end.past.steps == 0
    assert controller.board.shown.rows[0].verdict == "not on the server"


def test_looks_leave_nothing_behind(place: Works) -> None:
    """A thousand looks of this kind took 30 kB, and not one object more."""
    controller = place.controller()

    async def main() -> list[int]:
        found = []
        for number in range(70):
            await controller.once()
            if number in (39, 69):
                gc.collect()
                found.append(len(gc.get_objects()))
        return found

    before, after = asyncio.run(main())
    # The list of looks that are shown is filled up by then except for ten.
    assert after - before < 100


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    """As git-sync does it: the folder behind a link is another one."""
    for name, description in (("one", "Line 3"), ("two", "Line three")):
        folder = tmp_path / name
        (folder / "resources").mkdir(parents=True)
        (folder / "resources" / "line.yaml").write_text(RESOURCES.replace("Line 3", description))
        (folder / "resources" / "firmware.bin").write_bytes(b"firmware")
        (folder / "reconciler.yaml").write_text(PROJECT.replace("embedded:", "http://127.0.0.1:PORT"))
    with Running(record=True) as running:
        for name in ("one", "two"):
            path = tmp_path / name / "reconciler.yaml"
            path.write_text(path.read_text().replace("http://127.0.0.1:PORT", running.url))
        link = tmp_path / "current"
        link.symlink_to("one")
        state = f"file:{tmp_path}/state.json"
        where = Workspace(tmp_path, {"HOME": str(tmp_path)}, project=link / "reconciler.yaml", state=state)
        controller = Controller(where, RunAsked(), Unattended())

        def swap() -> None:
            (tmp_path / "new").symlink_to("two")
            (tmp_path / "new").replace(link)

        ends = looks(controller, int, swap)
        assert results(ends) == [LookResult.APPLIED, LookResult.NOTHING, LookResult.APPLIED]
        edits = [each for each in running.calls if each.method == "PUT" and "Line three" in str(each.body)]
    assert len(edits) == 1


def test_what_is_pushed_is_pulled_and_applied(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    (origin / "resources").mkdir(parents=True)
    (origin / "resources" / "line.yaml").write_text(RESOURCES)
    (origin / "resources" / "firmware.bin").write_bytes(b"firmware")
    (origin / "reconciler.yaml").write_text(PROJECT)
    git(origin, "init", "-q", "-b", "main")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "one")
    git(tmp_path, "clone", "-q", str(origin), "clone")
    asked = RunAsked(pull=60.0)
    where = Workspace(tmp_path / "clone", {**ENVIRON, "HOME": str(tmp_path)})
    now = 1_800_000_000.0
    controller = Controller(where, asked, Unattended(), clock=lambda: now)

    def push() -> None:
        nonlocal now
        text = (origin / "resources" / "line.yaml").read_text()
        (origin / "resources" / "line.yaml").write_text(text.replace("Line 3", "Line three"))
        git(origin, "commit", "-qam", "two")
        now += 60

    def broken() -> None:
        nonlocal now
        git(tmp_path / "clone", "remote", "set-url", "origin", str(tmp_path / "nowhere"))
        now += 60

    ends = looks(controller, int, push, int, broken)
    assert results(ends) == [
        LookResult.APPLIED,
        LookResult.NOTHING,
        LookResult.APPLIED,
        LookResult.NOTHING,
        LookResult.FAILED,
    ]
    assert ends[-1].past.why.startswith("nothing was pulled: git fetch: ")
    assert ends[-1].status is not None
