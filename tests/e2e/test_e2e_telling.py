"""What can't be said is dropped, and what nobody foresaw stays in its step: what ran before runs again."""

import json
import shlex
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from reconciler.embedded import Running
from tests.e2e.e2e_forks import Forks
from tests.e2e.e2e_runs import SECONDS, TOKEN, Answer, Gate, Live, Ran, Workplace, environment

APPLY = ("apply", "--auto-approve", "resources.yaml")
EDIT = ["stop-campaign", "edit-campaign", "start-campaign"]
NOWHERE = [
    *(">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"),  # closed
    *(">/dev/full", "2>/dev/full", ">/dev/full 2>&1"),  # a full disk
    *("1</dev/null", "2</dev/null"),  # not open to be written
    *("| (exec <&-; sleep 0)", "2>&1 | (exec <&-)", "2>&1 >/dev/null | head -c 1"),  # nobody reads on
]
"""Where the words of a run go, as a shell says it."""


@pytest.fixture
def live() -> Iterator[Live]:
    with Running(token=TOKEN, record=True) as running:
        yield Live(running)


@pytest.fixture
def gate(live: Live) -> Iterator[Gate]:
    with Gate(live.url) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, gate: Gate) -> Workplace:
    return Workplace(tmp_path / "work", {"RECONCILER_URL": gate.url, "RECONCILER_TOKEN": TOKEN})


def shell(place: Workplace, arguments: tuple[str, ...], where: str, **env: str) -> Ran:
    """A run whose streams a shell redirects; its own exit code."""
    line = f"{shlex.join([sys.executable, '-m', 'reconciler', *arguments])} {where}; exit ${{PIPESTATUS[0]}}"
    made = subprocess.run(
        ["bash", "-c", line],
        cwd=place.folder,
        env=environment(**{**place.env, **env}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    return place.note(Ran(made.returncode, made.stdout, made.stderr))


def test_a_bracket_is_closed_wherever_the_words_go(place: Workplace, live: Live) -> None:
    place.apply()
    text = "Line 3"
    for number, where in enumerate(NOWHERE):
        live.forget()
        place.edit(text, text := f"Line {number} of {len(NOWHERE)}")
        ci = {"GITHUB_ACTIONS": "true"} if number % 2 else {}
        ran = shell(place, (*APPLY, "--verbose"), where, **ci)
        assert ran.code == 0, (where, ran)
        assert live.writes() == EDIT, where
        assert [campaign["status"] for campaign in live.campaigns()] == ["STARTED"], where
        assert "Exception ignored" not in ran.err
    for name in ("state.json", "state.json.audit"):
        assert "GET /api" not in place.state.with_name(name).read_text(), "no word went into a file of ours"
    assert place.empty()


def test_a_result_that_was_all_there_was_and_is_lost_is_an_error(place: Workplace) -> None:
    lost = "error: what stands on stdout could not all be written: No space left on device"
    for words in (("plan", "resources.yaml"), ("schema",)):
        ran = shell(place, words, ">/dev/full")
        assert (ran.code, ran.err.splitlines()[-1]) == (1, lost), words
        assert shell(place, words, ">&-").code == 0, "nobody wanted it"
    ran = shell(place, APPLY, ">/dev/full")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, lost), "what was to be done is done"


@pytest.mark.parametrize("where", ["<&-", "<&- >&- 2>&-"])
def test_nobody_can_be_asked_where_nothing_can_be_said(place: Workplace, live: Live, where: str) -> None:
    assert shell(place, ("apply", "resources.yaml"), where).code == 1
    assert live.writes() == []


FAR = "Fri, 31 Dec 9999 23:59:59 -2359"


@pytest.mark.parametrize(
    ("operation", "status", "asked"),
    [
        *((operation, status, FAR) for operation in EDIT for status in (429, 503)),
        ("edit-campaign", 429, f"Fri, 31 Dec {'9' * 30} 23:59:59 GMT"),
        ("stop-campaign", 503, f"Fri, 31 Dec 2026 23:59:59 +{'9' * 40}"),
        ("start-campaign", 429, "-5"),
        ("list-campaigns", 503, "1e400"),
    ],
)
def test_what_a_server_asks_to_wait_tears_nothing_down(
    place: Workplace, gate: Gate, live: Live, forks: Forks, operation: str, status: int, asked: str
) -> None:
    place.start = forks
    place.apply()
    place.edit("Line 3", "Line three")
    gate.answer(operation, Answer(status, b"", {"Retry-After": asked}))
    ran = place.run(*APPLY)
    assert ran.code == (3 if asked == FAR else 0), ran
    stopped = asked == FAR and operation == "start-campaign"
    assert [c["status"] for c in live.campaigns()] == ["STOPPED" if stopped else "STARTED"]
    place.apply()
    assert [c["status"] for c in live.campaigns()] == ["STARTED"]
    assert place.empty()


@pytest.mark.parametrize("method", ["stop_campaign", "edit_campaign", "start_campaign"])
def test_a_bug_in_one_campaign_stops_no_other(
    place: Workplace, live: Live, forks: Forks, method: str
) -> None:
    """Both of its attempts fail; the other campaign is edited, and both run."""
    place.start = forks
    two = (place.folder / "resources.yaml").read_text()
    campaign = two[two.rindex("---") :]
    (place.folder / "resources.yaml").write_text(two + campaign.replace("line-3", "line-4"))
    place.apply()
    text = (place.folder / "resources.yaml").read_text()
    (place.folder / "resources.yaml").write_text(text.replace("Line 3", "Line three"))
    place.start = partial(forks, tricks=[["tests.e2e.e2e_tricks:crash_for_one", method]])
    with place.started(*APPLY) as process:
        out, err = process.popen.communicate(timeout=SECONDS)
    assert process.popen.returncode == 3, (out, err)
    assert "this is a bug in reconciler: ValueError in buggy, " in out
    assert "Please report it with this line" in out
    assert "Traceback" not in out + err
    place.start = forks
    running = [c["status"] for c in live.campaigns()].count("STARTED")
    assert running == (1 if method == "start_campaign" else 2)
    place.apply()
    assert {c["status"] for c in live.campaigns()} == {"STARTED"}
    assert place.empty()


def test_pipes_of_a_reader_that_is_gone_reach_no_child(place: Workplace) -> None:
    """A token command writes to stderr, which is closed."""
    token = place.env.pop("RECONCILER_TOKEN")
    (place.folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: lines}\n"
        f"spec: {{server: {{auth: {{tokenCommand: 'echo asking >&2; echo {token}'}}}}}}\n"
    )
    place.canaries.clear()
    assert place.run("trust", "add", "--auto-approve").code == 0
    ran = shell(place, ("plan", "resources.yaml"), "<&- >&- 2>&-")
    assert ran.code == 0, ran


