"""Completion in shells: what a word completes to, without loading what isn't needed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from reconciler.cli.completion import SHELLS, VARIABLE
from reconciler.cli.flags import Flags
from reconciler.cli.group import COMMANDS, cli
from reconciler.validation.schemas import schema_names

ROOT = Path(__file__).parents[2]
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: p}
spec:
  resources: [resources]
  environments:
    staging:
      server: {url: 'embedded:'}
      overlays: [overlays]
    production:
      server: {url: 'https://pulse.example.com'}
"""
CAMPAIGN = "apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {{name: {}}}\nspec: {{}}\n"


def complete(*words: str) -> list[str]:
    """What the last of `words` completes to."""
    *before, last = words
    shell = ShellComplete(cli, {"obj": Flags()}, "reconciler", VARIABLE)
    return [item.value for item in shell.get_completions(before, last)]


@pytest.fixture
def project(folder: Path) -> Path:
    (folder / "reconciler.yaml").write_text(PROJECT)
    (folder / "overlays").mkdir()
    (folder / "overlays" / "new.yaml").write_text("overlay: new\n" + CAMPAIGN.format("lab"))
    (folder / "resources" / "wrong.yaml").write_text(CAMPAIGN.format("odd").replace("{}", "{nosuchfield: 1}"))
    (folder / "resources" / "broken.yaml").write_text("a: [")
    return folder


def test_commands(folder):
    assert complete("") == list(COMMANDS)
    assert complete("pl") == ["plan"]
    assert complete("campaign", "st") == ["start", "stop"]


def test_flags(folder):
    assert complete("plan", "--sel") == ["--selector"]
    assert {"--prune", "--project"} <= set(complete("plan", "--pr"))
    assert complete("plan", "--output", "m") == ["markdown"]


def test_campaigns(project):
    assert complete("plan", "--target", "") == ["Campaign/line-3", "Campaign/odd"]
    assert complete("plan", "--target", "campaign/L") == ["Campaign/line-3"]
    assert complete("apply", "-e", "staging", "--target", "Campaign/la") == ["Campaign/lab"]
    assert complete("-e", "staging", "apply", "--target", "Campaign/la") == ["Campaign/lab"]


def test_commands_by_hand_take_resources(project):
    assert complete("campaign", "show", "") == ["Campaign/line-3", "Campaign/odd"]
    assert complete("gateway", "state", "Campaign/o") == ["Campaign/odd"]
    assert complete("import", "P") == ["PackageSet/firmware"]


def test_environments(project):
    assert complete("plan", "-e", "") == ["production", "staging"]
    assert complete("--environment", "st") == ["staging"]
    assert complete("plan", "-e", "staging", "-e", "p") == ["production"]


def test_of_another_project_file(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert complete("plan", "-e", "") == []
    named = str(project / "reconciler.yaml")
    assert complete("--project", named, "plan", "-e", "") == ["production", "staging"]
    monkeypatch.setenv("RECONCILER_PROJECT", named)
    assert complete("plan", "--target", "") == ["Campaign/line-3", "Campaign/odd"]


def test_kinds_and_fields(folder):
    assert complete("schema", "C") == ["Calendar", "CallbackSet", "Campaign", "CampaignSet"]
    assert complete("schema", "") == list(schema_names())
    assert complete("explain", "Camp") == ["Campaign", "CampaignSet"]
    assert complete("explain", "Campaign.spec.des") == [
        "Campaign.spec.description",
        "Campaign.spec.desiredStatus",
    ]
    assert complete("explain", "Campaign.schedules.s") == ["Campaign.schedules.schedule"]
    assert complete("explain", "Campaign.sch") == ["Campaign.schedules"]
    assert complete("explain", "Campaign.sp") == ["Campaign.spec"]
    assert complete("explain", "Nothing.x") == []


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("plan", "--out", "res"), "file"),
        (("plan", "--snapshot", "res"), "file"),
        (("apply", "--plan", "res"), "file"),
        (("snapshot", "--out", "res"), "file"),
        (("package", "upload", "res"), "file"),
        (("serve", "--database", "res"), "file"),
        (("export", "--out", "res"), "dir"),
        (("init", "res"), "dir"),
    ],
)
def test_files_are_left_to_the_shell(folder, words, kind):
    *before, last = words
    (item,) = ShellComplete(cli, {"obj": Flags()}, "reconciler", VARIABLE).get_completions(before, last)
    assert (item.type, item.value) == (kind, "res")


def test_a_mistake_in_the_project_completes_to_nothing(project):
    (project / "reconciler.yaml").write_text("a: [")
    assert complete("plan", "-e", "") == []
    assert complete("plan", "--target", "") == []


