"""`serve`: a server as a process, ended by a signal."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from cli_runs import environment

from reconciler.embedded import EmbeddedError, create_app


@contextmanager
def serving(folder, *arguments: str, **env: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "reconciler", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip(), server
        finally:
            server.kill()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_url_serves_and_ends(folder, kind):
    with serving(folder) as (url, server):
        assert httpx.get(f"{url}/api/versions").status_code == 200
        assert "The embedded server" in httpx.get(url).text
        assert (folder / ".reconciler" / "embedded.db").is_file()
        server.send_signal(kind)
        assert server.wait(20) == 0
        assert server.stderr.read() == (
            f"Campaigns in a browser: {url}/   documentation of the API: {url}/docs\n"
        )


def test_a_token_from_the_environment_and_a_database(folder):
    arguments = ("--token-env", "CANARY", "--database", "x.db", "--approval-needed")
    with serving(folder, *arguments, CANARY="let-me-in") as (url, _):
        campaigns = f"{url}/api/campaigns"
        assert httpx.get(campaigns).status_code == 401
        assert httpx.get(campaigns, headers={"Authorization": "Bearer let-me-in"}).status_code == 200
    assert (folder / "x.db").is_file()


def test_what_cant_be_served_is_said(run, folder, monkeypatch):
    monkeypatch.delenv("CANARY", raising=False)
    ran = run("serve", "--token-env", "CANARY")
    assert ran.code == 64
    assert "no environment variable CANARY" in ran.err
    with serving(folder) as (url, _):
        ran = run("serve", "--port", url.rpartition(":")[2])
        assert ran.code == 1
        assert ran.err.startswith("error: The embedded server can't listen on 127.0.0.1:")


def test_an_open_server_without_a_token_is_warned_about(run, folder, monkeypatch):
    import reconciler.embedded

    seen = []

    def serve(database, **settings):
        seen.append((os.fspath(database), settings["host"]))
        settings["pages"](create_app(":memory:"))
        settings["ready"]("http://there")

    monkeypatch.setattr(reconciler.embedded, "serve", serve, raising=False)
    ran = run("serve", "--host", "0.0.0.0")
    assert (ran.code, ran.out) == (0, "http://there\n")
    assert "no token is asked for" in ran.err
    assert "Campaigns in a browser: http://there/" in ran.err
    assert seen == [(".reconciler/embedded.db", "0.0.0.0")]


def test_a_missing_extra_is_said(run, folder, monkeypatch):
    import reconciler.embedded as package

    def missing(name):
        raise EmbeddedError(
            "The embedded server needs the package uvicorn: pip install 'reconciler[embedded]'."
        )

    monkeypatch.delitem(vars(package), "serve", raising=False)
    monkeypatch.setattr(package, "__getattr__", missing)
    ran = run("serve")
    assert ran.code == 1
    assert "pip install 'reconciler[embedded]'" in ran.err


def test_without_the_extra_it_serves_and_says_what_pages_need(run, folder, monkeypatch):
    import reconciler.embedded
    from reconciler.report.web import rendering

    def serve(database, **settings):
        assert settings["pages"](create_app(":memory:")) == ()
        settings["ready"]("http://there")

    rendering._environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setattr(reconciler.embedded, "serve", serve, raising=False)
    ran = run("serve")
    assert (ran.code, ran.out) == (0, "http://there\n")
    assert "There are no pages to look at: HTML needs the package jinja2" in ran.err
    assert "pip install 'reconciler[controller]'" in ran.err
