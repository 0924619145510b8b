"""`init` asks three questions on a terminal, works without them, and joins a pipeline that is there."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reconciler.app.newproject import CI, likely_ci

SERVER = "Your campaign server"
STATE = "Where the state is kept"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def declared(folder: Path) -> dict[str, object]:
    return yaml.safe_load((folder / "reconciler.yaml").read_text())["spec"]


def test_three_questions_on_a_terminal(folder, on_a_terminal, run):
    (folder / ".gitlab-ci.yml").write_text("stages: [lint, ship]\n")
    with on_a_terminal(folder, "init") as terminal:
        terminal.until(SERVER)
        terminal.type("pulse.example.com\n")
        terminal.until("a server is named by its URL")
        terminal.type("https://me:secret@pulse.example.com\n")
        terminal.until("doesn't belong in a file")
        terminal.type("https://pulse.example.com\n")
        terminal.until(STATE)
        terminal.type("ftp://x\n")
        terminal.until("Error")
        terminal.type("s3://bucket/state.json\n")
        terminal.until("What runs CI (github, gitlab, none) [gitlab]")
        terminal.type("\n")
        code, out = terminal.end()
    assert code == 0, terminal.said
    assert declared(folder)["server"] == {"url": "https://pulse.example.com"}
    assert declared(folder)["state"] == {"url": "s3://bucket/state.json"}
    assert "  include:\n    - local: /.gitlab/reconciler.yml\n" in out
    assert "Then put your own files into resources/." in out
    assert run("validate").code == 0
    assert run("plan", "-e", "rehearsal", "--state", "file:s.json").code == 0


def test_enter_three_times_is_what_it_is_without_a_terminal(folder, on_a_terminal, run):
    asked, plain = folder / "asked", folder / "plain" / "asked"
    with on_a_terminal(folder, "init", "asked") as terminal:
        for question in (SERVER, STATE, "What runs CI"):
            terminal.until(question)
            terminal.type("\n")
        code, _ = terminal.end()
    assert code == 0
    assert run("init", str(plain)).code == 0
    for name in ("reconciler.yaml", "resources/campaign.yaml"):
        assert (asked / name).read_text() == (plain / name).read_text()


def test_nobody_is_asked_what_flags_say(folder, on_a_terminal):
    with on_a_terminal(
        folder, "init", "--url", "embedded:", "--state", "file:x.json", "--ci", "none"
    ) as terminal:
        code, _ = terminal.end()
    assert code == 0
    assert SERVER not in terminal.said
    assert declared(folder)["state"] == {"url": "file:x.json"}


def test_an_interrupt_makes_nothing(folder, on_a_terminal):
    with on_a_terminal(folder, "init", "new") as terminal:
        terminal.until(SERVER)
        terminal.process.send_signal(signal.SIGINT)
        code, _ = terminal.end()
    assert code != 0
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--url", "pulse.example.com", "pulse.example.com can't be the server: a server is named by its URL"),
        ("--url", "https://", "can't be the server"),
        ("--url", "https://h:x/", "that isn't a URL"),
        ("--url", "https://a:b@h", "doesn't belong in a file"),
        ("--state", "ftp://x", "the state can't be kept at ftp://x"),
    ],
)
def test_a_flag_that_can_not_be_is_refused(run, home, flag, value, said):
    made = run("init", flag, value)
    assert made.code == 1
    assert said in made.err
    assert not list(home.iterdir())


def test_whatever_the_answers_the_project_file_is_sound(run, home):
    odd = 'https://x.example.com/a"b#c?d: {e}\\1'
    assert run("init", "--url", odd, "--state", "file:a b/x: y#z.json").code == 0
    assert declared(home)["server"] == {"url": odd}
    assert declared(home)["state"] == {"url": "file:a b/x: y#z.json"}


@pytest.mark.parametrize(
    ("files", "guess"),
    [
        ({}, "none"),
        ({".github/workflows/x.yml": ""}, "github"),
        ({".gitlab-ci.yml": ""}, "gitlab"),
        ({".git/config": "[remote]\n\turl = git@gitlab.example.com:a/b.git\n"}, "gitlab"),
        ({".git/config": "[remote]\n\turl = https://github.com/a/b\n"}, "github"),
        ({".git/config": "[remote]\n\turl = https://git.example.com/a/b\n"}, "none"),
    ],
)
def test_ci_is_guessed_from_what_is_there(tmp_path, files, guess):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert likely_ci(tmp_path, {}) == guess


# --- a pipeline that is there -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "stages"),
    [
        ("", ("test", "deploy")),
        ("stages: [lint, test, ship]\n", ("test", "ship")),
        ("stages: [build, apply]\nx: !reference [a, b]\n", ("build", "apply")),
        ("stages: one\n", ("test", "deploy")),
        ("a: [\n", ("test", "deploy")),
    ],
)
def test_a_pipeline_that_is_there_includes_ours(run, home, there, stages):
    (home / CI["gitlab"]).write_text(there)
    made = run("init", "--ci", "gitlab")
    assert made.code == 0, made.err
    assert (home / CI["gitlab"]).read_text() == there
    assert (
        "Add this to it, or to its `include`:\n  include:\n    - local: /.gitlab/reconciler.yml\n" in made.out
    )
    path = home / ".gitlab" / "reconciler.yml"
    included = yaml.safe_load(path.read_text())
    shared = included.pop(".reconciler")
    assert set(shared) == {"variables", "image", "before_script"}
    assert set(shared["variables"]) == {"RECONCILER_PACKAGE", "GIT_LFS_SKIP_SMUDGE"}
    # Nothing global: the other jobs stay as they are.
    assert set(included) == {f"reconciler-{job}" for job in ("validate", "plan", "apply", "drift", "rollout")}
    assert {job["extends"] for job in included.values()} == {".reconciler"}
    assert (included["reconciler-validate"]["stage"], included["reconciler-apply"]["stage"]) == stages
    alone = yaml.safe_load(Path(str(path)).read_text())
    alone["stages"] = list(dict.fromkeys(stages))
    (home / "whole.yml").write_text(yaml.safe_dump(alone))
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.gitlab-ci",
            home / "whole.yml",
        ],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_jobs_are_those_of_the_file_that_stands_alone(run, home):
    assert run("init", "--ci", "gitlab").code == 0
    alone = yaml.safe_load((home / CI["gitlab"]).read_text())
    (home / "reconciler.yaml").unlink()
    other = home / "other"
    other.mkdir()
    (other / CI["gitlab"]).write_text("x: 1\n")
    assert run("init", "other", "--ci", "gitlab").code == 0
    included = yaml.safe_load((other / ".gitlab" / "reconciler.yml").read_text())
    for job in ("validate", "plan", "apply", "drift", "rollout"):
        ours = {
            key: value
            for key, value in included[f"reconciler-{job}"].items()
            if key not in ("stage", "extends")
        }
        assert ours == {key: value for key, value in alone[job].items() if key != "stage"}


def test_two_folders_of_a_repository_share_a_pipeline(run, home, monkeypatch):
    (home / ".git").write_text("gitdir: elsewhere\n")
    (home / CI["gitlab"]).write_text("stages: [test, deploy]\n")
    for name in ("one", "two"):
        (home / name).mkdir()
        monkeypatch.chdir(home / name)
        assert run("init", "--ci", "gitlab").code == 0
    jobs: set[str] = set()
    for name in ("one", "two"):
        found = yaml.safe_load((home / ".gitlab" / f"reconciler-{name}.yml").read_text())
        assert jobs.isdisjoint(found)
        jobs |= found.keys()
        assert found[f".reconciler-{name}"]["variables"]["RECONCILER_PROJECT"] == f"{name}/reconciler.yaml"
        rules = found[f"reconciler-{name}-validate"]["rules"]
        assert rules[0]["changes"] == [f"{name}/**/*", f".gitlab/reconciler-{name}.yml"]


def test_what_was_made_once_is_not_overwritten(run, home):
    (home / CI["gitlab"]).write_text("")
    assert run("init", "--ci", "gitlab").code == 0
    made = run("init", "--ci", "gitlab")
    assert made.code == 1
    assert "would be overwritten: .gitlab/reconciler.yml" in made.err