def test_a_very_large_file_is_left_out(project, monkeypatch):
    monkeypatch.setattr("reconciler.cli.complete.LARGEST", 10)
    assert complete("plan", "--target", "") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_every_shell(run, shell):
    made = run("completion", shell)
    assert made.code == 0
    assert f"{VARIABLE}={shell}_complete" in made.out
    assert 'string split "," ' not in made.out, "a comma in the help of a flag would end it"


def test_the_shell_of_the_environment(run, monkeypatch):
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run("completion").out == run("completion", "fish").out
    for unknown in ("/bin/dash", ""):
        monkeypatch.setenv("SHELL", unknown)
        made = run("completion")
        assert made.code == 64
        assert "Name one of bash, zsh, fish." in made.err
    assert run("completion", "tcsh").code == 64


def test_bash_completes(project, run, tmp_path):
    """As bash itself does it, with the script that we print and a program of our name."""
    bash = shutil.which("bash")
    assert bash, "bash is needed: it runs this repository's scripts, too"
    program = tmp_path / "bin" / "reconciler"
    program.parent.mkdir()
    program.write_text(f'#!{bash}\nexec {sys.executable} -m reconciler "$@"\n')
    program.chmod(0o755)
    script = run("completion", "bash").out
    asked = f"""{script}
COMP_WORDS=(reconciler plan --target Campaign/l)
COMP_CWORD=3
_reconciler_completion reconciler
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    env = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    made = subprocess.run(
        [bash, "--norc", "-c", asked],
        cwd=project,
        env=env,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (made.stdout, made.stderr) == ("Campaign/line-3\n", "")


LOADED = """
import atexit, json, os, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from reconciler.cli import main
sys.exit(main([]))
"""


@pytest.mark.parametrize(
    ("words", "value", "heavy"),
    [
        ("", "plan", {"yaml", "reconciler.cli.plan", "reconciler.plan"}),
        ("plan --target ", "Campaign/line-3", {"httpx", "jsonschema", "reconciler.embedded"}),
        ("plan -e ", "staging", {"httpx", "jsonschema", "reconciler.resolve"}),
    ],
)
def test_only_what_is_needed_is_loaded(project, words, value, heavy):
    env = {name: text for name, text in os.environ.items() if not name.startswith("COV")}
    env |= {
        "PYTHONPATH": str(ROOT),
        VARIABLE: "bash_complete",
        "COMP_WORDS": f"reconciler {words}",
        "COMP_CWORD": str(1 + len(words.split())),
    }
    made = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=project,
        env=env,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert f"plain,{value}" in made.stdout.splitlines()
    assert {*heavy, "starlette"}.isdisjoint(json.loads(made.stderr))


# --- what an argument takes ------------------------------------------------------------------------


def test_a_path_is_a_yaml_file_or_a_folder_and_not_hidden(folder):
    for name in (".hidden.yaml", "a.YML", "b.yaml", "firmware.bin", "c.txt"):
        (folder / name).write_text("")
    for name in (".git", "campaigns", "resources/deep"):
        (folder / name).mkdir()
    (folder / "resources" / "deep" / "x.yaml").write_text("")
    for command in ("plan", "apply", "validate"):
        assert complete(command, "") == ["a.YML", "b.yaml", "campaigns/", "resources/"]
    assert complete("plan", ".") == []
    assert complete("plan", "res") == ["resources/", "resources/deep/", "resources/line.yaml"]
    assert complete("plan", "resources/d") == ["resources/deep/", "resources/deep/x.yaml"]
    assert complete("plan", f"{folder}/b") == [f"{folder}/b.yaml"]
    assert complete("plan", "nowhere/x") == []


def test_a_guard_is_waived_once(folder):
    assert complete("apply", "--waive", "maxS") == ["maxStarts"]
    every = complete("apply", "--waive", "")
    assert {"allowAllMissing", "maxDeletes"} <= set(every)
    assert complete("apply", "--waive", "maxStarts", "--reason", "x", "--waive", "max") == [
        each for each in every if each.startswith("max") and each != "maxStarts"
    ]


def test_labels_and_owned_resources(project):
    path = project / "resources" / "labelled.yaml"
    labelled = CAMPAIGN.format("east").replace(
        "{name: east}", "{name: east, labels: {site: berlin, tier: a}}"
    )
    path.write_text(labelled)
    assert complete("plan", "--selector", "si") == ["site=berlin"]
    assert complete("plan", "--selector", "") == ["site=berlin", "tier=a"]
    assert complete("state", "rm", "Campaign/ea") == ["Campaign/east"]
