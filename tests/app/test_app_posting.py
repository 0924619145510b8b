"""People are told through Apprise: over HTTP, of this machine."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.checks import diagnose
from reconciler.app.posting import ApprisePostman
from reconciler.app.trusted import add_trust
from reconciler.app.workspace import Workspace
from reconciler.model import FromEnv, FromFile, Kind, ResourceId
from reconciler.report.doctor_report import Level
from reconciler.report.notices import Notice
from reconciler.settings import NoticeEvent, NotifyTarget, Project
from reconciler.trust.hosts import TrustedHost

NOTICE = Notice(NoticeEvent.ABORTED, "line", ResourceId(Kind.CAMPAIGN, "line-3"))
SECRET = "s3cr3t-path"
FOREIGN = f"jsons://hooks.example.com/{SECRET}"


@contextmanager
def hooks(*statuses: int) -> Iterator[tuple[str, list[Any]]]:
    """A web hook that answers `statuses` in turn, the last one ever after; its Apprise URL, and what came."""
    came: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.path, json.loads(body)))
            self.send_response(statuses[min(len(came), len(statuses)) - 1])
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the name is that of http.server

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/{SECRET}", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def post(
    folder: Path, *targets: NotifyTarget, hosts: tuple[TrustedHost, ...] = (), **environ: str
) -> ApprisePostman:
    async def at_once(_: float) -> None:
        pass

    project = Project(folder, notify=targets, trusted_hosts=hosts)
    postman = ApprisePostman(project, {"HOME": str(folder), **environ}, sleep=at_once)
    asyncio.run(postman.post(NOTICE))
    return postman


def test_a_service_is_told_once(tmp_path: Path) -> None:
    with hooks(200) as (url, came):
        postman = post(tmp_path, NotifyTarget(FromEnv("HOOK")), HOOK=url)
    [(path, body)] = came
    assert path == f"/{SECRET}"
    assert body["title"] == "[line] Campaign/line-3: rollout aborted"
    assert body["type"] == "failure"
    assert "rollout resume line-3" in body["message"]
    assert postman.counts == {(NoticeEvent.ABORTED, "sent"): 1}


def test_it_is_tried_three_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with hooks(500, 500, 200) as (url, came):
        assert (
            post(tmp_path, NotifyTarget(FromEnv("HOOK")), HOOK=url).counts[NoticeEvent.ABORTED, "sent"] == 1
        )
        assert len(came) == 3
    with hooks(500) as (url, came):
        counts = post(tmp_path, NotifyTarget(FromEnv("HOOK")), HOOK=url).counts
        assert len(came) == 3
    assert counts == {(NoticeEvent.ABORTED, "failed"): 1}
    assert "didn't take it, 3 times" in caplog.text
    assert SECRET not in caplog.text


def test_only_those_are_told_who_want_to_hear_of_it(tmp_path: Path) -> None:
    with hooks(200) as (url, came):
        events = frozenset({NoticeEvent.COMPLETE})
        postman = post(tmp_path, NotifyTarget(FromEnv("HOOK"), events), HOOK=url)
    assert (came, postman.counts) == ([], {})
    assert postman.wants(NoticeEvent.COMPLETE)
    assert not postman.wants(NoticeEvent.ABORTED)


def test_one_that_fails_keeps_nothing_from_the_others(tmp_path: Path) -> None:
    with hooks(200) as (url, came):
        targets = NotifyTarget(FromEnv("NOTHING")), NotifyTarget(FromEnv("HOOK"))
        counts = post(tmp_path, *targets, HOOK=url).counts
    assert len(came) == 1
    assert counts == {(NoticeEvent.ABORTED, "failed"): 1, (NoticeEvent.ABORTED, "sent"): 1}


def test_a_url_may_stand_in_a_file(tmp_path: Path) -> None:
    with hooks(200) as (url, came):
        (tmp_path / "hook.url").write_text(f"{url}\n")
        post(tmp_path, NotifyTarget(FromFile(tmp_path / "hook.url")))
    assert len(came) == 1


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with hooks(307) as (url, came):
        post(tmp_path, NotifyTarget(FromEnv("HOOK")), HOOK=url)
    assert {path for path, _ in came} == {f"/{SECRET}"}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("HOOK", "", "there is no environment variable HOOK"),
        ("HOOK", SECRET, "a URL that Apprise knows"),
        ("HOOK", f"postgresql://u:{SECRET}@db/x", "a URL that Apprise knows"),
        ("HOOK", FOREIGN, "would go to https://hooks.example.com, which only the project file names"),
        (
            "HOOK",
            f"slack://T1JJ3T3L2/A1BRTD4JD/{SECRET.replace('-', '')}aaaaaaaaaaaaaa",
            "go to slack://slack",
        ),
        ("GITHUB_TOKEN", "json://127.0.0.1:1/", "a variable that belongs to reconciler, to CI"),
    ],
)
def test_a_url_goes_nowhere_that_nobody_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, value: str, why: str
) -> None:
    counts = post(tmp_path, NotifyTarget(FromEnv(name)), **{name: value}).counts
    assert counts == {(NoticeEvent.ABORTED, "failed"): 1}
    assert why in caplog.text
    assert SECRET not in caplog.text
    assert SECRET.replace("-", "") not in caplog.text


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (FOREIGN, TrustedHost("hooks.example.com")),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", TrustedHost("slack")),
        ("mailtos://ann:pw@gmail.com", TrustedHost("smtp.gmail.com")),
        ("json://hooks.example.com", TrustedHost("hooks.example.com", http=True)),
    ],
)
def test_who_names_the_host_or_the_service_trusts_it(tmp_path: Path, url: str, host: TrustedHost) -> None:
    target = NotifyTarget(FromEnv("HOOK"))
    project = Project(tmp_path, notify=(target,), trusted_hosts=(host,))
    service = ApprisePostman(project, {"HOOK": url, "HOME": str(tmp_path)}).service(target, "notify.0.url")
    assert service is not None


def test_what_apprise_logs_is_heard_by_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with hooks(500) as (url, _):
        post(tmp_path, NotifyTarget(FromEnv("HOOK")), HOOK=url)
    logging.getLogger("apprise").warning("of %s", url)
    assert "json" not in capfd.readouterr().err


PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: line}
spec:
  server: {url: "embedded:"}
  notify:
    - url: {fromEnv: HOOK}
      on: [aborted]
    - url: {fromFile: hook.url}
"""


