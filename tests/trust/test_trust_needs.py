"""What is trusted, what isn't, and what is said then."""

import pytest

from reconciler.findings import CODES
from reconciler.model import Place
from reconciler.trust.hosts import EMBEDDED, Destination, trusted_hosts
from reconciler.trust.needs import (
    RESERVED,
    CommandGrant,
    FileGrant,
    SecretGrant,
    TrustNeed,
    asked_for,
    refusal,
    unmet,
)

PULSE = Destination.of("https://pulse.example.com")
PLACE = Place("reconciler.yaml", 7, 10)
COMMAND = TrustNeed(
    CommandGrant("echo $SECRET", "/w/reconciler.yaml"),
    "server.auth.tokenCommand",
    PLACE,
    instead="RECONCILER_TOKEN_COMMAND",
)
FILE = TrustNeed(
    FileGrant("/etc/passwd", "/w/reconciler.yaml"), "server.caFile", PLACE, instead="RECONCILER_CA_FILE"
)


def secret(destination: Destination = PULSE, name: str = "env:TOKEN", *, reserved: bool = False) -> TrustNeed:
    return TrustNeed(SecretGrant(name, str(destination)), "server.url", PLACE, destination, reserved)


@pytest.mark.parametrize(
    ("need", "entries", "grants", "met"),
    [
        (secret(), "", (), False),
        (secret(), "pulse.example.com", (), True),
        (secret(), "", (SecretGrant("env:TOKEN", "https://pulse.example.com"),), True),
        (secret(), "", (SecretGrant("env:OTHER", "https://pulse.example.com"),), False),
        (secret(), "", (SecretGrant("env:TOKEN", "http://pulse.example.com"),), False),
        (secret(), "", (SecretGrant("env:TOKEN", "https://pulse.example.com:8443"),), False),
        (secret(Destination.of("http://127.0.0.1:8080")), "", (), True),
        (secret(EMBEDDED), "", (), True),
        (secret(reserved=True), "pulse.example.com", (), False),
        (secret(EMBEDDED, reserved=True), "", (), False),
        (secret(reserved=True), "", (SecretGrant("env:TOKEN", "https://pulse.example.com"),), True),
        (COMMAND, "pulse.example.com", (), False),
        (COMMAND, "", (COMMAND.grant,), True),
        (COMMAND, "", (CommandGrant("echo $SECRET ", "/w/reconciler.yaml"),), False),
        (COMMAND, "", (CommandGrant("echo $SECRET", "/other/reconciler.yaml"),), False),
        (FILE, "", (), False),
        (FILE, "", (FILE.grant,), True),
        (FILE, "", (FileGrant("/etc/passwd", "/other"),), False),
    ],
)
def test_what_is_met(need: TrustNeed, entries: str, grants: tuple[SecretGrant, ...], met: bool) -> None:
    assert unmet([need], trusted_hosts(entries)[0], grants) == (() if met else (need,))


def test_each_is_asked_for_once() -> None:
    assert unmet([secret(), secret(), COMMAND], ()) == (secret(), COMMAND)


@pytest.mark.parametrize(
    "name",
    [
        "CI",
        "CI_JOB_TOKEN",
        "GITHUB_TOKEN",
        "github_token",
        "GH_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "GITLAB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "RECONCILER_TOKEN",
        "RECONCILER_SECRETS",
        "SSH_AUTH_SOCK",
        "PGPASSWORD",
        "SYSTEM_ACCESSTOKEN",
        "VAULT_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AZURE_CLIENT_SECRET",
        "KUBECONFIG",
        "NPM_TOKEN",
    ],
)
def test_variables_of_others_are_reserved(name: str) -> None:
    assert RESERVED.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["PULSE_TOKEN", "LINE3_KEY", "CITY", "STAGING_PASSWORD", "MY_GITHUB_TOKEN", "TOKEN", "PGX"]
)
def test_others_are_free(name: str) -> None:
    assert not RESERVED.fullmatch(name)


@pytest.mark.parametrize(
    ("need", "code", "words"),
    [
        (
            secret(),
            "untrusted-host",
            [
                "environment variable TOKEN",
                "https://pulse.example.com",
                "RECONCILER_TRUSTED_HOSTS=pulse.example.com,",
                "RECONCILER_URL",
                "--url",
                "reconciler trust add",
            ],
        ),
        (
            secret(Destination.of("http://pulse.example.com:81")),
            "untrusted-host",
            ["RECONCILER_TRUSTED_HOSTS=http://pulse.example.com,"],
        ),
        (
            secret(Destination.of("https://[2001:db8::1]")),
            "untrusted-host",
            ["RECONCILER_TRUSTED_HOSTS=[2001:db8::1],"],
        ),
        (
            secret(name="env:GITHUB_TOKEN", reserved=True),
            "reserved-variable",
            ["GITHUB_TOKEN", "PULSE_TOKEN", "reconciler trust add GITHUB_TOKEN https://pulse.example.com"],
        ),
        (
            COMMAND,
            "untrusted-command",
            ["server.auth.tokenCommand", "RECONCILER_TOKEN_COMMAND", "reconciler trust add"],
        ),
        (
            FILE,
            "untrusted-file",
            ["server.caFile", "/etc/passwd", "RECONCILER_CA_FILE", "reconciler trust add"],
        ),
    ],
)
def test_a_refusal_says_what_where_why_and_what_to_set(need: TrustNeed, code: str, words: list[str]) -> None:
    found = refusal(need)
    assert (found.code, found.place, found.is_error) == (code, PLACE, True)
    assert code in CODES
    assert [word for word in words if word not in f"{found.message}; {found.hint}"] == []


def test_a_command_is_shown_to_who_decides_and_in_no_finding() -> None:
    found = refusal(COMMAND)
    assert "echo" not in f"{found.message}{found.hint}"
    assert asked_for([COMMAND]) == ["reconciler.yaml:7:10: run `echo $SECRET` for /w/reconciler.yaml"]
    printed = TrustNeed(SecretGrant("command:echo \x1b[2J$X", str(PULSE)), "server.url", None, PULSE)
    assert "echo" not in refusal(printed).message
    assert asked_for([printed]) == [
        "server.url: send what `echo \\x1b[2J$X` prints to https://pulse.example.com"
    ]
