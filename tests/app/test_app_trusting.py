"""The gate that a project passes before anything is connected, and what happens to who goes around it."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.app.caller import Question, Unattended
from reconciler.app.trusting import TrustGate
from reconciler.app.workspace import Workspace, connected, store_of
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.model import Finding
from reconciler.trust.store import grant_store

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: plant}
spec:
  server: {url: "https://pulse.example.com", auth: {tokenEnv: TOKEN}}
  state: {url: "postgresql://db.example.com/x"}
"""


class Person(Unattended):
    """Answers each question with the next of `answers`."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[Question] = []

    def ask(self, question: Question) -> bool:
        self.asked.append(question)
        return self.answers.pop(0)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "reconciler.yaml").write_text(PROJECT)
    return Workspace(folder, {"TOKEN": "t", "XDG_CONFIG_HOME": str(tmp_path / "config")})


def codes(error: InvalidInput) -> list[str]:
    return [finding.code for finding in error.findings]


async def _open(project) -> None:
    async with connected(project):
        pass


def test_nothing_is_connected_before_it_is_admitted(workspace) -> None:
    import asyncio

    project = workspace.load().project
    assert project
    with pytest.raises(InvalidInput) as caught:
        asyncio.run(_open(project))
    assert codes(caught.value) == ["untrusted-host"] * 2
    with pytest.raises(InvalidInput) as caught:
        store_of(project)
    assert codes(caught.value) == ["untrusted-host"]


def test_a_run_on_the_state_alone_asks_for_that_alone(workspace) -> None:
    import asyncio

    with pytest.raises(InvalidInput) as caught:
        workspace.settle(access=False)
    assert codes(caught.value) == ["untrusted-host"]
    allowed = replace(workspace, environ={**workspace.environ, "RECONCILER_TRUSTED_HOSTS": "db.example.com"})
    project = allowed.settle(access=False)
    assert store_of(project)
    with pytest.raises(InvalidInput):
        asyncio.run(_open(project))


def test_all_that_is_missing_is_one_question_whose_yes_is_kept(workspace) -> None:
    person = Person(True)
    asked = replace(workspace, caller=person)
    assert asked.settle().needs == ()
    (question,) = person.asked
    assert "environment variable TOKEN to https://pulse.example.com" in question.text
    assert "the credentials of PostgreSQL to postgresql://db.example.com" in question.text
    assert workspace.settle().needs == (), "also where nobody can be asked"


def test_a_no_is_an_error_and_is_not_kept(workspace) -> None:
    person = Person(False, False)
    for _ in range(2):
        with pytest.raises(InvalidInput) as caught:
            replace(workspace, caller=person).settle()
        assert codes(caught.value) == ["untrusted-host"] * 2
    assert len(person.asked) == 2


def test_nobody_is_asked_where_a_yes_could_not_be_kept(workspace) -> None:
    person = Person(True)
    for environ in ({"TOKEN": "t"}, {"TOKEN": "t", "HOME": str(workspace.folder)}):
        with pytest.raises(InvalidInput):
            replace(workspace, environ=environ, caller=person).settle()
    assert person.asked == []


def test_other_findings_are_said_as_well(workspace) -> None:
    project = workspace.load().project
    assert project
    other = Finding("plain-http", "x")
    with pytest.raises(InvalidInput) as caught:
        workspace.trusted(project, findings=(other,))
    assert sorted(codes(caught.value)) == ["plain-http", "untrusted-host", "untrusted-host"]


def test_grants_that_cannot_be_believed_stop_the_run(workspace) -> None:
    store = grant_store(workspace.environ)
    assert store
    store.add(need.grant for need in workspace.load().project.needs)
    assert workspace.settle()
    store.path.chmod(0o666)
    with pytest.raises(ReconcilerError, match="others may write it"):
        workspace.settle()
    assert replace(
        workspace,
        environ={**workspace.environ, "RECONCILER_TRUSTED_HOSTS": "pulse.example.com,db.example.com"},
    ).settle(), "what needs no grant doesn't read them"


def test_a_project_that_needs_nothing_asks_nothing(workspace) -> None:
    project = workspace.load(server=False).project
    assert project
    assert TrustGate({}, Person()).admit(project) == project
