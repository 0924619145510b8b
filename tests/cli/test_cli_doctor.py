"""`doctor`: what it looks at, and what it says about each fault."""

import asyncio
import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest
from cli_servers import proxied

from reconciler.embedded import Running


def checks(ran):
    made = json.loads(ran.out)
    return {check["name"]: check for check in made["checks"]}, made


def test_all_is_well(world):
    world.proxy.seen.clear()
    ran = world.run("doctor", "--output", "json")
    found, made = checks(ran)
    assert (ran.code, made["healthy"], made["server"]) == (0, True, world.proxy.url)
    assert list(found) == [
        "project", "address", "connection", "version", "sign-in", "clock", "organization", "permissions",
        "state", "state-lock",
    ]  # fmt: skip
    assert {check["level"] for check in found.values()} == {"ok"}
    assert found["address"]["message"] == "127.0.0.1 is 127.0.0.1"
    assert found["version"]["message"] == "0.17, as the server says"
    assert found["permissions"]["message"] == "13 reads tried, each may be made"
    assert world.writes() == []
    assert world.proxy.count("get-gateway-state") == 1
    granted = {one["permission"]: one["granted"] for one in made["permissions"]}
    assert granted["VIEW_CAMPAIGN"] is granted["VIEW_PACKAGE"] is True
    assert granted["EDIT_CAMPAIGN"] is None
    text = world.run("doctor").out
    assert text.startswith(f"Server: {world.proxy.url}\n\nok       project       no project file")
    assert "\nPermissions\n  APPROVE_CAMPAIGN   not tried  apply, run, campaign approve\n" in text
    assert "VIEW_PACKAGE       granted    plan, apply, status, " in text
    assert text.endswith("\n\n0 errors, 0 warnings.\n")


def test_the_embedded_server_is_there_by_itself(run, folder):
    found, _ = checks(run("doctor", "--output", "json"))
    assert found["address"]["message"] == "the server runs in this process"
    assert found["clock"]["level"] == "ok"
    assert found["permissions"]["message"] == "3 reads tried, each may be made"
    assert found["state"]["message"] == "file:.reconciler/state.json: nothing there yet"


def test_what_may_not_be_read(world):
    for operation in ("list-packages", "get-gateway-status"):
        world.proxy.tell(operation, status=403, body=b"no")
    world.proxy.tell("get-distribution-list", status=404)
    ran = world.run("doctor", "--output", "json")
    _, made = checks(ran)
    assert ran.code == 1
    said = [(c["message"], c["hint"]) for c in made["checks"] if c["name"] == "permissions"]
    assert said[0] == (
        "list-packages: GET /api/programs: 403 no",
        "The operation needs the permission VIEW_PACKAGE.",
    )
    assert said[1][0].startswith("get-gateway-status: GET /api/campaigns/")
    granted = {one["permission"]: (one["granted"], one["refused"]) for one in made["permissions"]}
    assert granted["VIEW_PACKAGE"] == (False, ["list-packages"])
    assert granted["VIEW_CAMPAIGN"] == (False, ["get-gateway-status"])
    assert "VIEW_PACKAGE       refused    plan, " in world.run("doctor").out


