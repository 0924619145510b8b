"""What the documents tell people to type works as written, and every command has its help."""

import json
import re
import shlex
import shutil
from pathlib import Path

import click
import jsonschema
import pytest
from e2e_runs import ROOT, Workplace

from reconciler.cli.group import COMMANDS, cli

DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")])
FENCE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Commands that are tried just as they stand."""
SHOWN = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Commands about a world that isn't here: only that there are such commands and flags is tried."""


def sessions(document: Path) -> list[list[tuple[list[str], str]]]:
    """The blocks of commands: each command's words, and what the document shows of its output."""
    found = []
    for block in FENCE.findall(document.read_text("utf-8")):
        prompts = any(line.startswith("$ ") for line in block.splitlines())
        session: list[tuple[list[str], str]] = []
        for line in block.splitlines():
            if prompts and not line.startswith("$ "):
                words, shown = session[-1]
                session[-1] = words, f"{shown}{line}\n"
            elif line.strip():
                session.append((shlex.split(line.removeprefix("$ "), comments=True), ""))
        found.append(session)
    return found


def test_there_are_commands_to_try() -> None:
    with_commands = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS if sessions(path)}
    assert {"README.md", "examples/quickstart/README.md", "examples/complete/README.md"} <= with_commands


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_its_commands_work_as_written(document: Path, nowhere: Workplace) -> None:
    shutil.copytree(ROOT / "examples", nowhere.folder / "examples")
    (nowhere.folder / "resources.yaml").unlink()
    top = nowhere.folder
    makefile = (ROOT / "Makefile").read_text("utf-8")
    metadata = (ROOT / "pyproject.toml").read_text("utf-8")
    for session in sessions(document):
        nowhere.folder = top
        for words, shown in session:
            match words:
                case ["make", target]:
                    assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
                case ["pip", "install", what]:
                    extra = re.fullmatch(r"\.\[(\w+)\]", what)
                    assert what == "." or (extra and re.search(rf"^{extra[1]} = \[", metadata, re.MULTILINE))
                case ["cd", folder]:
                    nowhere.folder /= folder
                    assert nowhere.folder.is_dir()
                case ["reconciler", "apply", *rest] if "--auto-approve" not in rest:
                    # A person answers here; see that there is nothing to fix but the missing terminal.
                    asked = nowhere.run("apply", *rest)
                    assert asked.said.startswith("error: there is no terminal to ask on"), asked
                    assert nowhere.run("apply", *rest, "--auto-approve").code == 0
                case ["reconciler", *rest]:
                    ran = nowhere.run(*rest)
                    assert ran.code == 0, ran
                    assert shown in ran.out
                case _:
                    pytest.fail(f"{document.name}: nobody knows how to try {words}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_are_only_shown_have_these_flags(document: Path) -> None:
    for block in SHOWN.findall(document.read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "reconciler" in words[:1]:
                shown_rightly(words[1 : words.index("|")] if "|" in words else words[1:])


def shown_rightly(words: list[str]) -> None:
    command: click.Command = cli
    known = {name for parameter in cli.params for name in parameter.opts}
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(click.Context(command), word)
            assert found is not None, word
            command = found
            known |= {name for parameter in command.params for name in parameter.opts}
        elif word.startswith("-"):
            assert word.partition("=")[0] in known, word


def test_every_command_that_is_named_in_passing_is_one() -> None:
    for document in DOCUMENTS:
        text = SHOWN.sub("", FENCE.sub("", document.read_text("utf-8")))
        for command in re.findall(r"`(?:reconciler )([a-z]+)", text):
            assert command in COMMANDS, f"{document.name} names {command}"
        for target in re.findall(r"`make ([a-z]+)`", text):
            assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


@pytest.mark.parametrize(
    "arguments", [(), *((name,) for name in COMMANDS)], ids=lambda it: it[0] if it else ""
)
def test_help(nowhere: Workplace, arguments: tuple[str, ...]) -> None:
    ran = nowhere.run(*arguments, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: {' '.join(['reconciler', *arguments])} ")
    if not arguments:
        listed = ran.out
        assert all(re.search(rf"^  {name}  +\w", listed, re.MULTILINE) for name in COMMANDS), listed


def test_a_schema_is_one_and_knows_a_campaign(nowhere: Workplace) -> None:
    ran = nowhere.run("schema", "Campaign")
    assert (ran.code, ran.err) == (0, "")
    schema = json.loads(ran.out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    campaign = {"apiVersion": "reconciler/v1", "kind": "Campaign", "metadata": {"name": "a"}, "spec": {}}
    assert validator.is_valid(campaign)
    assert not validator.is_valid(campaign | {"spec": {"desiredStatus": "RUNNING"}})
    assert not validator.is_valid(campaign | {"spec": {"colour": "red"}})
