"""`server.workers` in a project file: what it may say, and whose word a scheduler needs."""

from pathlib import Path

import pytest

from reconciler.project import LoadedProject, load_project
from reconciler.settings import DaskWorkers, LocalWorkers
from reconciler.trust.needs import SecretGrant, asked_for, refusal, unmet

URL = "https://pulse.example.com"


def loaded(folder: Path, workers: str, **environ: str) -> LoadedProject:
    (folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec:\n"
        f"  server: {{url: '{URL}', workers: '{workers}'}}\n"
    )
    return load_project(cwd=folder, environ=environ)


def test_processes_of_this_machine_need_nobodys_word(tmp_path: Path) -> None:
    project = loaded(tmp_path, "local:4").project
    assert project is not None
    assert project.server.workers == LocalWorkers(4)
    assert unmet(project.needs, project.trusted_hosts) == ()


def test_a_scheduler_that_only_the_project_names_is_not_called(tmp_path: Path) -> None:
    project = loaded(tmp_path, "dask://dask.example.com").project
    assert project is not None
    assert project.server.workers == DaskWorkers("dask.example.com", 8786)
    (need,) = unmet(project.needs, project.trusted_hosts)
    assert need.grant == SecretGrant("workers", "dask://dask.example.com:8786")
    finding = refusal(need)
    assert finding.code == "untrusted-host"
    assert finding.message == (
        "the calls of a run would go to dask://dask.example.com:8786, which only the project file names"
    )
    assert "RECONCILER_TRUSTED_HOSTS=dask.example.com" in (finding.hint or "")
    assert "--workers" in (finding.hint or "")
    assert str(finding.place).endswith("reconciler.yaml:5:55")
    assert asked_for([need]) == [f"{need.place}: send the calls of a run to dask://dask.example.com:8786"]


def test_a_person_s_word_is_enough(tmp_path: Path) -> None:
    project = loaded(
        tmp_path, "dask://dask.example.com", RECONCILER_TRUSTED_HOSTS="dask.example.com:8786"
    ).project
    assert project is not None
    assert unmet(project.needs, project.trusted_hosts) == ()
    granted = [SecretGrant("workers", "dask://dask.example.com:8786")]
    other = loaded(tmp_path, "dask://dask.example.com").project
    assert other is not None
    assert unmet(other.needs, other.trusted_hosts, granted) == ()


def test_a_scheduler_of_this_machine_is_trusted(tmp_path: Path) -> None:
    project = loaded(tmp_path, "dask://127.0.0.1:9999").project
    assert project is not None
    assert unmet(project.needs, project.trusted_hosts) == ()


@pytest.mark.parametrize(
    ("workers", "code"),
    [("local:0", "schema"), ("local:65", "bad-setting"), ("dask://a:0", "bad-setting"), ("4", "schema")],
)
def test_what_names_no_workers_is_a_finding_with_its_place(tmp_path: Path, workers: str, code: str) -> None:
    found = [finding for finding in loaded(tmp_path, workers).findings if finding.is_error]
    assert len(found) == 1
    assert found[0].place is not None
    assert (found[0].code == "bad-setting") is (code == "bad-setting")