def workspace_with(folder: Path, **environ: str) -> Workspace:
    (folder / "reconciler.yaml").write_text(PROJECT)
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    return Workspace(folder, {"HOME": str(home), **environ})


def test_the_project_file_says_who_is_told_of_what(tmp_path: Path) -> None:
    project = workspace_with(tmp_path).load(server=False).project
    assert project is not None
    place = [target.place.line for target in project.notify if target.place]
    assert [(each.origin, each.events) for each in project.notify] == [
        (FromEnv("HOOK"), frozenset({NoticeEvent.ABORTED})),
        (FromFile(tmp_path / "hook.url"), frozenset(NoticeEvent)),
    ]
    assert place == [7, 9]


def test_a_file_outside_of_the_project_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "elsewhere.url").write_text("json://127.0.0.1")
    workspace = workspace_with(folder)
    for name in ("../elsewhere.url", "link.url"):
        (folder / "reconciler.yaml").write_text(PROJECT.replace("hook.url", name))
        if name == "link.url":
            (folder / name).symlink_to("../elsewhere.url")
        findings = workspace.load(server=False).findings
        assert [each.place and each.place.line for each in findings if each.is_error] == [9]


def test_doctor_says_whether_people_could_be_told(tmp_path: Path) -> None:
    (tmp_path / "hook.url").write_text("json://127.0.0.1:9/x")
    said = asyncio.run(diagnose(workspace_with(tmp_path, HOOK=FOREIGN)))
    checks = [(each.level, each.message) for each in said.checks if each.name == "notify"]
    assert [level for level, _ in checks] == [Level.WARNING, Level.OK]
    assert "RECONCILER_TRUSTED_HOSTS=hooks.example.com" in checks[0][1]
    assert checks[1][1] == "notify.1.url: JSON"
    assert SECRET not in str(checks)


def test_who_trusts_it_once_is_asked_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    workspace = workspace_with(folder, HOOK=FOREIGN)
    add_trust(workspace, (), approved=True)
    project = workspace.load(server=False).project
    assert project is not None
    postman = ApprisePostman(project, workspace.environ)
    assert postman.service(project.notify[0], "notify.0.url").service_name == "JSON"
