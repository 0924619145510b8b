"""Settings of a campaign: secrets are read, and never show."""

import pytest

from reconciler.model import (
    Place,
    Secret,
)
from reconciler.resolve.campaign_settings import SECRET_LIMIT

SETTINGS = "settings: {plain: value, env: {fromEnv: LINE3}, file: {fromFile: keys/line3}}"


def test_secrets_are_read_and_never_show(folder) -> None:
    folder.put("keys/line3", "from the file\n\n")
    folder.resource("Campaign", "c", SETTINGS)
    settings = folder.campaign({"LINE3": " from the environment "}).settings
    assert list(settings) == ["plain", "env", "file"]
    assert settings["plain"] == "value"
    assert settings["env"].reveal() == " from the environment "
    assert settings["file"].reveal() == "from the file\n"
    assert repr(settings) == (
        "{'plain': 'value', 'env': Secret(environment variable LINE3), 'file': Secret(file keys/line3)}"
    )


@pytest.mark.parametrize(
    ("content", "value"),
    [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\r", "a\r"), (" a ", " a "), ("ä", "ä")],
)
def test_one_newline_at_the_end_of_a_file_does_not_count(folder, content: str, value: str) -> None:
    folder.put("key", content)
    folder.resource("Campaign", "c", "settings: {k: {fromFile: key}}")
    assert folder.campaign({}).settings["k"].reveal() == value


def test_without_an_environment_secrets_are_not_read(folder) -> None:
    folder.put("keys/line3", b"\xff")
    folder.resource("Campaign", "c", SETTINGS)
    settings = folder.campaign(None).settings
    assert settings["env"] == Secret("environment variable LINE3")
    assert settings["file"] == Secret("file keys/line3")
    assert not settings["env"].known
    assert not settings["file"].known


@pytest.mark.parametrize("environ", [None, {}])
@pytest.mark.parametrize(("file", "code"), [("gone", "missing-file"), ("../x", "outside-project")])
def test_a_secret_file_is_looked_for_also_when_it_is_not_read(
    folder, environ: dict[str, str] | None, file: str, code: str
) -> None:
    folder.resource("Campaign", "c", f"settings: {{k: {{fromFile: {file}}}}}")
    finding = folder.finding(environ)
    assert (finding.code, finding.place) == (code, Place("campaign-c.yaml", 5, 28))


@pytest.mark.parametrize(
    ("environ", "said"),
    [({}, "environment variable X is not set"), ({"X": ""}, "environment variable X is empty")],
)
def test_a_missing_variable(folder, environ: dict[str, str], said: str) -> None:
    folder.resource("Campaign", "c", "settings: {k: {fromEnv: X}}")
    finding = folder.finding(environ)
    assert (finding.code, finding.message) == ("missing-secret", said)
    assert finding.hint == "set X where this command runs"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "missing-secret"),
        (b"\n", "missing-secret"),
        (b"\xff", "not-utf8"),
        (b"x" * (SECRET_LIMIT + 1), "bad-secret"),
    ],
)
def test_a_secret_file_that_can_be_no_secret(folder, content: bytes, code: str) -> None:
    folder.put("key", content)
    folder.resource("Campaign", "c", "settings: {k: {fromFile: key}}")
    assert folder.finding({}).code == code
    offline = [finding.code for finding in folder.resolve(None).findings]
    assert offline == ([code] if len(content) in (0, SECRET_LIMIT + 1) else []), "the size tells, unread"


def test_a_secret_file_that_cannot_be_opened(folder, monkeypatch) -> None:
    path = folder.put("key", "x")
    really = type(path).open

    def refused(self, *args, **kwargs):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return really(self, *args, **kwargs)

    monkeypatch.setattr(type(path), "open", refused)
    folder.resource("Campaign", "c", "settings: {k: {fromFile: key}}")
    assert folder.finding({}).message == "`key` can't be read: Permission denied"