SECRET = "correct-horse-battery-staple"
REPEATED = [
    SECRET,
    SECRET[:9] + "...",
    "..." + SECRET[-7:],
    SECRET.replace("-", "\\\\u002d"),
    quote(SECRET).replace("-", "%252D"),
    SECRET.replace("-", "&#45;"),
    b64encode(f"key={SECRET}".encode()).decode(),
]


@pytest.mark.parametrize("operation", ["create-campaign", "start-campaign", "list-campaigns"])
def test_what_a_server_repeats_shows_nowhere(
    place: Workplace, gate: Gate, forks: Forks, operation: str
) -> None:
    """Also in an answer to a call that doesn't carry it."""
    place.start = forks
    place.env["LINE_KEY"] = SECRET
    place.edit("desiredStatus: STARTED", "settings: {api-key: {fromEnv: LINE_KEY}}\n  desiredStatus: STARTED")
    for repeated in REPEATED:
        body = json.dumps({"message": f"the value [{repeated}] isn't allowed"}).encode()
        gate.answer(operation, Answer(400, body), times=3)
        said = [place.run(*APPLY, "--output", form, "--verbose") for form in ("text", "json", "markdown")]
        assert all(ran.code in (1, 3) for ran in said)
        everything = "".join(ran.out + ran.err for ran in said) + place.kept()
        for part in (repeated, SECRET[:6], SECRET[-6:], "horse", "aG9yc2", "dC1ob3"):
            assert part not in everything, (repeated, part)
        assert "the value [" in everything


@pytest.mark.parametrize(
    "url",
    [
        f"s3://bucket/key?endpoint=http://minio:{SECRET}@127.0.0.1:1",
        f"s3://bucket/key?endpoint=http%3A%2F%2Fminio%3A{SECRET}%40127.0.0.1%3A1",
        f"s3://bucket/key?X-Amz-Credential={SECRET}",
        f"postgresql://127.0.0.1:1/db?sslpassword={SECRET}",
        f"postgresql://127.0.0.1:1/db?api_key={SECRET}",
        f"file:state.json?token={SECRET}",
        f"http://127.0.0.1:1/?password={SECRET}",
        f"http://ci:{SECRET}@127.0.0.1:1",
    ],
)
def test_no_url_with_a_credential_is_used(place: Workplace, forks: Forks, url: str) -> None:
    place.start = forks
    place.canaries.append(SECRET)
    env = {"RECONCILER_URL": url} if url.startswith("http") else {"RECONCILER_STATE": url}
    for words in (("plan", "resources.yaml"), ("apply", "resources.yaml"), ("doctor",)):
        ran = place.run(*words, **env)
        assert ran.code == 1, ran
        assert "error" in ran.out + ran.err
