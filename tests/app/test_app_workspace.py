"""One way to a project, to its files, its state and its server."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.app.workspace import Workspace, connected, declared_name, state_of, store_of
from reconciler.errors import InvalidInput, ReconcilerError, WrongServer
from reconciler.model import Kind, ResourceId, Server
from reconciler.state.base import CampaignOwned, Origin, Owned
from tests.app.app_worlds import workspace

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: plant}
spec:
  resources: [resources]
  server: {url: "https://pulse.example.com", auth: {tokenEnv: TOKEN}}
  environments:
    test: {server: {url: "https://test.example.com"}}
    night: {overlays: [night.yaml]}
"""
NIGHT = """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec: {name: Line 3 at night}
"""
LINE_3 = ResourceId(Kind.CAMPAIGN, "line-3")


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    made = workspace(tmp_path)
    (tmp_path / "reconciler.yaml").write_text(PROJECT)
    (tmp_path / "night.yaml").write_text(NIGHT)
    trusted = {"RECONCILER_TRUSTED_HOSTS": "pulse.example.com, test.example.com"}
    return replace(made, paths=(), environ={"TOKEN": "t", **trusted})


@pytest.mark.parametrize(
    ("said", "environ", "url"),
    [
        ({}, {}, "https://pulse.example.com"),
        ({"environment": "test"}, {}, "https://test.example.com"),
        ({}, {"RECONCILER_ENVIRONMENT": "test"}, "https://test.example.com"),
        ({"url": "https://flag.example.com"}, {"RECONCILER_URL": "https://x"}, "https://flag.example.com"),
        ({}, {"RECONCILER_URL": "https://variable.example.com"}, "https://variable.example.com"),
    ],
)
def test_what_was_said_counts_before_the_file(project, said, environ, url):
    there = replace(project, environ={**project.environ, **environ}, **said)
    assert there.settle().server.url == url
    assert there.environment_given is bool(there.environment or environ.get("RECONCILER_ENVIRONMENT"))


def test_a_secret_has_to_be_there_only_where_the_server_is_called(project):
    bare = replace(project, environ={})
    with pytest.raises(InvalidInput):
        bare.settle()
    assert bare.settle(access=False).server.url == "https://pulse.example.com"
    assert not [finding for finding in bare.load(server=False).findings if finding.is_error]


def test_paths_say_nothing_of_the_server(project):
    assert replace(project, paths=("gone.yaml",)).settle().server.url == "https://pulse.example.com"


def test_the_name_of_a_campaign_is_that_of_the_environment(project):
    assert declared_name(project.settle(), LINE_3) == "line-3"
    assert declared_name(project.inside("night").settle(), LINE_3) == "Line 3 at night"
    assert declared_name(project.settle(), ResourceId(Kind.CAMPAIGN, "x")) is None


def test_the_state_belongs_to_one_server(project):
    settings = project.settle()
    with store_of(settings).locked(Server("pulse", "https://elsewhere.example.com"), "apply") as session:
        session.record(CampaignOwned(Owned(LINE_3, "c-1", Origin.CREATED)))
    with pytest.raises(WrongServer):
        state_of(settings, store_of(settings))


def test_the_embedded_server_is_the_same_one_each_time(tmp_path):
    settings = workspace(tmp_path).settle()

    async def campaigns() -> int:
        async with connected(settings) as provider:
            assert provider.server == settings.server.identity
            assert (await provider.questions.counts()).started == 0
            return len(await provider.reads.campaigns())

    assert [asyncio.run(campaigns()), asyncio.run(campaigns())] == [0, 0]
    assert (tmp_path / ".reconciler" / "embedded.db").exists()


def test_an_embedded_database_that_is_none(tmp_path):
    settings = workspace(tmp_path).settle()
    (tmp_path / ".reconciler").mkdir()
    (tmp_path / ".reconciler" / "embedded.db").write_text("long enough to be read as a database\n" * 99)

    async def body() -> None:
        async with connected(settings):
            raise AssertionError("it can't be opened")

    with pytest.raises(ReconcilerError):
        asyncio.run(body())
