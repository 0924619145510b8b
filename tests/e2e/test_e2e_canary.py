"""No secret is ever said or kept: planted in every place it can come from, looked for in every place it could go."""
# ruff: noqa: E501 - a table keeps its rows

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shlex import quote as shell_quoted
from shlex import split
from urllib.parse import quote, quote_plus, urlsplit

import pytest
from e2e_canary import SPECIAL, TOKENS, Echo, Lab, Mirror, canary, forms
from e2e_runs import SECONDS, Answer, Moment, Workplace

from reconciler.embedded import Running
from tests.contract.wire_scenes import CANARIES
from tests.e2e.e2e_forks import Forks, Trick

TOKEN = "the-servers-own-token"
CASSETTES = sorted(Path(__file__).parents[1].glob("contract/wire/cassettes/*.yaml"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Lab]:
    """The project once applied, with secrets that were rotated since."""
    with (
        Running(token=TOKEN, username="robot", password=TOKENS["password"]) as running,
        Mirror(running.url, TOKEN) as mirror,
    ):
        lab = Lab(Workplace(tmp_path_factory.mktemp("canary") / "work", start=forks), mirror)
        assert lab.place.run("apply", "-e", "token", "--auto-approve").code == 0
        yield lab


@dataclass(frozen=True)
class Row:
    """A run: how it has to end, and what it has to say, so that it surely went where it should."""

    name: str
    words: str
    code: int = 0
    said: str = ""
    rotate: bool = False
    """The settings have other secrets than were applied last."""
    env: dict[str, str] = field(default_factory=dict)
    echo: Echo | None = None
    answer: tuple[str, Answer] | None = None
    tricks: tuple[Trick, ...] = ()
    prepare: Callable[[Path], object] = lambda folder: None


HURRY: Trick = ("tests.e2e.e2e_tricks:impatient",)
EDIT, READ, SIGN_IN = "edit-campaign", "get-campaign", "tokens"
APPLY = "apply -e token --auto-approve"
URL, STATE = TOKENS["url"], TOKENS["state"]
# fmt: off
URLS = (f"https://bob:{URL}@h", f"https://h/?token={URL}", f"htps://bob:{URL}@h", f"https://h:{URL}", f"https://bob:{URL} x@h")
STATES = (f"postgresql://bob:{STATE}@127.0.0.1:1/db", f"postgresql://h/db?password={STATE}", f"mysql://bob:{STATE}@h/db", f"s3://bob:{STATE}@h/x", STATE)


def crash(method: str) -> tuple[Trick]:
    return (("tests.e2e.e2e_tricks:crash", method),)


def before(words: str) -> Callable[[Lab], object]:
    """Another run comes first."""
    return lambda lab: lab.place.run(*split(words))


def project(url: str) -> Callable[[Lab], object]:
    text = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec: {server: {url: '%s'}}\n"
    return lambda lab: (lab.place.folder / "secrets" / "project.yaml").write_text(text % url)


def too_long(lab: Lab) -> None:
    (lab.place.folder / "secrets" / "key.txt").write_text(canary("from-file", lab.number) * 50_000)


ROWS = [
    # what is done every day, in every form
    *(Row(f"validate {form}", f"validate --output {form}") for form in ("text", "json", "github", "sarif")),
    *(Row(f"plan {form}", f"plan -e token --output {form}", 0, "FROM_ENV", rotate=True) for form in ("text", "json", "markdown", "html")),
    Row("plan aloud", "plan -e token -v", 0, "GET /api/campaigns", rotate=True),
    Row("plan to a file", "plan -e token --out saved.plan", 0, "Saved as saved.plan", rotate=True),
    Row("apply a file", "apply -e token --plan made.plan", 0, "Applied to", rotate=True, prepare=before("plan -e token --out made.plan")),
    Row("apply aloud", f"{APPLY} -v", 0, "PUT /api/campaigns", rotate=True),
    Row("apply json", f"{APPLY} --output json", 0, '"exitCode"', rotate=True),
    Row("apply markdown", f"{APPLY} --output markdown", 0, "edit-campaign", rotate=True),
    Row("apply html", f"{APPLY} --output html", 0, "edit-campaign", rotate=True),
    Row("reassert", f"{APPLY} --reassert", 0, "Applied to", rotate=True),
    *(Row(f"status {form}", f"status -e token --output {form}", 0, "line-3") for form in ("text", "json")),
    Row("snapshot", "snapshot -e token --out taken.snapshot", 0, "taken.snapshot"),
    Row("plan on a snapshot", "plan -e token --snapshot made.snapshot", 0, "line-3", rotate=True, prepare=before("snapshot -e token --out made.snapshot")),
    Row("export", "export -e token --out exported --force", 0, "exported"),
    Row("campaign show", "campaign show line-3 -e token --output json", 0, "line-3"),
    Row("package list", "package list -e token", 0, "firmware.bin"),
    Row("state list", "state list -e token", 0, "settings"),
    Row("state show", "state show Campaign/line-3 -e token", 0, "settings.FROM_ENV   (secret)"),
    Row("state show json", "state show Campaign/line-3 -e token --output json", 0, '"secret": true'),
    Row("audit show", "audit show -e token", 0, "apply"),
    Row("audit show json", "audit show 1 -e token --output json", 0, "create-campaign"),
    Row("audit verify", "audit verify -e token", 0, "Last hash"),
    Row("explain", "explain Campaign.spec.settings", 0, "fromEnv"),
    # every way to sign in
    *(Row(f"doctor by {name}", f"doctor -e {name} -v", 0, "sign-in") for name in ("token", "file", "command", "basic")),
    Row("doctor json", "doctor -e basic --output json", 0, "sign-in"),
    *(Row(f"plan by {name}", f"plan -e {name} -v", 0, "GET /api") for name in ("file", "command", "basic")),
    *(Row(f"401 by {name}", f"plan -e {name} -v", 1, "does not accept", echo=Echo(READ, 401)) for name in ("token", "file", "command", "basic")),
    Row("401 to a sign-in", "plan -e basic", 1, "does not accept the user name", echo=Echo(SIGN_IN, 401)),
    Row("500 to a sign-in", "plan -e basic", 1, "500 ", echo=Echo(SIGN_IN, 500), tricks=(HURRY,)),
    Row("a sign-in without a token", "plan -e basic", 1, "accessToken", echo=Echo(SIGN_IN, 200, "json"), tricks=(HURRY,)),
    Row("a token command that fails", "plan -e failing", 1, "ended with 3"),
    Row("a token with a line break", "plan -e token", 1, "THE_TOKEN", env={"THE_TOKEN": f"{TOKENS['token-env']}\n{TOKENS['token-env']}"}),
    Row("a token with a blank", "plan -e token", 1, "blank", env={"THE_TOKEN": f"{TOKENS['token-env']} {TOKENS['token-env']}"}),
    # a server that says what it was told
    *(Row(f"{status} to an edit", APPLY, 3, f"{status} ", rotate=True, echo=Echo(EDIT, status, "json")) for status in (400, 403, 409, 422)),
    *(Row(f"400 as {form}", APPLY, 3, "400 ", rotate=True, echo=Echo(EDIT, 400, form)) for form in ("text", "html", "cut")),
    Row("500 to an edit", f"{APPLY} -v", 3, "500 ", rotate=True, echo=Echo(EDIT, 500, "json"), tricks=(HURRY,)),
    Row("500 reported as json", f"{APPLY} --output json", 3, "500 ", rotate=True, echo=Echo(EDIT, 500), tricks=(HURRY,)),
    Row("500 reported as markdown", f"{APPLY} --output markdown", 3, "500 ", rotate=True, echo=Echo(EDIT, 500, "cut"), tricks=(HURRY,)),
    Row("500 once", f"{APPLY} -v", 0, " 500 in", rotate=True, echo=Echo(EDIT, 500, times=1), tricks=(HURRY,)),
    Row("429 to an edit", APPLY, 3, "429 ", rotate=True, echo=Echo(EDIT, 429), tricks=(HURRY,)),
    *(Row(f"403 to a read as {form}", "plan -e token", 1, "403 ", echo=Echo(READ, 403, form)) for form in ("text", "json", "html", "cut")),
    *(Row(f"an unreadable answer as {form}", "plan -e token", 1, "can't be read", echo=Echo(READ, 200, form), tricks=(HURRY,)) for form in ("text", "html", "cut")),
    Row("a page to an edit", APPLY, 3, "can't be read", rotate=True, echo=Echo(EDIT, 200, "html"), tricks=(HURRY,)),
    Row("a redirect", "plan -e token", 1, "redirects", answer=(READ, Answer(302, b"", {"Location": f"https://bob:{URL}@h/?token={URL}#{URL}"}))),
    # no way to the server
    Row("a connection that is cut", "plan -e token", 1, "error: ", answer=(READ, Answer(body=None)), tricks=(HURRY,)),
    Row("no answer in time", "plan -e hasty -v", 1, "error: ", answer=(READ, Answer(200, b"{}", promised=99)), tricks=(HURRY,)),
    Row("nobody there", "plan -e token --url http://127.0.0.1:1 --state file:other.json", 1, "refused"),
    Row("a CA that is none", "plan -e distrustful --state file:other.json", 1, "secrets/token.txt"),
    *(Row(f"TLS with who speaks none: {words}", f"{words} -e token --state file:other.json -v", 1, "no TLS connection" if words == "plan" else "error    tls", env={"RECONCILER_URL": "https://MIRROR"}, tricks=(HURRY,)) for words in ("plan", "doctor")),
    # URLs that hold what they should not
    *(Row(f"--url {url}", f"plan -e token --url {shell_quoted(url)}", 1, "--url ") for url in URLS),
    *(Row(f"RECONCILER_URL {url}", "doctor -e token", 1, "RECONCILER_URL ", env={"RECONCILER_URL": url}) for url in URLS),
    *(Row(f"{url} in the project", "plan --project secrets/project.yaml --output json", 1, "url", prepare=project(url)) for url in URLS),
    *(Row(f"--state {url}", f"state list -e token --state {shell_quoted(url)}", 1, "state") for url in STATES),
    *(Row(f"RECONCILER_STATE {url}", "state list -e token", 1, "state", env={"RECONCILER_STATE": url}) for url in STATES),
    Row("a state that isn't there", f"{APPLY} -v", 1, "state", env={"RECONCILER_STATE": STATES[0]}, rotate=True),
    # secrets that are not as they should be
    Row("a secret that is not set", "plan -e token", 1, "LINE_KEY", env={"LINE_KEY": ""}),
    Row("a secret with a bell", "plan -e token -v", 0, "FROM_ENV", env={"LINE_KEY": f"{canary('from-env', 1)}\x07"}),
    Row("a secret that is far too long", "plan -e token", 1, "secrets/key.txt", prepare=too_long),
    # a bug
    *(Row(f"a bug {flag}", f"{APPLY} {flag}", 3, "this is a bug", rotate=True, tricks=crash("edit_campaign")) for flag in ("", "-v", "--output json")),
    Row("a bug after a sign-in", "plan -e basic -v", 1, "this is a bug", tricks=crash("campaign")),
]
# fmt: on


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_canary_is_said_or_kept(lab: Lab, forks: Forks, row: Row) -> None:
    if row.rotate:
        lab.rotate()
    lab.place.start = forks
    row.prepare(lab)
    env = {name: value.replace("MIRROR", urlsplit(lab.mirror.url).netloc) for name, value in row.env.items()}
    lab.place.start = partial(forks, tricks=row.tricks)
    with lab.mirror.repeating(row.echo):
        if row.answer:
            lab.mirror.answer(*row.answer, times=1_000)
        with lab.place.started(*split(row.words), **env) as process:
            out, err = process.popen.communicate(timeout=SECONDS)
    if row.prepare is too_long:
        lab.rotate()
    assert (process.popen.returncode, row.said in out + err) == (row.code, True), out + err
    assert "Traceback" not in err
    lab.innocent(out, err)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_none_is_kept_in_the_middle_of_a_run_and_after_a_kill(lab: Lab, forks: Forks, moment: Moment) -> None:
    lab.place.start = forks
    assert lab.place.run(*split(APPLY)).code == 0, "what others left half done is done"
    lab.rotate()
    hold = lab.mirror.hold(EDIT, moment)
    with lab.place.started(*split(f"{APPLY} -v")) as process:
        hold.wait(process)
        assert lab.place.state.with_name("state.json.journal").exists()
        lab.innocent()
        process.kill()
    hold.drop()
    lab.innocent()
    ran = lab.place.run(*split(APPLY))
    assert ran.code == 0, ran
    lab.innocent(ran.out, ran.err)


@pytest.mark.parametrize(
    ("words", "operation", "status", "form"),
    [
        *((APPLY, EDIT, 400, form) for form in ("text", "json", "html", "cut")),
        *(("plan -e token", READ, 403, form) for form in ("text", "cut")),
        *(("plan -e basic", READ, 403, form) for form in ("text", "cut")),
        ("plan -e basic", SIGN_IN, 403, "text"),
    ],
)
def test_without_hiding_what_is_repeated_would_show(
    lab: Lab, forks: Forks, words: str, operation: str, status: int, form: str
) -> None:
    """Else nothing in the table would prove anything."""
    lab.rotate()
    copy = shutil.copytree(lab.place.state.parent, lab.place.folder / "secrets" / "state", dirs_exist_ok=True)
    lab.place.start = partial(forks, tricks=[("tests.e2e.e2e_tricks:leak",)])
    with lab.mirror.repeating(Echo(operation, status, form)):
        ran = lab.place.run(*split(words), "--state", f"file:{copy / 'state.json'}")
    assert lab.shown(ran.out + ran.err)
    assert "plan" in words or lab.shown((copy / "state.json.audit").read_text())


def test_no_cassette_holds_a_secret_that_was_sent() -> None:
    assert CASSETTES
    planted = {form for secret in CANARIES for form in forms(secret)}
    for path in CASSETTES:
        text = path.read_text("utf-8")
        assert [form for form in planted if form in text] == [], path.name


@pytest.mark.parametrize(
    "spell",
    [
        str,
        json.dumps,
        repr,
        quote,
        quote_plus,
        lambda text: base64.b64encode(f"robot:{text}".encode()).decode(),
        lambda text: base64.urlsafe_b64encode(f"ab{text}".encode()).decode(),
        lambda text: base64.b64encode(f"abc{text}".encode()).decode(),
        lambda text: hashlib.sha256(text.encode()).hexdigest(),
        lambda text: text.encode().hex(),
        lambda text: text[:12] + "…",
        lambda text: f"…{text[12:]}",
    ],
)
def test_a_canary_is_seen_however_it_is_spelled(lab: Lab, spell: Callable[[str], str]) -> None:
    old, new = canary("from-env", 1) + SPECIAL, canary("from-env", lab.number) + SPECIAL
    for secret in (*TOKENS.values(), old, new):
        assert lab.shown(f"before {spell(secret)} after"), secret
        (lab.place.folder / "found.txt").write_text(spell(secret))
        try:
            with pytest.raises(AssertionError, match=re.escape("found.txt")):
                lab.innocent()
        finally:
            (lab.place.folder / "found.txt").unlink()
