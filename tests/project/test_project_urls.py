"""URLs of servers and states: what is taken, and what is refused without being repeated."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.findings import Findings
from reconciler.model import Place, Severity
from reconciler.project.declared import Given
from reconciler.project.urls import server_url, state_url
from reconciler.state.stores import open_store
from tests.project.project_folders import URL


@pytest.mark.parametrize(
    ("url", "same_as"),
    [
        (f"{URL}/", URL),
        (f"{URL}/base//", f"{URL}/base"),
        ("HTTPS://Pulse.Example.com:8443/Base", "https://pulse.example.com:8443/Base"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.7", "http://127.0.0.7"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("http://pulse.localhost", "http://pulse.localhost"),
        ("embedded:", "embedded:"),
    ],
)
def test_urls_that_are_taken(here, url: str, same_as: str) -> None:
    assert here.project(url=url).server.url == same_as


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://pulse.example.com", "bad-url"),
        ("pulse.example.com", "bad-url"),
        ("https://", "bad-url"),
        ("https:///path", "bad-url"),
        ("embedded:x", "bad-url"),
        ("https://pulse:port", "bad-url"),
        ("https://pulse:99999", "bad-url"),
        ("https://[::1", "bad-url"),
        ("https://pulse example.com", "bad-url"),
        ("https://pulse\n.example.com", "bad-url"),
        ("https://pulse\\evil.com", "bad-url"),
        ("https://pulse.example.com/?token=s3cret", "bad-url"),
        ("https://pulse.example.com/#s3cret", "bad-url"),
        ("https://pulse.example.com/?", "bad-url"),
        ("https://me:s3cret@pulse.example.com", "url-with-credentials"),
        ("https://s3cret@pulse.example.com", "url-with-credentials"),
        ("https://:@pulse.example.com", "url-with-credentials"),
    ],
)
def test_urls_that_are_refused_and_never_repeated(here, url: str, code: str) -> None:
    for finding in (here.finding(url=url), here.finding({"RECONCILER_URL": url})):
        assert finding.code == code
        assert "s3cret" not in f"{finding}"
        assert finding.hint
        assert re.match(r"(--url|RECONCILER_URL) ", finding.message)


def test_plain_http_to_another_machine_is_a_warning(here) -> None:
    here.write("server: {url: 'http://pulse.example.com'}")
    loaded = here.load()
    (finding,) = loaded.findings
    assert (finding.code, finding.severity) == ("plain-http", Severity.WARNING)
    assert finding.place == Place("reconciler.yaml", 5, 17)
    assert loaded.project.server.url == "http://pulse.example.com"


@given(st.text(), st.booleans())
def test_no_text_breaks_the_urls(text: str, public: bool) -> None:
    given_ = Given(text, "--url")
    server_url(given_, Findings())
    state_url(given_, Findings(), beside=Path("/x"), public=public)


def test_a_state_of_a_flag_is_relative_to_the_working_folder(full) -> None:
    below = full.root / "campaigns"
    project = full.project({"TOKEN": "t"}, cwd=below, state="file:x.json")
    assert project.state_url == f"file:{below}/x.json"
    assert open_store(project.state_url, root=project.root).url == project.state_url
    assert full.project({"TOKEN": "t"}, cwd=below).state_url == "file:state/base.json"
    assert full.project({"TOKEN": "t"}, cwd=below, state="file:/x.json").state_url == "file:/x.json"


@pytest.mark.parametrize(
    "url",
    [
        "x.json",
        "file:",
        "http://x",
        "file: x",
        "postgresql://[x",
        "file:/",
        "file:///",
        "file://host/x",
        "ftp://x",
    ],
)
def test_a_state_has_a_url(here, url: str) -> None:
    finding = here.finding(state=url)
    assert (finding.code, finding.message) == ("bad-url", "--state isn't the URL of a state")


@pytest.mark.parametrize(
    "url",
    [
        "file:x.json",
        "file:/x.json",
        "file:///x.json",
        "file://localhost/x.json",
        "file:.reconciler/state.json",
    ],
)
def test_what_is_taken_as_the_url_of_a_state_can_be_opened(here, url: str) -> None:
    assert open_store(here.project(state=url).state_url, root=here.root)


def test_a_password_of_a_state_comes_from_the_environment_alone(here) -> None:
    url = "postgresql://me:s3cret@db/state"
    finding = here.finding(state=url)
    assert finding.code == "url-with-credentials"
    assert "s3cret" not in f"{finding}"
    assert here.project({"RECONCILER_STATE": url}).state_url == url
    assert here.project(state="postgresql://me@db/state").state_url == "postgresql://me@db/state"
