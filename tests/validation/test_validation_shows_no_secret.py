"""What may be a secret is never repeated, whatever is wrong with it."""

from pathlib import Path

import pytest

from reconciler.loading import load_text
from reconciler.validation import validate, validate_project

CAMPAIGN = "apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: c}\nspec: {settings: {%s}}\n"
PROJECT = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec: {%s}\n"
SECRETS = ("CANARY", "2043453", "1000555", "624485", "1F2E3D", "1_000_555", "98765")


def said(text: str) -> str:
    [document] = load_text(text, "a.yaml", Path("/a.yaml")).documents
    project = document.value["kind"] == "Project"
    findings = (validate_project(document) if project else validate([document])).findings
    assert findings, text
    return " ".join(f"{finding.code} {finding.message} {finding.hint}" for finding in findings)


@pytest.mark.parametrize(
    "text",
    [
        CAMPAIGN % "password: 0x1F2E3D",
        CAMPAIGN % "secret: 1_000_555",
        CAMPAIGN % "apiKey: CANARY, other: 1",
        CAMPAIGN % "t: {fromEnv: 0x98765}",
        CAMPAIGN % "t: {fromEnv: CANARY-}",
        PROJECT % "server: {url: 'https://bob:CANARY PW@h'}",
        PROJECT % "server: {url: 'htps://u:CANARY@h'}",
        PROJECT % "server: {url: 'https://h/?token=CANARY'}",
        PROJECT % "server: {url: 'https://h', auth: CANARY}",
        PROJECT % "server: {url: 'https://h', auth: {tokenEnv: CANARY-}}",
        PROJECT % "state: {url: 'postgres://u:CANARY@h/d'}",
        PROJECT % "state: {url: 'postgresql://h/d?sslmode=x&password=CANARY'}",
    ],
)
def test_it_is_not_repeated(text: str) -> None:
    words = said(text)
    assert not [secret for secret in SECRETS if secret in words], words


def test_a_password_in_the_query_of_a_state_url_is_found() -> None:
    assert "plain-secret" in said(PROJECT % "state: {url: 'postgresql://h/d?password=CANARY'}")