def test_a_sign_in_that_fails(folder, run, monkeypatch):
    with Running(token="right") as server:
        monkeypatch.setenv("RECONCILER_URL", server.url)
        monkeypatch.setenv("RECONCILER_TOKEN", "wrong-token")
        ran = run("doctor", "--output", "json")
        found, made = checks(ran)
        assert (ran.code, found["sign-in"]["level"]) == (1, "error")
        assert "401" in found["sign-in"]["message"]
        assert found["sign-in"]["hint"] == "Renew the token in environment variable RECONCILER_TOKEN."
        assert found["permissions"]["level"] == "skipped"
        assert made["permissions"] == []
        monkeypatch.setenv("RECONCILER_TOKEN", "right")
        found, _ = checks(run("doctor", "--output", "json"))
        assert found["sign-in"]["message"] == "the token in environment variable RECONCILER_TOKEN is accepted"
        for auth, said in (
            ("{tokenFile: token}", "the token in "),
            ("{tokenCommand: cat token}", "the token of tokenCommand is accepted"),
        ):
            (folder / "token").write_text("right\n")
            monkeypatch.delenv("RECONCILER_TOKEN", raising=False)
            project(folder, f"url: '{server.url}', auth: {auth}, organization: acme, apiVersion: '0.17'")
            assert run("trust", "add", "--auto-approve").code == 0
            found, _ = checks(run("doctor", "--output", "json"))
            assert found["sign-in"]["message"].startswith(said)
        assert found["organization"]["message"] == "acting in acme"
        assert found["version"]["message"] == "0.17, as server.apiVersion says"
        project(folder, f"url: '{server.url}', auth: {{tokenCommand: 'exit 3'}}")
        assert run("trust", "add", "--auto-approve").code == 0
        found, _ = checks(run("doctor", "--output", "json"))
        assert found["sign-in"]["message"] == "the tokenCommand of the project file ended with 3"


def test_a_user_name_and_a_password(folder, run, monkeypatch):
    with Running(username="ota", password="p4ssw0rd") as server:
        monkeypatch.setenv("RECONCILER_URL", server.url)
        monkeypatch.setenv("RECONCILER_USERNAME", "ota")
        monkeypatch.setenv("RECONCILER_PASSWORD", "p4ssw0rd")
        found, _ = checks(run("doctor", "--output", "json"))
        assert found["sign-in"]["message"] == "as ota"


def project(folder: Path, server: str, **more: str) -> None:
    (folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: hall}\n"
        f"spec: {{resources: [resources], server: {{{server}}}}}\n"
    )


@pytest.mark.parametrize(
    ("date", "level", "said"),
    [
        ("Tue, 01 Jan 2030 00:00:00 GMT", "error", " ahead of ours"),
        ("Wed, 01 Jan 2020 00:00:00 GMT", "error", " behind ours"),
        ("sometime", "warning", "the server doesn't say what time it has"),
    ],
)
def test_the_clock(world, date, level, said):
    for operation in ("list-campaigns", "/api/versions"):
        world.proxy.tell(operation, body={"campaigns": []}, headers={"Date": date})
    found, _ = checks(world.run("doctor", "--output", "json"))
    assert found["clock"]["level"] == level
    assert said in found["clock"]["message"]
    assert found["version"]["level"] == "warning"


@pytest.mark.parametrize(("ahead", "level", "said"), [(10, "ok", "ahead of"), (-100, "warning", "behind")])
def test_a_clock_that_is_a_little_wrong(world, ahead, level, said):
    headers = {"Date": formatdate(time.time() + ahead, usegmt=True)}
    world.proxy.tell("list-campaigns", body={"campaigns": []}, headers=headers, times=1)
    for operation in ("/api/versions", "get-campaign-counts", "list-packages"):
        world.proxy.tell(operation, body={"x": 1}, headers=headers)
    found, _ = checks(world.run("doctor", "--output", "json"))
    assert found["clock"]["level"] == level
    assert f" s {said} ours" in found["clock"]["message"]


def test_something_else_than_the_api(world):
    world.proxy.tell("list-campaigns", status=404, body=b"<html><title>Shop</title>")
    ran = world.run("doctor", "--output", "json")
    found, _ = checks(ran)
    assert (ran.code, found["sign-in"]["level"]) == (1, "error")
    assert "an HTML page titled 'Shop'" in found["sign-in"]["message"]
    assert found["sign-in"]["hint"] == "Is the server's URL that of the API, and is the API at work?"


def test_rows_that_can_not_be_read_are_not_asked_about(world):
    world.proxy.tell("list-campaigns", body={"odd": 1})
    found, _ = checks(world.run("doctor", "--output", "json"))
    assert found["permissions"]["message"] == "3 reads tried, each may be made"


