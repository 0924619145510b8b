"""How a worker signs in: it is told names, and looks for itself."""

import pickle
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from reconciler.model import FromEnv, Secret
from reconciler.project.loader import load_project
from reconciler.settings import Auth, Basic, Engine, ServerSettings, Token, TokenCommand, TokenFile
from reconciler.workers.access import ref_of, settings_here

CANARY = "canary-5ec2e7"
URL = "https://pulse.example.com"


def env(name: str, value: str = CANARY) -> Secret:
    return Secret(f"environment variable {name}", value, FromEnv(name))


AUTHS: dict[str, tuple[Auth, dict[str, str]]] = {
    "token": (Token(env("LINE_TOKEN")), {"LINE_TOKEN": "mine"}),
    "user": (Basic("ada", env("LINE_PASSWORD"), "LINE_USER"), {"LINE_USER": "bob", "LINE_PASSWORD": "mine"}),
    "command": (TokenCommand(f"echo {CANARY}", Path("/srv")), {"RECONCILER_TOKEN": "mine"}),
}


@pytest.mark.parametrize("name", AUTHS)
def test_a_worker_signs_in_by_its_own_secrets(name: str, tmp_path: Path) -> None:
    auth, environ = AUTHS[name]
    ref = ref_of(ServerSettings(url=URL, auth=auth))
    assert CANARY.encode() not in pickle.dumps(ref)
    match settings_here(ref, environ, tmp_path).auth:
        case Token(token):
            assert token.reveal() == "mine"
        case Basic(username, password):
            assert (username, password.reveal()) == ("bob", "mine")
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize(
    ("name", "environ", "why"),
    [
        ("token", {}, "environment variable LINE_TOKEN is not set"),
        ("token", {"LINE_TOKEN": " "}, "environment variable LINE_TOKEN is empty"),
        ("user", {"LINE_USER": "bob"}, "environment variable LINE_PASSWORD is not set"),
        (
            "command",
            {},
            "none of RECONCILER_TOKEN, RECONCILER_TOKEN_FILE and RECONCILER_TOKEN_COMMAND is set",
        ),
    ],
)
def test_what_a_worker_lacks_is_named(name: str, environ: dict[str, str], why: str, tmp_path: Path) -> None:
    ref = ref_of(ServerSettings(url=URL, auth=AUTHS[name][0]))
    with pytest.raises(ReconcilerError, match=why):
        settings_here(ref, environ, tmp_path)


def test_a_variable_of_ours_comes_first(tmp_path: Path) -> None:
    ref = ref_of(ServerSettings(url=URL, auth=Token(env("LINE_TOKEN"))))
    found = settings_here(ref, {"RECONCILER_TOKEN": "first", "LINE_TOKEN": "second"}, tmp_path).auth
    assert isinstance(found, Token)
    assert found.token.reveal() == "first"


def test_a_file_is_that_of_the_worker(tmp_path: Path) -> None:
    ref = ref_of(ServerSettings(url=URL, auth=TokenFile(tmp_path / "token")))
    with pytest.raises(ReconcilerError, match="there is no token file"):
        settings_here(ref, {}, tmp_path)
    (tmp_path / "token").write_text(CANARY)
    assert settings_here(ref, {}, tmp_path).auth == TokenFile(tmp_path / "token")
    with pytest.raises(ReconcilerError, match="there is no CA file"):
        settings_here(ref_of(ServerSettings(url=URL, ca_file=tmp_path / "ca.pem")), {}, tmp_path)


def test_all_else_is_as_in_the_run(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    settings = ServerSettings(
        url=URL,
        api_version="0.17",
        organization="blue",
        ca_file=tmp_path / "ca.pem",
        timeout=7.5,
        batch_size=10,
        page_size=7,
        max_answer_megabytes=3,
        settle=1.5,
        engine=Engine.AIOHTTP,
    )
    assert settings_here(ref_of(settings), {}, tmp_path) == settings


def test_a_project_says_where_its_secrets_stand(tmp_path: Path) -> None:
    """As the loader makes them: the names arrive."""
    (tmp_path / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec:\n"
        f"  server: {{url: '{URL}', auth: {{usernameEnv: LINE_USER, passwordEnv: LINE_PASSWORD}}}}\n"
    )
    environ = {"LINE_USER": "ada", "LINE_PASSWORD": CANARY}
    project = load_project(cwd=tmp_path, environ=environ).project
    assert project is not None
    ref = ref_of(project.server)
    assert ref.auth == {"usernameEnv": "LINE_USER", "passwordEnv": "LINE_PASSWORD"}
    environ = {"RECONCILER_TOKEN": CANARY}
    project = load_project(cwd=tmp_path, environ=environ).project
    assert project is not None
    assert ref_of(project.server).auth == {"tokenEnv": "RECONCILER_TOKEN"}
