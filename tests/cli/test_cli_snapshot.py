"""`snapshot`, and `plan --snapshot` where there is neither server nor state."""

import shutil

import pytest
from cli_runs import edit

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: plant}
spec: {resources: [resources], server: {url: "URL"}, environments: {hall: {}, yard: {}}}
"""


@pytest.fixture
def taken(world, run):
    """The snapshot of a server on which the project is applied."""
    (world.folder / "reconciler.yaml").write_text(PROJECT.replace("URL", world.proxy.url))
    assert run("apply", "--auto-approve", "--adopt", "-e", "hall").code == 0
    path = world.folder.parent / "snapshot.jsonl"
    ran = run("snapshot", "--out", str(path), "-e", "hall")
    assert ran.code == 0, ran
    assert "Saved: 1 campaign, 3 gateways, the packages of 0 gateways, 1 package.\n" in ran.out
    assert f"reconciler plan --snapshot {path}" in ran.out
    return path


@pytest.fixture
def away(taken, world, monkeypatch):
    """A checkout without the state; the server must not be asked."""
    monkeypatch.delenv("RECONCILER_URL")
    shutil.rmtree(world.folder / ".reconciler")
    return str(taken)


def test_a_plan_is_that_of_the_server_when_it_was_taken(away, world, run):
    seen = len(world.proxy.seen)
    assert run("plan", "-e", "hall", "--snapshot", away, "--detailed-exitcode").code == 0
    edit(world.folder, "[gw-1, gw-2, gw-3]", "[gw-1, gw-2, gw-4]")
    ran = run("plan", "-e", "hall", "--snapshot", away, "--detailed-exitcode")
    assert ran.code == 2
    assert "gw-4" in ran.out
    assert len(world.proxy.seen) == seen


def test_of_another_environment_or_project(away, world, run):
    ran = run("plan", "-e", "yard", "--snapshot", away)
    assert ran.code == 1
    assert "the snapshot is of the project 'plant' in the environment 'hall', and this is" in ran.err
    assert "the project 'plant' in the environment 'yard'" in ran.err
    (world.folder / "reconciler.yaml").unlink()
    ran = run("plan", "resources", "--snapshot", away, "--url", "embedded:")
    assert ran.code == 1
    assert "and this is no project file without an environment" in ran.err


def test_of_another_server(away, run):
    ran = run("plan", "-e", "hall", "--snapshot", away, "--url", "https://other.example.com")
    assert ran.code == 1
    assert "and the project's server is" in ran.err
    assert "other.example.com" in ran.err