# --- the way -------------------------------------------------------------------------------------


def test_nobody_listens(folder, run):
    with proxied("http://127.0.0.1:1") as proxy:
        url = proxy.url
    ran = run("doctor", "--url", url, "--output", "json")
    found, _ = checks(ran)
    assert (ran.code, found["connection"]["level"]) == (1, "error")
    assert found["sign-in"]["level"] == found["state-lock"]["level"] == "skipped"
    assert found["state"]["level"] == "ok"
    text = run("doctor", "--url", url).out
    assert "error    connection    127.0.0.1:" in text
    assert "→ Is the server running" in text


def test_a_name_that_is_none(folder, run, monkeypatch):
    async def unknown(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", unknown)
    found, _ = checks(run("doctor", "--url", "http://pulse.invalid", "--output", "json"))
    assert "'pulse.invalid' can't be resolved" in found["address"]["message"]
    assert "connection" not in found


def test_a_server_that_does_not_answer_the_door(folder, run, monkeypatch):
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("reconciler.app.checks.SECONDS", 0.01)
    monkeypatch.setattr(asyncio, "open_connection", never)
    found, _ = checks(run("doctor", "--url", "http://127.0.0.1:9", "--output", "json"))
    assert "no connection within 0.01 s" in found["connection"]["message"]


def test_a_proxy_of_the_environment(folder, run, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    ran = run("doctor", "--url", "http://pulse.example.com", "--output", "json")
    found, _ = checks(ran)
    assert found["address"]["message"].startswith("reached through the proxy 127.0.0.1:9;")
    assert "secret" not in ran.out
    assert found["sign-in"]["level"] == "error"
    monkeypatch.setenv("no_proxy", "pulse.example.com")
    monkeypatch.setattr("reconciler.providers.http.reach.resolve", unreachable)
    found, _ = checks(run("doctor", "--url", "http://pulse.example.com", "--output", "json"))
    assert found["address"]["message"] == "no way"


async def unreachable(_: object) -> tuple[str, ...]:
    from reconciler.providers.http.reach import Blocked

    raise Blocked("no way")


def test_a_connection_in_the_clear_is_a_warning(folder, run, monkeypatch):
    async def here(_: object) -> tuple[str, ...]:
        return ("127.0.0.1",)

    async def quick(_: object, *, seconds: float) -> float:
        return seconds / 1000

    monkeypatch.setattr("reconciler.providers.http.reach.resolve", here)
    monkeypatch.setattr("reconciler.providers.http.reach.connect", quick)
    monkeypatch.setenv("http_proxy", "")
    found, _ = checks(run("doctor", "--url", "http://pulse.invalid", "--output", "json"))
    assert found["tls"]["level"] == "warning"
    assert found["tls"]["hint"] == "Use https: anybody on the way can read the token."


# --- TLS -----------------------------------------------------------------------------------------

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@contextmanager
def https(folder: Path, *, days: int = 90) -> Iterator[tuple[str, Path]]:
    """An https port with a certificate of its own, which answers nothing but a handshake."""
    key, certificate = folder / f"key-{days}.pem", folder / f"ca-{days}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", certificate, "-days", str(days), "-subj", "/O=Hall/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = loop.run_until_complete(asyncio.start_server(handle, "127.0.0.1", 0, ssl=context))
    loop.set_exception_handler(lambda *_: None)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", certificate
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@needs_openssl
@pytest.mark.parametrize(("days", "level"), [(90, "ok"), (5, "warning")])
def test_a_certificate(folder, run, days, level):
    with https(folder, days=days) as (url, ca_file):
        project(folder, f"url: '{url}', caFile: {ca_file.name}")
        found, _ = checks(run("doctor", "--output", "json"))
    assert found["tls"]["level"] == level
    assert f"issued by Hall, valid for {days - 1} more days" in found["tls"]["message"]
    assert found["tls"]["message"].startswith("TLSv1.")
    assert found["sign-in"]["level"] == "error", "there is no API behind it"


@needs_openssl
def test_a_certificate_that_is_not_trusted(folder, run):
    with https(folder) as (url, _):
        ran = run("doctor", "--url", url, "--output", "json")
    found, _ = checks(ran)
    assert (ran.code, found["tls"]["level"]) == (1, "error")
    assert "the certificate is not trusted: self-signed certificate" in found["tls"]["message"]
    assert "server.caFile" in found["tls"]["hint"]


def test_no_tls_where_it_should_be(world):
    found, _ = checks(
        world.run("doctor", "--url", world.proxy.url.replace("http:", "https:"), "--output", "json")
    )
    assert found["tls"]["message"].startswith("no TLS connection: ")


@needs_openssl
def test_a_ca_file_that_is_none(folder, run):
    (folder / "ca.pem").write_text("not a certificate")
    with https(folder) as (url, _):
        project(folder, f"url: '{url}', caFile: ca.pem")
        found, _ = checks(run("doctor", "--output", "json"))
    assert "ca.pem can't be used: " in found["tls"]["message"]


# --- project and state ---------------------------------------------------------------------------


def test_a_project_file_that_is_wrong(folder, run):
    (folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: x}\nspec: {sever: 1}\n"
    )
    ran = run("doctor")
    assert ran.code == 1
    assert ran.out.startswith("Server: unknown\n\nerror    project  reconciler.yaml:4:")
    assert "→ " in ran.out


def test_warnings_of_the_project(folder, run, monkeypatch, world):
    monkeypatch.setenv("CI", "1")
    _, made = checks(run("doctor", "--output", "json"))
    assert [c["level"] for c in made["checks"] if c["name"] == "project"] == ["warning", "ok"]
    project(folder, f"url: '{world.proxy.url}'")
    monkeypatch.delenv("CI")
    found, _ = checks(run("doctor", "--output", "json"))
    assert found["project"]["message"] == str(folder / "reconciler.yaml")


def test_a_url_that_is_none(folder, run):
    ran = run("doctor", "--url", "http://user:pw@pulse.example.com", "--output", "json")
    assert ran.code == 1
    assert json.loads(ran.out)["healthy"] is False
    assert "pw@" not in ran.out


def test_an_embedded_server_that_can_not_run(folder, run):
    (folder / ".reconciler").write_text("in the way")
    ran = run("doctor", "--state", "file:other.json", "--output", "json")
    found, _ = checks(ran)
    assert (ran.code, found["server"]["level"]) == (1, "error")


def test_a_state_that_is_damaged_or_anothers(world):
    state = world.folder / ".reconciler" / "state.json"
    whole = state.read_text()
    state.write_text(whole.replace(world.proxy.url, "http://other"))
    found, _ = checks(world.run("doctor", "--output", "json"))
    assert "belongs to the pulse server http://other" in found["state"]["message"]
    state.write_text("{")
    ran = world.run("doctor", "--output", "json")
    found, _ = checks(ran)
    assert (ran.code, found["state"]["level"]) == (1, "error")
    assert "is damaged" in found["state"]["message"]


def test_wrong_or_missing_resources_hide_nothing(world):
    """The server is looked at all the same: that is what somebody asks who begins."""
    project = (
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec: {resources: [campaigns]}\n"
    )
    (world.folder / "reconciler.yaml").write_text(project)
    missing = world.run("doctor", "--output", "json")
    assert missing.code == 1
    found = [(each["name"], each["level"]) for each in json.loads(missing.out)["checks"]]
    assert ("project", "error") in found
    wanted = ("address", "connection", "clock", "sign-in", "permissions", "state")
    assert {(name, "ok") for name in wanted} <= set(found)
    (world.folder / "campaigns").mkdir()
    (world.folder / "campaigns" / "wrong.yaml").write_text("kind: [")
    assert world.run("doctor").code == 0, "what is in the files is for validate to say"
