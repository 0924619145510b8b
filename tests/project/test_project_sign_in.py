"""How to sign in: variables first, then what the project file says."""

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.model import Secret
from reconciler.settings import Basic, Token, TokenCommand, TokenFile
from tests.project.project_folders import URL


def auth(here, text: str, environ: Mapping[str, str], **flags: Any) -> Any:
    here.write(f"server:\n  url: {URL}\n  auth: {text}")
    return here.project(environ, **flags).server.auth


def test_each_way_to_sign_in(here) -> None:
    (here.root / "token").touch()
    assert auth(here, "{tokenEnv: T}", {"T": " t\n"}) == Token(Secret("environment variable T", "t"))
    assert auth(here, "{tokenFile: token}", {}) == TokenFile(here.root / "token")
    assert auth(here, "{tokenCommand: 'vault read x'}", {}) == TokenCommand("vault read x", here.root)
    assert auth(here, "{usernameEnv: U, passwordEnv: P}", {"U": "u", "P": "p"}) == Basic(
        "u", Secret("environment variable P", "p")
    )


@pytest.mark.parametrize(
    "declared", ["{tokenEnv: GONE}", "{tokenFile: gone}", "{usernameEnv: GONE, passwordEnv: GONE}"]
)
def test_variables_of_the_tool_beat_the_file(here, declared: str) -> None:
    token = {"RECONCILER_TOKEN": "t"}
    person = {"RECONCILER_USERNAME": "u", "RECONCILER_PASSWORD": "p"}
    expected = Token(Secret("environment variable RECONCILER_TOKEN", "t"))
    assert auth(here, declared, token) == expected
    assert auth(here, declared, token | person) == expected
    assert auth(here, declared, person) == Basic("u", Secret("environment variable RECONCILER_PASSWORD", "p"))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("RECONCILER_USERNAME", "RECONCILER_PASSWORD"),
        ("RECONCILER_PASSWORD", "RECONCILER_USERNAME"),
    ],
)
def test_half_of_a_person_is_nobody(here, name: str, other: str) -> None:
    finding = here.finding({name: "s3cret"}, url=URL)
    assert (finding.code, finding.message) == ("missing-secret", f"{name} is set, but {other} is not")
    assert here.project({name: "s3cret"}, url=URL, need_server=False).server.auth is None


@pytest.mark.parametrize(
    ("declared", "environ", "said"),
    [
        ("{tokenEnv: T}", {}, ["environment variable T is not set"]),
        ("{tokenEnv: T}", {"T": " "}, ["environment variable T is empty"]),
        ("{tokenEnv: T}", {"T": "s3\ncret"}, ["environment variable T has characters that can't be sent"]),
        ("{tokenFile: gone}", {}, ["there is no token file `gone`"]),
        (
            "{usernameEnv: U, passwordEnv: P}",
            {},
            ["environment variable P is not set", "environment variable U is not set"],
        ),
    ],
)
def test_what_is_missing_is_named_where_it_is_declared(
    here, declared: str, environ: dict[str, str], said: list[str]
) -> None:
    here.write(f"server:\n  url: {URL}\n  auth: {declared}")
    findings = here.load(environ).findings
    assert [finding.message for finding in findings] == said
    assert all(finding.place is not None and finding.place.line == 7 for finding in findings)
    assert "s3" not in f"{findings}"


def test_what_does_not_talk_to_the_server_needs_no_secret(here) -> None:
    here.write(f"server:\n  url: {URL}\n  auth: {{tokenEnv: T}}")
    auth_ = here.project(need_server=False).server.auth
    assert isinstance(auth_, Token)
    assert not auth_.token.known
    assert auth(here, "{usernameEnv: U, passwordEnv: P}", {"P": "p"}, need_server=False) == Basic(
        "", Secret("environment variable P")
    )
    assert auth(here, "{tokenFile: gone}", {}, need_access=False) == TokenFile(here.root / "gone")
